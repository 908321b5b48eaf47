"""Whole training runs on a two-layer model: equivalent splits, resumption, determinism, what is left on disk."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from hub_publisher import finetune
from hub_publisher.config import Config
from hub_publisher.errors import TrainingError
from hub_publisher.finetune.energy import rapl_counters
from hub_publisher.finetune.launch import launch_command
from hub_publisher.finetune.loop import learning_rate_at
from hub_publisher.finetune.request import Request, make_request
from hub_publisher.model import dataset, loss
from hub_publisher.model.base_model import load_model
from hub_publisher.records import KeptPost, Training
from hub_publisher.system.files import read_jsonl, sha256_of
from tests.helpers import ROOT
from tests.helpers.energy import RANGE, drawing, make_zone
from tests.helpers.finetune import prepare, train_here

ONE_PASS = {"num_epochs": 1, "learning_rate": 1e-3}
RUN_AND_DIE = """
import pickle, sys
from pathlib import Path
from hub_publisher import finetune
finetune.finetune(*pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


ONE_PROCESS = """
import sys
from pathlib import Path
from hub_publisher.finetune.loop import train
from hub_publisher.finetune.request import read_request
run_dir, rapl = map(Path, sys.argv[1:])
train(run_dir, read_request(run_dir), rapl)
"""


class Trained(NamedTuple):
    """A run that several tests look at or compare theirs with; `folder` holds its base model too."""

    folder: Path
    config: Config
    training: Training


@pytest.fixture(scope="module")
def one_pass(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("one-pass")
    config, curation, base = prepare(folder, repo_name="whole", **ONE_PASS)
    return Trained(folder, config, train_here(config, curation, base))


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "model" / "model.safetensors")


def test_a_run_leaves_a_model_a_log_and_a_record(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path, dtype="bfloat16")
    training = train_here(config, curation, base)
    assert sorted(path.name for path in (config.run_dir / "model").iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
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


def test_no_path_of_this_machine_is_published(one_pass: Trained) -> None:
    paths = list((one_pass.config.run_dir / "model").glob("*.json"))
    assert len(paths) == 3
    for path in paths:
        assert str(one_pass.folder) not in path.read_text(encoding="utf-8"), path.name


def test_two_runs_with_one_seed_are_bitwise_equal(one_pass: Trained) -> None:
    config, curation, base = prepare(one_pass.folder, repo_name="second", **ONE_PASS)
    assert train_here(config, curation, base).weights_sha256 == one_pass.training.weights_sha256


@pytest.fixture(scope="module")
def two_processes(one_pass: Trained) -> Trained:
    """Launched as `finetune` does, but told of one processor's counter, which draws 100 W meanwhile."""
    config, curation, base = prepare(one_pass.folder, repo_name="two_processes", num_processes=2, **ONE_PASS)
    finetune.begin(config, curation, base)
    rapl = make_zone(one_pass.folder / "rapl", "intel-rapl:0", "package-0").parent.parent
    script = one_pass.folder / "one_process.py"
    script.write_text(ONE_PROCESS)
    command, environment = launch_command(config, config.run_dir)
    command[-3:] = [str(script), str(config.run_dir), str(rapl)]
    with drawing(rapl) as joules:
        subprocess.run(command, env={**environment, "PYTHONPATH": str(ROOT)}, check=True)
        most = joules()
    training = finetune.end(config)
    assert training is not None and training.energy_joules is not None
    assert 0 < training.energy_joules < most, "both processes counted"
    return Trained(one_pass.folder, config, training)


def test_two_processes_train_as_one_does(one_pass: Trained, two_processes: Trained) -> None:
    """8 posts = 2 processes x 4."""
    assert (two_processes.training.num_processes, one_pass.training.num_processes) == (2, 1)
    assert two_processes.training.energy_source == "RAPL (package-0)"
    assert_equal(two_processes, one_pass)


def test_micro_batches_train_as_one_batch_does(one_pass: Trained) -> None:
    config, curation, base = prepare(
        one_pass.folder, repo_name="accumulated", gradient_accumulation_steps=8, **ONE_PASS
    )
    assert_equal(Trained(one_pass.folder, config, train_here(config, curation, base)), one_pass)


def test_an_uneven_split_with_empty_shares_trains_as_one_batch_does(one_pass: Trained) -> None:
    shares = {"num_processes": 2, "gradient_accumulation_steps": 3}
    config, curation, base = prepare(one_pass.folder, repo_name="uneven", **ONE_PASS, **shares)
    training = finetune.finetune(config, curation, base)
    assert training.num_processes == 2
    assert_equal(Trained(one_pass.folder, config, training), one_pass)


def assert_equal(shared: Trained, whole: Trained) -> None:
    """The losses and what was learned are the same, but for rounding, which Adam blows up where gradients are tiny."""
    losses = [point.loss for point in whole.training.log]
    assert [point.loss for point in shared.training.log] == pytest.approx(losses, rel=1e-4)
    before = load_file(whole.folder / "base" / "model.safetensors")
    others = weights(shared.config.run_dir)
    for key, tensor in weights(whole.config.run_dir).items():
        if not key.endswith("c_attn.bias"):  # a key's bias has no gradient but rounding; it changes no output
            learned, difference = (tensor - before[key]).norm(), (tensor - others[key]).norm()
            assert difference < 0.02 * learned, f"{key}: {difference / learned:.4f} of what was learned"


def test_training_is_measured_where_there_are_counters_and_only_there(tmp_path: Path, one_pass: Trained) -> None:
    here = one_pass.training
    assert (here.energy_joules is None) == (here.energy_source is None) == (rapl_counters() == ())

    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0", RANGE - 1_000_000)
    make_zone(tmp_path / "rapl", "intel-rapl:0:0", "dram")
    with drawing(tmp_path / "rapl") as joules:
        training = train_here(*prepare(tmp_path, num_epochs=1), tmp_path / "rapl")
        most = joules()
    assert training.energy_joules is not None
    assert 50 * training.train_seconds < training.energy_joules < most, "two zones of 100 W each"
    assert training.energy_source == "RAPL (package-0, dram)"


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings = {"num_epochs": 2, "num_posts": 60, "tokens_per_batch": 64, "checkpoint_seconds": 0.0}
    config, curation, base = prepare(tmp_path, repo_name="left-alone", **settings)
    expected = train_here(config, curation, base)

    config, curation, base = prepare(tmp_path, repo_name="killed", **settings)
    (tmp_path / "arguments").write_bytes(pickle.dumps((config, curation, base)))
    _kill_in_mid_training(tmp_path / "arguments", config, after_steps=5)
    log_before = (config.run_dir / "training-log.jsonl").read_text()
    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0")
    with drawing(tmp_path / "rapl"):
        training = train_here(config, curation, base, tmp_path / "rapl")
    assert training.energy_joules is None and training.energy_source is None, "what the killed one spent is not known"
    assert training.weights_sha256 == expected.weights_sha256
    assert [point.loss for point in training.log] == [point.loss for point in expected.log]
    # What was done before the kill was not done again: its lines, with their timings, still stand.
    first_lines = log_before.splitlines()[:4]
    assert (config.run_dir / "training-log.jsonl").read_text().splitlines()[:4] == first_lines


def _kill_in_mid_training(arguments: Path, config: Config, after_steps: int) -> None:
    """Run the training of `config` in another process and SIGKILL it, and nothing else, in mid-training."""
    parent = subprocess.Popen([sys.executable, "-c", RUN_AND_DIE, str(arguments)], cwd=ROOT)
    log = config.run_dir / "training-log.jsonl"
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_text().count('"step"}') + log.read_text().count('"kind": "step"') < after_steps:
        assert time.monotonic() < deadline and parent.poll() is None, "training never got that far"
        time.sleep(0.02)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait_for_quiet(log)


def _wait_for_quiet(log: Path) -> None:
    """The training processes end when their publisher is gone: the log stops growing."""
    deadline, size = time.monotonic() + 30, -1
    while size != (size := log.stat().st_size):
        assert time.monotonic() < deadline, "the training processes outlived their publisher"
        time.sleep(1)


def test_training_stops_when_it_gets_worse_and_keeps_the_best(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path, num_epochs=12, learning_rate=5e-2, num_posts=30)
    training = train_here(config, curation, base)
    losses = [point.eval_loss for point in training.evals]
    assert training.stopped_early and len(losses) < 13
    assert losses[-1] > losses[training.best_epoch] == min(losses[1:])
    assert heldout_loss(config, config.run_dir / "model") == pytest.approx(losses[training.best_epoch], abs=1e-4)
    assert heldout_loss(config, base.path) == pytest.approx(losses[0], abs=1e-4)


def heldout_loss(config: Config, folder: Path) -> float:
    """The held-out loss of the weights in a folder."""
    tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(folder))
    texts = [post.text for post in read_jsonl(config.run_dir / "posts.jsonl", KeptPost) if post.split == "heldout"]
    rows = dataset.encode(texts, tokenizer, config.max_post_tokens).sequences
    return loss.mean_loss(load_model(folder, "float32"), rows, tokenizer.pad_token_id, config.tokens_per_batch)


def test_an_accelerate_configuration_file_decides(tmp_path: Path) -> None:
    """Here on bfloat16 autocast, which every processor can do, if slowly."""
    file = tmp_path / "accelerate.yaml"
    file.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nmixed_precision: bf16\nuse_cpu: true\n"
        "num_processes: 1\nnum_machines: 1\nmachine_rank: 0\n"
    )
    config, curation, base = prepare(tmp_path, num_epochs=1, accelerate_config=file)
    command, _ = launch_command(config, config.run_dir)
    assert command[command.index("--config_file") + 1] == str(file)
    training = finetune.finetune(config, curation, base)
    assert training.mixed_precision == "bf16"
    assert training.evals[1].eval_loss < training.evals[0].eval_loss
    assert {tensor.dtype for tensor in weights(config.run_dir).values()} == {torch.float32}


