"""Whole training runs on a two-layer model: equivalent splits, resumption, determinism, what is left on disk."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from hub_publisher import evaluate, finetune
from hub_publisher.config import Config
from hub_publisher.disk import read_record
from hub_publisher.errors import TrainingError
from hub_publisher.finetune.launch import launch_command
from hub_publisher.finetune.loop import learning_rate_at
from hub_publisher.records import Training
from tests.finetune_helpers import prepare

ONE_PASS = {"num_epochs": 1, "learning_rate": 1e-3}
RUN_AND_DIE = """
import pickle, sys
from pathlib import Path
from hub_publisher import finetune
finetune.finetune(*pickle.loads(Path(sys.argv[1]).read_bytes()))
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
    return Trained(folder, config, finetune.finetune(config, curation, base))


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "model" / "model.safetensors")


def test_a_run_leaves_a_model_a_log_and_a_record(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path, dtype="bfloat16")
    training = finetune.finetune(config, curation, base)
    assert sorted(path.name for path in (config.run_dir / "model").iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert not (config.run_dir / "training").exists()
    assert training == read_record(config.run_dir / "training.json", Training)
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
    assert len(paths) == 4
    for path in paths:
        assert str(one_pass.folder) not in path.read_text(encoding="utf-8"), path.name


def test_two_runs_with_one_seed_are_bitwise_equal(one_pass: Trained) -> None:
    config, curation, base = prepare(one_pass.folder, repo_name="second", **ONE_PASS)
    assert finetune.finetune(config, curation, base).weights_sha256 == one_pass.training.weights_sha256


@pytest.mark.parametrize(
    ("name", "num_processes", "steps"), [("accumulated", 1, 8), ("two_processes", 2, 1), ("uneven", 2, 3)]
)
def test_how_a_batch_is_shared_out_does_not_change_the_result(
    one_pass: Trained, name: str, num_processes: int, steps: int
) -> None:
    """8 posts x 1 micro-batch = 1 x 8 = 2 processes x 4, and an uneven split with empty shares as well."""
    shares = {"num_processes": num_processes, "gradient_accumulation_steps": steps}
    config, curation, base = prepare(one_pass.folder, repo_name=name, **ONE_PASS, **shares)
    training = finetune.finetune(config, curation, base)
    assert (training.num_processes, one_pass.training.num_processes) == (num_processes, 1)
    whole = [point.loss for point in one_pass.training.log]
    assert [point.loss for point in training.log] == pytest.approx(whole, rel=1e-5)
    tensors = weights(config.run_dir)
    for key, tensor in weights(one_pass.config.run_dir).items():
        # A key's bias has no gradient but rounding, which Adam blows up to full steps; it changes no output.
        if not key.endswith("c_attn.bias"):
            torch.testing.assert_close(tensors[key], tensor, rtol=1e-3, atol=2e-5, msg=key)


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings = {"num_epochs": 2, "num_posts": 60, "tokens_per_batch": 64, "checkpoint_seconds": 0.0}
    config, curation, base = prepare(tmp_path, repo_name="left-alone", **settings)
    expected = finetune.finetune(config, curation, base)

    config, curation, base = prepare(tmp_path, repo_name="killed", **settings)
    (tmp_path / "arguments").write_bytes(pickle.dumps((config, curation, base)))
    _kill_in_mid_training(tmp_path / "arguments", config, after_steps=5)
    log_before = (config.run_dir / "training-log.jsonl").read_text()
    training = finetune.finetune(config, curation, base)
    assert training.weights_sha256 == expected.weights_sha256
    assert [point.loss for point in training.log] == [point.loss for point in expected.log]
    # What was done before the kill was not done again: its lines, with their timings, still stand.
    first_lines = log_before.splitlines()[:4]
    assert (config.run_dir / "training-log.jsonl").read_text().splitlines()[:4] == first_lines


def _kill_in_mid_training(arguments: Path, config: Config, after_steps: int) -> None:
    """Run the training of `config` in another process and SIGKILL it, and nothing else, in mid-training."""
    parent = subprocess.Popen([sys.executable, "-c", RUN_AND_DIE, str(arguments)], cwd=Path(__file__).parent.parent)
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
    training = finetune.finetune(config, curation, base)
    losses = [point.eval_loss for point in training.evals]
    assert training.stopped_early and len(losses) < 13
    assert losses[-1] > losses[training.best_epoch] == min(losses[1:])
    evaluation = evaluate.evaluate(config, curation, training, base.path)
    assert evaluation.tuned.eval_loss == pytest.approx(losses[training.best_epoch], abs=1e-4)
    assert evaluation.base.eval_loss == pytest.approx(losses[0], abs=1e-4)


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
    assert not (config.run_dir / "training.json").exists()


def test_the_learning_rate_warms_up_and_falls_to_zero(tmp_path: Path) -> None:
    config, *_ = prepare(tmp_path, learning_rate=1.0, warmup_ratio=0.1)
    rates = [learning_rate_at(step, 100, config) for step in range(101)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1 and rates[55] == pytest.approx(0.5) and rates[100] == pytest.approx(0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
