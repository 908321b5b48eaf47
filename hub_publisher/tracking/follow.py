"""The training log, read while another process writes it, and logged to a run."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub_publisher.tracking.protocol import STEP, Run

POLL_SECONDS = 0.5
_STEP_METRICS = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "num_tokens", "epoch")


@contextmanager
def follow(run: Run, path: Path) -> Iterator[None]:
    """Log every line of the training log at `path` to `run`, also those written before, until the block ends.

    Steps that an earlier attempt has logged are left out. The file may not exist yet, grow, or be replaced by
    a shorter one when training resumes from a checkpoint. After the block the rest is read, once.
    """
    tail = _Tail(run, path)
    thread = threading.Thread(target=tail.run_until_stopped, name="training-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        tail.stop.set()
        thread.join()


class _Tail:
    def __init__(self, run: Run, path: Path) -> None:
        self.run, self.path = run, path
        self.stop = threading.Event()
        self.num_resumed_steps = run.num_logged_steps
        self.last_eval_step = -1
        self.inode, self.offset = 0, 0

    def run_until_stopped(self) -> None:
        while not self.stop.wait(POLL_SECONDS):
            self.read_on()
        self.read_on()

    def read_on(self) -> None:
        """Log the complete lines that are new since the last call."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self.inode or status.st_size < self.offset:
                    self.inode, self.offset = status.st_ino, 0
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return
        lines, newline, _ = text.rpartition(b"\n")
        self.offset += len(lines) + len(newline)
        for line in lines.splitlines():
            self.log_line(line)
        self.run.save_progress()

    def log_line(self, line: bytes) -> None:
        try:
            point = json.loads(line)
            kind, step = point["kind"], int(point["step"])
        except (ValueError, KeyError, TypeError):
            self.run.warnings.append(f"{self.path.name} holds a line that is no log point")
            return
        if kind == "eval":
            self.log_eval(point, step)
        elif step > self.run.num_logged_steps:
            self.run.num_logged_steps = step
            values = {f"train/{name}": point[name] for name in _STEP_METRICS if name in point}
            self.run.log({**values, STEP: step})

    def log_eval(self, point: dict[str, Any], step: int) -> None:
        """An evaluation comes after its step: one at the last step of an earlier attempt may be missing yet."""
        if step > self.last_eval_step and step >= self.num_resumed_steps:
            self.last_eval_step = step
            self.run.log({"eval/loss": point["eval_loss"], "train/epoch": point["epoch"], STEP: step})
