"""Calls of a tracker's client: every wait has a time limit, and here alone is caught what a tracker raises."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from typing import TypeVar

T = TypeVar("T")
REFUSAL_SECONDS = 5.0  # what says no, says it sooner; what fails later is not there

# Besides its own classes, wandb lets these through: lost sockets, full disks, pydantic's verdicts, odd states.
_TROUBLE = (OSError, RuntimeError, TypeError, ValueError)


class TrackerError(Exception):
    """What went wrong with a tracker, its server or the way there: the first line of what it said."""


def within(seconds: float, question: Callable[[], T]) -> T:
    """What `question` to wandb returns. TrackerError when it fails, or takes longer: it is then left alone.

    wandb waits for minutes or days where it was given no limit, and to many of its calls none can be given.
    """
    with ThreadPool(1) as thread:
        return _asked(thread, seconds, question, "wandb")


def _asked(thread: ThreadPool, seconds: float, question: Callable[[], T], tracker: str) -> T:
    """What fails in the tracker is a TrackerError; errors of this program are raised as they are."""
    try:
        return thread.apply_async(question).get(seconds)
    except multiprocessing.TimeoutError:
        raise TrackerError(f"no answer within {seconds:.0f} seconds") from None
    except Exception as error:
        # Several classes of wandb's are private and have no parent.
        package = type(error).__module__.partition(".")[0]
        if not isinstance(error, (*_TROUBLE, TrackerError)) and package not in ("wandb", tracker):
            raise
        raise TrackerError((str(error).strip().splitlines() or [type(error).__name__])[0][:200]) from error


class Calls:
    """Calls of one tracker, one after another in a thread of its own: MLflow keeps the open run by thread.

    What fails becomes a line in `warnings`; after a call that hung, no other is tried.
    """

    def __init__(self, tracker: str, warnings: list[str]) -> None:
        self._tracker, self._warnings = tracker, warnings
        self._thread = ThreadPool(1)
        self.num_failures = 0
        self.is_lost = False

    def ask(self, doing: str, question: Callable[[], T], seconds: float) -> T | None:
        """What `question` returns, None when it fails or nobody is there to be asked."""
        started = time.monotonic()
        if not self.is_lost:
            try:
                return _asked(self._thread, seconds, question, self._tracker)
            except TrackerError as error:
                line = f"{self._tracker}: {doing} failed: {error}"
                if line not in self._warnings:  # in a loop it fails at every step
                    self._warnings.append(line)
                self.is_lost = time.monotonic() - started >= min(seconds, REFUSAL_SECONDS)
        self.num_failures += 1
        return None

    def end(self) -> None:
        """End the thread; one that hangs ends with the program."""
        self._thread.terminate()
