"""Whose checkpoint is gone on from, and what of a log stays."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from hub_publisher.finetune.checkpoints import Checkpointer, TrainingLog, resume
from hub_publisher.finetune.run import Progress
from hub_publisher.records import EpochEval
from hub_publisher.system.files import read_record, write_record

BASE = EpochEval(epoch=0, step=0, eval_loss=4.0)


def test_the_newest_checkpoint_of_this_training_is_loaded_and_another_s_is_thrown_away(tmp_path: Path) -> None:
    for step in (9, 10):
        progress = Progress(key="this", step=step, evals=[BASE])
        write_record(tmp_path / "training" / f"checkpoint-{step}" / "progress.json", progress)
    (tmp_path / "training" / "checkpoint-11").mkdir()  # a kill came before the last file of it, progress.json
    loaded: list[str] = []
    accelerator = SimpleNamespace(load_state=loaded.append, is_main_process=True, wait_for_everyone=lambda: None)
    assert resume(accelerator, tmp_path, "this").step == 10
    assert loaded == [str(tmp_path / "training" / "checkpoint-10")]
    assert resume(accelerator, tmp_path, "another") == Progress(key="another")
    assert len(loaded) == 1 and not (tmp_path / "training").exists()


@pytest.mark.parametrize("every_seconds", [0.0, 1e6])
def test_a_checkpoint_that_is_due_takes_the_place_of_those_before(tmp_path: Path, every_seconds: float) -> None:
    due: list[bool] = []
    accelerator = SimpleNamespace(
        is_main_process=True,
        set_trigger=lambda: due.append(True),
        check_trigger=lambda: bool(due),
        save_state=lambda folder: Path(folder).mkdir(parents=True, exist_ok=True),
        wait_for_everyone=lambda: None,
    )
    checkpointer = Checkpointer(accelerator, tmp_path, every_seconds)
    (tmp_path / "training" / "checkpoint-12").mkdir(parents=True)  # half of one, by a process that was killed
    for step in (11, 12):
        checkpointer.save_if_due(Progress(key="this", step=step))
    if every_seconds:
        assert not due
    else:
        assert [folder.name for folder in (tmp_path / "training").iterdir()] == ["checkpoint-12"]
        assert read_record(tmp_path / "training" / "checkpoint-12" / "progress.json", Progress).step == 12


def test_a_training_that_starts_afresh_starts_its_log_afresh(tmp_path: Path) -> None:
    started = Progress(key="this", evals=[BASE])
    TrainingLog(tmp_path, Progress(key="this"), is_main_process=True).add(BASE)
    log = tmp_path / "training-log.jsonl"
    line = log.read_text()
    log.write_text(line + '{"kind": "eval", "st')  # cut short by a kill
    TrainingLog(tmp_path, started, is_main_process=True)
    assert log.read_text() == line
    TrainingLog(tmp_path, Progress(key="this"), is_main_process=True)
    assert log.read_text() == ""
