"""What a tracker's client raises becomes a warning, and what it never answers is waited for once."""

import time
from collections.abc import Callable

import pytest

from hub_publisher.tracking.calls import Calls, TrackerError, within


def failing(error: Exception) -> Callable[[], None]:
    def ask() -> None:
        raise error

    return ask


def test_a_failure_is_one_warning_however_often() -> None:
    warnings: list[str] = []
    calls = Calls("tensorboard", warnings)
    for _ in range(3):
        assert calls.ask("logging metrics", failing(OSError("disk full\nand more")), 5) is None
    assert warnings == ["tensorboard: logging metrics failed: disk full"]
    assert calls.num_failures == 3 and not calls.is_lost
    assert calls.ask("finishing", lambda: 7, 5) == 7
    calls.end()


def test_after_one_that_hung_nothing_is_asked() -> None:
    warnings: list[str] = []
    calls = Calls("tensorboard", warnings)
    assert calls.ask("logging metrics", lambda: time.sleep(2), 0.1) is None
    assert calls.ask("finishing", lambda: 7, 5) is None
    assert warnings == ["tensorboard: logging metrics failed: no answer within 0 seconds"]
    assert calls.num_failures == 2 and calls.is_lost
    calls.end()


def test_errors_of_this_program_fly() -> None:
    calls = Calls("tensorboard", [])
    with pytest.raises(ZeroDivisionError):
        calls.ask("logging metrics", failing(ZeroDivisionError()), 5)
    with pytest.raises(ZeroDivisionError):
        within(5, failing(ZeroDivisionError()))
    with pytest.raises(TrackerError, match=r"^ValueError$"):
        within(5, failing(ValueError()))
    calls.end()
