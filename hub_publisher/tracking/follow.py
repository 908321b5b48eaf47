"""The training log, read while another process writes it, and logged to a run."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_publisher.tracking.run import EPOCH, STEP, TIME, Run

POLL_SECONDS = 0.5
_STEP_METRICS = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "num_tokens", "epoch")


@contextmanager
def follow(run: Run, path: Path) -> Iterator[None]:
    """Log every line of the training log at `path` to `run`, also those written before, until the block ends.

    Each row keeps the time at which its line was written, where the line tells it.
    Steps and evaluations that an earlier attempt has logged are left out. The file may not exist yet, grow, or be
    replaced by a shorter one when training resumes from a checkpoint. After the block the rest is read, once.
    """
    run.resume()
    tail = _Tail(run, path)
    thread = threading.Thread(target=tail.run_until_stopped, name="training-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        tail.stop.set()
        thread.join()


class _Tail:
    """Each line that goes on from the one before is a row of the run's history; the first rows are there already."""

    def __init__(self, run: Run, path: Path) -> None:
        self.run, self.path = run, path
        self.stop = threading.Event()
        self.num_known_rows, self.num_lines = run.num_rows, 0
        self.last_step, self.last_epoch = 0, -1
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

    def log_line(self, line: bytes) -> None:
        try:
            point = json.loads(line)
            kind, step, epoch = point["kind"], int(point["step"]), float(point["epoch"])
            eval_loss = float(point["eval_loss"]) if kind == "eval" else 0.0
            when = {TIME: float(point["time"])} if "time" in point else {}
        except (ValueError, KeyError, TypeError):
            self.run.warnings.append(f"{self.path.name} holds a line that is no log point")
            return
        if kind == "eval" and epoch > self.last_epoch:
            self.last_epoch = int(epoch)
            self.log_row({"eval/loss": eval_loss, EPOCH: self.last_epoch, STEP: step, **when})
        elif kind == "step" and step > self.last_step:
            self.last_step = step
            values = {f"train/{name}": point[name] for name in _STEP_METRICS if name in point}
            self.log_row({**values, STEP: step, **when})

    def log_row(self, values: dict[str, float]) -> None:
        self.num_lines += 1
        if self.num_lines > self.num_known_rows:
            self.run.log(values)
