"""Whose checkpoint is gone on from, and what of a log stays."""

from pathlib import Path
from types import SimpleNamespace

from hub_publisher.finetune.checkpoints import Progress, TrainingLog, resume
from hub_publisher.records import EpochEval
from hub_publisher.system.files import write_record

BASE = EpochEval(epoch=0, step=0, eval_loss=4.0)


def test_the_newest_checkpoint_of_this_training_is_loaded_and_another_s_is_thrown_away(tmp_path: Path) -> None:
    for step in (9, 10):
        progress = Progress(key="this", step=step, evals=[BASE])
        write_record(tmp_path / "training" / f"checkpoint-{step}" / "progress.json", progress)
    loaded: list[str] = []
    accelerator = SimpleNamespace(load_state=loaded.append, is_main_process=True, wait_for_everyone=lambda: None)
    assert resume(accelerator, tmp_path, "this").step == 10
    assert loaded == [str(tmp_path / "training" / "checkpoint-10")]
    assert resume(accelerator, tmp_path, "another") == Progress(key="another")
    assert len(loaded) == 1 and not (tmp_path / "training").exists()


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
