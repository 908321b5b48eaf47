"""What training leaves on disk while it runs, and how it goes on from there after a kill.

    training/checkpoint-<step>/   the accelerator's state (weights, optimizer, random states) and progress.json
    training/best/                the best weights so far, already in their published form
    training-log.jsonl            {"kind": "step", "time": seconds since 1970, ...LogPoint} for every step as it
                                  happens, {"kind": "eval", "time": ..., ...EpochEval} for every evaluation
    training/result.json          the Training record, written last

A checkpoint's progress.json is written last: a folder without one is none. Progress that a kill threw away is computed
again, from the same random states, to the same bits. Its energy was spent all the same and nobody read the counters
meanwhile, so a training that was gone on with reports none.
"""

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hub_publisher.finetune.run import SCRATCH, Progress
from hub_publisher.records import EpochEval, LogPoint
from hub_publisher.system.files import read_record, write_record

if TYPE_CHECKING:
    from accelerate import Accelerator

LOG = "training-log.jsonl"
PROGRESS = "progress.json"


def resume(accelerator: "Accelerator", run_dir: Path, key: str) -> Progress:
    """Load the newest checkpoint of exactly this training into the accelerator, or start afresh."""
    newest_first = sorted(_checkpoints(run_dir), key=lambda folder: int(folder.name.split("-")[1]), reverse=True)
    for folder in newest_first:
        progress = read_record(folder / PROGRESS, Progress)
        if progress is not None and progress.key == key:
            accelerator.load_state(str(folder))
            return progress
    if accelerator.is_main_process:
        shutil.rmtree(run_dir / SCRATCH, ignore_errors=True)
    accelerator.wait_for_everyone()
    return Progress(key=key)


def _checkpoints(run_dir: Path) -> list[Path]:
    return list((run_dir / SCRATCH).glob("checkpoint-*"))


class Checkpointer:
    """Writes a checkpoint every `every_seconds`, on all processes at the same step; older ones go."""

    def __init__(self, accelerator: "Accelerator", run_dir: Path, every_seconds: float) -> None:
        self.accelerator = accelerator
        self.run_dir = run_dir
        self.every_seconds = every_seconds
        self.last = time.monotonic()

    def save_if_due(self, progress: Progress) -> None:
        """Checkpoint when the main process finds that it is time."""
        if self.accelerator.is_main_process and time.monotonic() - self.last >= self.every_seconds:
            self.accelerator.set_trigger()
        if self.accelerator.check_trigger():
            self._save(progress)
            self.last = time.monotonic()

    def _save(self, progress: Progress) -> None:
        folder = self.run_dir / SCRATCH / f"checkpoint-{progress.step}"
        self.accelerator.save_state(str(folder))
        self.accelerator.wait_for_everyone()  # every process has its random states in there
        if self.accelerator.is_main_process:
            write_record(folder / PROGRESS, progress)
            for other in _checkpoints(self.run_dir):
                if other != folder:
                    shutil.rmtree(other)


class TrainingLog:
    """Appends to training-log.jsonl on the main process; what a resumed run computes again is removed first."""

    def __init__(self, run_dir: Path, progress: Progress, is_main_process: bool) -> None:
        self.path = run_dir / LOG
        self.is_main_process = is_main_process
        if is_main_process:
            kept = [line for line in _lines(self.path) if json.loads(line)["step"] <= progress.step and progress.evals]
            self.path.write_text("".join(kept), encoding="utf-8")

    def add(self, point: LogPoint | EpochEval) -> None:
        """Write one line, at once visible to whoever follows the file."""
        if self.is_main_process:
            kind = "step" if isinstance(point, LogPoint) else "eval"
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "time": time.time(), **point.model_dump()}) + "\n")


def read_log(run_dir: Path) -> tuple[LogPoint, ...]:
    """The optimizer steps of a finished training log."""
    rows = map(json.loads, _lines(run_dir / LOG))
    return tuple(
        LogPoint(**{name: row[name] for name in LogPoint.model_fields}) for row in rows if row["kind"] == "step"
    )


def _lines(path: Path) -> list[str]:
    """The complete lines of a log; a line that a kill cut short does not count."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
