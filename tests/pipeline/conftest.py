"""One publication for all tests of the pipeline; who damages it takes a copy."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.publication import Place
from tests.helpers.tiny import make_tiny_model


class Published(NamedTuple):
    """A finished publication, and what the process that finished it said."""

    place: Place
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A publication that was killed while it trained and then went to its end."""
    folder = tmp_path_factory.mktemp("published")
    place = Place(folder, make_tiny_model(folder / "base"))
    _publish_and_kill_in_training(place)
    result = place.publish_in_a_child()
    assert result.returncode == 0, result.stderr
    return Published(place, result)


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> Place:
    """A copy of it, to damage."""
    return published.place.copy(tmp_path)


@pytest.fixture(scope="session")
def started() -> Callable[[Place], "subprocess.Popen[str]"]:
    """Starts a publication in a process group of its own and comes back when training has begun."""
    return _start_until_training


def _start_until_training(place: Place) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        place.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    log = place.run_dir / "training-log.jsonl"
    while not (log.exists() and log.read_text()):
        assert child.poll() is None
        time.sleep(0.05)
    return child


def _publish_and_kill_in_training(place: Place) -> None:
    child = _start_until_training(place)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert child.stderr
    child.stderr.close()
