"""Whole training runs on a two-layer model: equivalent splits, resumption, determinism, what is left on disk."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from hub_publisher import finetune
from hub_publisher.config import Config
from hub_publisher.errors import TrainingError
from hub_publisher.finetune import energy, launch_command
from hub_publisher.finetune.loop import learning_rate_at
from hub_publisher.finetune.run import RESULT, Request
from hub_publisher.model import dataset, loss
from hub_publisher.model.base_model import ResolvedBaseModel, load_model
from hub_publisher.records import Curation, KeptPost, Training
from hub_publisher.system.files import read_jsonl, read_record, sha256_of
from tests.helpers import ROOT, card_records
from tests.helpers.energy import RANGE, drawing, make_zone
from tests.helpers.finetune import prepare, train_here

ONE_PASS = {"num_epochs": 1, "learning_rate": 1e-3}
UNEVEN = {"num_processes": 2, "gradient_accumulation_steps": 3}
ONE_OF_TWO = """
import sys
from pathlib import Path
from hub_publisher.finetune import energy
from hub_publisher.finetune.__main__ import main
energy.RAPL = Path(sys.argv[2])
main(Path(sys.argv[1]))
"""


class Trained(NamedTuple):
    """A run that several tests look at or compare theirs with."""

    config: Config
    training: Training


@pytest.fixture(scope="module")
def one_pass(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Trained:
    config, curation, base = prepare(tmp_path_factory.mktemp("one-pass"), tiny_model, **ONE_PASS)
    return Trained(config, train_here(config, curation, base))


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "model" / "model.safetensors")


def test_a_run_leaves_a_model_a_log_and_a_record(tmp_path: Path, tiny_model: Path) -> None:
    config, curation, base = prepare(tmp_path, tiny_model, dtype="bfloat16")
    training = train_here(config, curation, base)
    assert sorted(path.name for path in (config.run_dir / "model").iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    for path in (config.run_dir / "model").glob("*.json"):
        assert not any(str(folder) in path.read_text(encoding="utf-8") for folder in (tmp_path, tiny_model)), path.name
    finetune.clear(config)  # as the pipeline does when the record is safe
    assert sorted(path.name for path in config.run_dir.iterdir()) == ["model", "posts.jsonl", "training-log.jsonl"]
    assert training.weights_sha256 == sha256_of(config.run_dir / "model" / "model.safetensors")
    assert [point.epoch for point in training.evals] == [0, 1, 2]
    assert training.evals[2].eval_loss < training.evals[0].eval_loss
    assert training.best_epoch == min(training.evals[1:], key=lambda point: point.eval_loss).epoch
    assert len(training.log) == training.num_steps == training.log[-1].step
    assert training.log[-1].num_tokens == 2 * training.num_train_tokens
    assert training.padding_ratio < 0.1
    lines = [json.loads(line) for line in (config.run_dir / "training-log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines].count("eval") == 3
    assert {tensor.dtype for tensor in weights(config.run_dir).values()} == {torch.bfloat16}


def test_micro_batches_train_as_one_batch_does(one_pass: Trained, tmp_path: Path, tiny_model: Path) -> None:
    config, curation, base = prepare(tmp_path, tiny_model, gradient_accumulation_steps=8, **ONE_PASS)
    assert_equal(Trained(config, train_here(config, curation, base)), one_pass)


def test_two_processes_with_uneven_and_empty_shares_train_as_one_does(
    one_pass: Trained, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launched as `finetune` does, but told of one processor's counter, which draws 100 W meanwhile."""
    config, curation, base = prepare(tmp_path, tiny_model, **ONE_PASS, **UNEVEN)
    rapl = make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0").parent.parent
    script = tmp_path / "one_of_two.py"
    script.write_text(ONE_OF_TWO)
    command, environment = launch_command(config)
    command[-3:] = [str(script), str(config.run_dir), str(rapl)]
    environment |= {"PYTHONPATH": str(ROOT), "ACCELERATE_MIXED_PRECISION": "no"}
    monkeypatch.setattr(finetune, "launch_command", lambda config: (command, environment))
    with drawing(rapl) as joules:
        training = finetune.finetune(config, curation, base)
        most = joules()
    assert (training.num_processes, one_pass.training.num_processes) == (2, 1)
    assert curation.num_train / training.num_steps < 6, "none of the 6 shares was ever empty"
    assert training.energy_source == "RAPL (package-0)"
    assert training.energy_joules is not None and 0 < training.energy_joules < most, "both processes counted"
    assert_equal(Trained(config, training), one_pass)


