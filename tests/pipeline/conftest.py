"""One publication for all tests of the pipeline; who damages it takes a copy."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from hub_publisher.pipeline.runner import Runner
from tests.helpers.publication import Place, Said
from tests.helpers.tiny import make_tiny_model


class Published(NamedTuple):
    """A finished publication, and what the process that finished it said."""

    place: Place
    result: Said


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A publication that was killed while it trained and then went to its end: this process's copy of the only one."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "the-publication"
    with FileLock(f"{folder}.lock"):
        if not (folder / "said.json").exists():
            said = _publish(Place(folder, make_tiny_model(folder / "base")))
            (folder / "said.json").write_text(json.dumps(said))
    said = Said(*json.loads((folder / "said.json").read_text()))
    return Published(Place(folder, folder / "base").copy(tmp_path_factory.mktemp("published")), said)


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> Place:
    """A copy of it, to damage."""
    return published.place.copy(tmp_path)


@pytest.fixture(scope="module")
def runner(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The runner of a copy that is given back as it was."""
    with published[0].copy(tmp_path_factory.mktemp("damaged")).runner() as runner:
        yield runner


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


def _publish(place: Place) -> Said:
    child = _start_until_training(place)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert child.stderr
    child.stderr.close()
    result = place.publish_in_a_child()
    assert result.returncode == 0, result.stderr
    return Said(result.stdout, result.stderr)
