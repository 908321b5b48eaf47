"""Accelerate's TensorBoard gets every metric once, whatever the training or the tracker does."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from tests.helpers.tracked_story import log_lines

SETTINGS = {"learning_rate": 2e-4, "base_model": "openai-community/gpt2", "config": Path("/planted")}


def events(folder: Path) -> Iterator[Event]:
    """The events in TensorBoard's files: each stands between its length with a checksum and a checksum of its own."""
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack_from("<Q", content)
            yield Event.FromString(content[12 : 12 + length])
            content = content[12 + length + 4 :]


def scalars(config: Config, name: str) -> list[tuple[int, float]]:
    values = ((event.step, value) for event in events(config.run_dir / "trackers") for value in event.summary.value)
    return [(step, round(value.simple_value, 6)) for step, value in values if value.tag == name]


def test_every_metric_once_also_after_a_training_that_was_killed(tmp_path: Path) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path, log_with="tensorboard")
    config.run_dir.mkdir()
    log, lines = config.run_dir / "training-log.jsonl", log_lines()
    tracking.check_others(config)
    stale = config.run_dir / "trackers" / "tensorboard" / "stale"
    for num_lines in (10, len(lines)):
        warnings: list[str] = []
        with tracking.follow_elsewhere(config, SETTINGS, log, warnings):
            log.write_bytes(b"".join(lines[:num_lines]))
        assert warnings == [] and not stale.exists()
        stale.write_text("of a training that was killed")
    assert scalars(config, "train/loss") == [(step, 4.0) for step in range(1, 31)]
    assert scalars(config, "eval/loss") == [(0, 5.0), (30, 4.5)]
    assert not scalars(config, "_timestamp")
    written = b"".join(path.read_bytes() for path in config.run_dir.rglob("*") if path.is_file())
    assert b"gpt2" in written and b"planted" not in written


def test_without_one_nothing_is_written(tmp_path: Path) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path)
    config.run_dir.mkdir()
    tracking.check_others(config)
    with tracking.follow_elsewhere(config, SETTINGS, config.run_dir / "training-log.jsonl", []):
        pass
    assert not any(config.run_dir.iterdir())


def test_one_that_fails_is_a_warning(tmp_path: Path) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path, log_with="tensorboard")
    config.run_dir.mkdir()
    (config.run_dir / "trackers").write_text("a file where a folder should be")
    warnings: list[str] = []
    with tracking.follow_elsewhere(config, SETTINGS, config.run_dir / "training-log.jsonl", warnings):
        pass
    (warning,) = warnings
    assert warning.startswith("tensorboard: starting failed: ")


def test_one_that_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path, log_with="tensorboard")
    config.run_dir.mkdir()
    log, warnings = config.run_dir / "training-log.jsonl", []  # type: ignore[var-annotated]
    with tracking.follow_elsewhere(config, SETTINGS, log, warnings):
        assert [*(config.run_dir / "trackers").rglob("events.out.tfevents.*")]
        monkeypatch.setattr("hub_publisher.tracking.others.ANSWER_SECONDS", 0.2)
        monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.log", lambda *given, **named: time.sleep(2))
        log.write_bytes(b"".join(log_lines()))
        started = time.monotonic()
    assert warnings == ["tensorboard: logging metrics failed: no answer within 0 seconds"]
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("names", "message", "remedy"),
    [
        (
            "tensorboard,wandb",
            "--log-with 'wandb' is no tracker of Accelerate's: aim, clearml, comet_ml, dvclive, mlflow, swanlab, "
            "tensorboard, trackio.",
            "Weights & Biases has a flag of its own: --wandb.",
        ),
        (
            "paper",
            "--log-with 'paper' is no tracker of Accelerate's: aim, clearml, comet_ml, dvclive, mlflow, swanlab, "
            "tensorboard, trackio.",
            "Choose one of these.",
        ),
        ("aim", "--log-with aim: its package is not installed.", "Try pip install aim"),
    ],
)
def test_a_name_that_will_not_do(names: str, message: str, remedy: str) -> None:
    with pytest.raises(UsageError) as error:
        tracking.check_others(Config(handle="tide_clerk", log_with=names))
    assert (error.value.message, error.value.remedy) == (message, remedy)