def assert_equal(shared: Trained, whole: Trained) -> None:
    """The losses and what was learned are the same, but for rounding, which Adam blows up where gradients are tiny."""
    losses = [point.loss for point in whole.training.log]
    assert [point.loss for point in shared.training.log] == pytest.approx(losses, rel=1e-4)
    before = load_file(Path(whole.config.base_model) / "model.safetensors")
    others = weights(shared.config.run_dir)
    for key, tensor in weights(whole.config.run_dir).items():
        if not key.endswith("c_attn.bias"):  # a key's bias has no gradient but rounding; it changes no output
            learned, difference = (tensor - before[key]).norm(), (tensor - others[key]).norm()
            assert difference < 0.02 * learned, f"{key}: {difference / learned:.4f} of what was learned"


def test_training_is_measured_and_its_seed_decides_every_bit(
    one_pass: Trained, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = one_pass.training
    assert (here.energy_joules is None) == (here.energy_source is None) == (energy.rapl_counters() == ())
    monkeypatch.setattr(energy, "RAPL", tmp_path / "rapl")
    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0", RANGE - 1_000_000)
    make_zone(tmp_path / "rapl", "intel-rapl:0:0", "dram")
    with drawing(tmp_path / "rapl") as joules:
        training = train_here(*prepare(tmp_path, tiny_model, **ONE_PASS))
        most = joules()
    assert training.energy_joules is not None
    assert 50 * training.train_seconds < training.energy_joules < most, "two zones of 100 W each"
    assert training.energy_source == "RAPL (package-0, dram)"
    assert training.weights_sha256 == one_pass.training.weights_sha256


def test_a_killed_run_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"num_epochs": 2, "num_posts": 60, "tokens_per_batch": 64, "checkpoint_seconds": 0.0}
    config, curation, base = prepare(tmp_path, tiny_model, repo_name="left-alone", **settings)
    expected = train_here(config, curation, base)

    config, curation, base = prepare(tmp_path, tiny_model, repo_name="killed", **settings)
    finetune.begin(config, curation, base)
    _end_publisher_in_mid_training(config, after_steps=5)
    log_before = (config.run_dir / "training-log.jsonl").read_text()
    monkeypatch.setattr(energy, "RAPL", tmp_path / "rapl")
    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0")
    with drawing(tmp_path / "rapl"):
        training = train_here(config, curation, base)
    assert training.energy_joules is None and training.energy_source is None, "what the killed one spent is not known"
    assert training.weights_sha256 == expected.weights_sha256
    assert [point.loss for point in training.log] == [point.loss for point in expected.log]
    # What was done before the kill was not done again: its lines, with their timings, still stand.
    first_lines = log_before.splitlines()[:4]
    assert (config.run_dir / "training-log.jsonl").read_text().splitlines()[:4] == first_lines


def _end_publisher_in_mid_training(config: Config, after_steps: int) -> None:
    """Start the training process and let its stdin end after some steps, as a kill of its publisher does: it ends, too.

    It ends at once, as by a kill of its own, in the midst of a step or of a checkpoint.
    """
    command, environment = launch_command(config)
    environment |= {"PYTHONPATH": str(ROOT), "ACCELERATE_MIXED_PRECISION": "no"}
    log = config.run_dir / "training-log.jsonl"
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + 120
        while not log.exists() or log.read_text().count('"kind": "step"') < after_steps:
            assert time.monotonic() < deadline and child.poll() is None, "training never got that far"
            time.sleep(0.02)
        assert child.stdin
        child.stdin.close()
        assert child.wait(30) == 1
    assert read_record(config.run_dir / RESULT, Training) is None


