"""What training leaves on disk while it runs, and how it goes on from there after a kill.

    training/checkpoint-<step>/   the accelerator's state (weights, optimizer, random states) and progress.json
    training/best/                the best weights so far, already in their published form
    training-log.jsonl            {"kind": "step", ...LogPoint} and {"kind": "eval", ...EpochEval}, as they happen
    training-energy.json          what the training has spent so far, renewed every few seconds

A checkpoint is written under a temporary name and renamed when whole. Progress that a kill threw away is computed
again, from the same random states, to the same bits. Its energy is spent all the same, so that is kept apart.
"""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from hub_publisher.disk import read_record, write_record
from hub_publisher.energy import Counter, Meter, source_of
from hub_publisher.records import EpochEval, LogPoint

SCRATCH = "training"
LOG = "training-log.jsonl"
ENERGY = "training-energy.json"


class Progress(BaseModel):
    """How far training has come. `evals` begins with epoch 0: the base model, before the first step."""

    fingerprint: str
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


def resume(accelerator: Any, run_dir: Path, fingerprint: str) -> Progress:
    """Load the newest checkpoint of exactly this training into the accelerator, or start afresh."""
    for folder in _newest_first(run_dir):
        progress = read_record(folder / "progress.json", Progress)
        if progress is not None and progress.fingerprint == fingerprint:
            accelerator.load_state(str(folder))
            return progress
    if accelerator.is_main_process:
        shutil.rmtree(run_dir / SCRATCH, ignore_errors=True)
    accelerator.wait_for_everyone()
    return Progress(fingerprint=fingerprint)


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
        self.file: IO[str] | None = None
        if is_main_process:
            kept = [line for line in _lines(self.path) if json.loads(line)["step"] <= progress.step and progress.evals]
            self.path.write_text("".join(kept), encoding="utf-8")
            self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - open as long as training runs

    def add(self, point: LogPoint | EpochEval) -> None:
        """Write one line, at once visible to whoever follows the file."""
        if self.file:
            kind = "step" if isinstance(point, LogPoint) else "eval"
            self.file.write(json.dumps({"kind": kind, **point.model_dump()}) + "\n")
            self.file.flush()


class Spent(BaseModel):
    """Energy of one training, over all the processes it took, work that was thrown away included."""

    fingerprint: str
    joules: float | None = 0.0  # None as soon as a part of the training was not measured
    sources: list[str] = []  # one, unless the training was moved to other hardware
    num_interruptions: int = 0

    @property
    def source(self) -> str | None:
        """Which counters `joules` comes from and what they missed; None when there is no number."""
        if self.joules is None:
            return None
        number = self.num_interruptions
        missed = f", without the last seconds before {number} interruption{'s' if number > 1 else ''}"
        return "; ".join(self.sources) + (missed if number else "")


class EnergyLedger:
    """Measures from its making on, and keeps the sum on disk, so that a kill loses no more than READ_SECONDS of it.

    It goes by the training, not by the checkpoint: a training killed before its first checkpoint has spent too.
    Like the seconds of a training, it begins with the evaluation of the base model; loading the model is not in it.
    """

    def __init__(self, run_dir: Path, progress: Progress, counters: Sequence[Counter], is_main_process: bool) -> None:
        self.path = run_dir / ENERGY
        before = read_record(self.path, Spent)
        if before is None or before.fingerprint != progress.fingerprint:
            # A checkpoint without the energy that led to it: another version's.
            self.before = Spent(fingerprint=progress.fingerprint, joules=None if progress.evals else 0.0)
        else:
            self.before = before.model_copy(update={"num_interruptions": before.num_interruptions + 1})
        self.source = source_of(counters)
        self.meter = Meter(counters, self._keep)
        if is_main_process:
            self._keep(0.0 if counters else None)

    def stop(self) -> Spent:
        """Measure no longer. Returns what the whole training has spent; the file stays until the record is written."""
        return self._with(self.meter.stop())

    def _with(self, joules: float | None) -> Spent:
        sources = list(dict.fromkeys([*self.before.sources, *([self.source] if self.source else [])]))
        total = None if joules is None or self.before.joules is None else self.before.joules + joules
        return self.before.model_copy(update={"joules": total, "sources": sources})

    def _keep(self, joules: float | None) -> None:
        write_record(self.path, self._with(joules))


def read_log(run_dir: Path) -> tuple[LogPoint, ...]:
    """The optimizer steps of a finished training log."""
    rows = [json.loads(line) for line in _lines(run_dir / LOG)]
    return tuple(LogPoint(**{k: v for k, v in row.items() if k != "kind"}) for row in rows if row["kind"] == "step")


def _lines(path: Path) -> list[str]:
    """The complete lines of a log; a line that a kill cut short does not count."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
