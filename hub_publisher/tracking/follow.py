"""The training log, read while another process writes it, and logged to a run."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_publisher.tracking.client import EPOCH, STEP, TIME
from hub_publisher.tracking.run import Run

POLL_SECONDS = 1.0


@contextmanager
def follow(run: Run, path: Path) -> Iterator[None]:
    """Log every line of the training log at `path` to `run`, also those written before, until the block ends.

    Each line is a row of the run's history, at the time at which it was written; rows that the run has are left out.
    The file may not exist yet, grow, or begin anew with fewer of the same lines, when training resumes from a
    checkpoint. After the block the rest is read, once.
    """
    if not run.start():
        yield
        return
    stop = threading.Event()

    def read_until_stopped() -> None:
        while not stop.wait(POLL_SECONDS):
            read_on(run, path)
        read_on(run, path)

    thread = threading.Thread(target=read_until_stopped, name="training-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def read_on(run: Run, path: Path) -> None:
    """Log the complete lines that the run does not have."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for line in lines[run.num_rows :]:
        if line.endswith(b"\n"):
            run.log(_row(json.loads(line)))


def _row(point: dict[str, float]) -> dict[str, float]:
    row = {STEP: point["step"], TIME: point["time"]}
    if point["kind"] == "eval":
        return {"eval/loss": point["eval_loss"], EPOCH: point["epoch"], **row}
    return {**{f"train/{name}": point[name] for name in point.keys() - {"kind", "step", "time"}}, **row}