def test_a_training_that_fails_says_how_to_go_on(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path)
    (config.run_dir / "posts.jsonl").unlink()
    with pytest.raises(TrainingError, match=r"Training ended with exit code 1 before the model was complete") as error:
        finetune.finetune(config, curation, base)
    assert "Run the same command again" in error.value.remedy
    assert not (config.run_dir / "model").exists()


def test_the_learning_rate_warms_up_and_falls_to_zero(tmp_path: Path) -> None:
    config, *_ = prepare(tmp_path, learning_rate=1.0, warmup_ratio=0.1)
    rates = [learning_rate_at(step, 100, config) for step in range(101)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1 and rates[55] == pytest.approx(0.5) and rates[100] == pytest.approx(0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_request_is_read_as_it_was_written(tmp_path: Path) -> None:
    request = make_request(*prepare(tmp_path, prompts=("My dream is",), accelerate_config=tmp_path / "a.yaml"))
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_a_checkpoint_is_gone_on_from_by_the_same_training_alone(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path)
    key = make_request(config, curation, base).key
    others = [
        (replace(config, learning_rate=1e-4), curation, base),
        (replace(config, num_epochs=3), curation, base),
        (replace(config, base_model="another folder"), curation, base),
        (config, curation.model_copy(update={"posts_sha256": "of other posts"}), base),
        (config, curation, replace(base, record=base.record.model_copy(update={"substituted_for": "gpt2"}))),
    ]
    assert key not in {make_request(*each).key for each in others}
    same = replace(config, num_processes=2, temperature=0.7, top_p=0.5, checkpoint_seconds=1.0)
    assert make_request(same, curation, base).key == key
