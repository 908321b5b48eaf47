"""What training leaves on disk while it runs, and how it goes on from there after a kill.

    training/checkpoint-<step>/   the accelerator's state (weights, optimizer, random states) and progress.json
    training/best/                the best weights so far, already in their published form
    training-log.jsonl            {"kind": "step", "time": seconds since 1970, ...LogPoint} for every step as it
                                  happens, {"kind": "eval", "time": ..., ...EpochEval} for every evaluation
    training/result.json          the Training record, written last

A checkpoint is written under a temporary name and renamed when whole. Progress that a kill threw away is computed
again, from the same random states, to the same bits. Its energy was spent all the same and nobody read the counters
meanwhile, so a training that was gone on with reports none.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub_publisher.records import EpochEval, LogPoint
from hub_publisher.system.files import read_record, write_record

SCRATCH = "training"
LOG = "training-log.jsonl"
RESULT = f"{SCRATCH}/result.json"


class Progress(BaseModel):
    """How far training has come. `evals` begins with epoch 0: the base model, before the first step."""

    key: str  # of the request: what is trained on what
    step: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    evals: list[EpochEval] = []
    stopped_early: bool = False

    @property
    def best(self) -> EpochEval:
        """The pass with the lowest held-out loss, the earliest of equals; the base model does not count."""
        return min(self.evals[1:], key=lambda point: point.eval_loss)

    @property
    def newest_is_best(self) -> bool:
        """Whether the pass that just ended beat every one before it."""
        return self.best is self.evals[-1]


def resume(accelerator: Any, run_dir: Path, key: str) -> Progress:
    """Load the newest checkpoint of exactly this training into the accelerator, or start afresh."""
    for folder in _newest_first(run_dir):
        progress = read_record(folder / "progress.json", Progress)
        if progress is not None and progress.key == key:
            accelerator.load_state(str(folder))
            return progress
    if accelerator.is_main_process:
        shutil.rmtree(run_dir / SCRATCH, ignore_errors=True)
    accelerator.wait_for_everyone()
    return Progress(key=key)


def _newest_first(run_dir: Path) -> list[Path]:
    found = (run_dir / SCRATCH).glob("checkpoint-*")
    return sorted(found, key=lambda folder: int(folder.name.split("-")[1]), reverse=True)


class Checkpointer:
    """Writes a checkpoint every `every_seconds`, on all processes at the same step; older ones go."""

    def __init__(self, accelerator: Any, run_dir: Path, progress: Progress, every_seconds: float) -> None:
        self.accelerator = accelerator
        self.run_dir = run_dir
        self.progress = progress
        self.every_seconds = every_seconds
        self.last = time.monotonic()

    def save_if_due(self) -> None:
        """Checkpoint when the main process finds that it is time."""
        from accelerate.utils import broadcast_object_list

        due = [time.monotonic() - self.last >= self.every_seconds]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(due)
        if due[0]:
            self.save()

    def save(self) -> None:
        """Checkpoint now."""
        name = f"checkpoint-{self.progress.step}"
        scratch = self.run_dir / SCRATCH / f".{name}"
        self.accelerator.save_state(str(scratch))
        self.accelerator.wait_for_everyone()  # every process has its random states in there
        if self.accelerator.is_main_process:
            write_record(scratch / "progress.json", self.progress)
            older = _newest_first(self.run_dir)
            target = self.run_dir / SCRATCH / name
            shutil.rmtree(target, ignore_errors=True)
            scratch.rename(target)
            for folder in older:
                if folder != target:
                    shutil.rmtree(folder)
        self.accelerator.wait_for_everyone()
        self.last = time.monotonic()


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
    rows = [json.loads(line) for line in _lines(run_dir / LOG)]
    steps = [row for row in rows if row["kind"] == "step"]
    return tuple(LogPoint(**{name: row[name] for name in LogPoint.model_fields}) for row in steps)


def _lines(path: Path) -> list[str]:
    """The complete lines of a log; a line that a kill cut short does not count."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