def test_training_stops_when_it_gets_worse_and_keeps_the_best(tmp_path: Path, tiny_model: Path) -> None:
    """At a learning rate of 1, whatever the seed, the second epoch is worse than the first by nats."""
    config, curation, base = prepare(tmp_path, tiny_model, num_epochs=12, learning_rate=1.0, num_posts=30)
    training = train_here(config, curation, base)
    losses = [point.eval_loss for point in training.evals]
    assert training.stopped_early and len(losses) < 13
    assert losses[-1] - 1 > losses[training.best_epoch] == min(losses[1:])
    assert heldout_loss(config, config.run_dir / "model") == pytest.approx(losses[training.best_epoch], rel=1e-4)
    assert heldout_loss(config, base.path) == pytest.approx(losses[0], rel=1e-4)


def heldout_loss(config: Config, folder: Path) -> float:
    """The held-out loss of the weights in a folder."""
    tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(folder))
    texts = [post.text for post in read_jsonl(config.run_dir / "posts.jsonl", KeptPost) if post.split == "heldout"]
    rows = dataset.encode(texts, tokenizer, config.max_post_tokens).sequences
    return loss.mean_loss(load_model(folder, "float32"), rows, tokenizer.pad_token_id, config.tokens_per_batch)


def test_an_accelerate_configuration_file_decides(tmp_path: Path, tiny_model: Path) -> None:
    """Here on bfloat16 autocast, which every processor can do, if slowly."""
    file = tmp_path / "accelerate.yaml"
    file.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nmixed_precision: bf16\nuse_cpu: true\n"
        "num_processes: 1\nnum_machines: 1\nmachine_rank: 0\n"
    )
    config, curation, base = prepare(tmp_path, tiny_model, num_epochs=1, accelerate_config=file)
    command, _ = launch_command(config)
    assert command[command.index("--config_file") + 1] == str(file)
    training = finetune.finetune(config, curation, base)
    assert training.mixed_precision == "bf16"
    assert training.evals[1].eval_loss < training.evals[0].eval_loss
    assert {tensor.dtype for tensor in weights(config.run_dir).values()} == {torch.float32}


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_training_that_fails_says_how_to_go_on(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int
) -> None:
    config, curation, base = prepare(tmp_path, tiny_model)
    result = config.run_dir / RESULT
    result.parent.mkdir()
    result.write_text(card_records.training().model_dump_json())  # of a training before
    command = [sys.executable, "-c", f"import sys; sys.exit({exit_code})"]
    monkeypatch.setattr(finetune, "launch_command", lambda config: (command, dict(os.environ)))
    match = f"Training ended with exit code {exit_code} before the model was complete"
    with pytest.raises(TrainingError, match=match) as error:
        finetune.finetune(config, curation, base)
    assert "Run the same command again" in error.value.remedy
    assert not (config.run_dir / "model").exists()


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = Config(handle="x", learning_rate=1.0, warmup_ratio=0.1)
    rates = [learning_rate_at(step, 100, config) for step in range(101)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1 and rates[55] == pytest.approx(0.5) and rates[100] == pytest.approx(0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def request_for(config: Config, curation: Curation, base: ResolvedBaseModel) -> Request:
    return Request(config=config, base=base, posts_sha256=curation.posts_sha256)


def test_a_request_is_read_as_it_was_written(tmp_path: Path, tiny_model: Path) -> None:
    settings: dict[str, Any] = {"prompts": ("My dream is",), "accelerate_config": tmp_path / "a.yaml"}
    request = request_for(*prepare(tmp_path, tiny_model, **settings))
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_a_checkpoint_is_gone_on_from_by_the_same_training_alone(tmp_path: Path, tiny_model: Path) -> None:
    config, curation, base = prepare(tmp_path, tiny_model)
    key = request_for(config, curation, base).key
    others = [
        (replace(config, learning_rate=1e-4), curation, base),
        (replace(config, num_epochs=3), curation, base),
        (replace(config, base_model="another folder"), curation, base),
        (config, curation.model_copy(update={"posts_sha256": "of other posts"}), base),
        (config, curation, replace(base, record=base.record.model_copy(update={"substituted_for": "gpt2"}))),
    ]
    assert key not in {request_for(*each).key for each in others}
    same = replace(config, num_processes=2, temperature=0.7, top_p=0.5, checkpoint_seconds=1.0)
    assert request_for(same, curation, base).key == key
