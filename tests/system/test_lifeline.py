"""A child process ends with its parent, whose end is all that it can see: that of its stdin."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_publisher.system import isolated_process

WAIT = "from hub_publisher.system.lifeline import end_with_parent; end_with_parent()\nprint('up', flush=True)\n"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", f"{WAIT}import time; time.sleep(60)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_child_ends_when_its_pipe_does(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "up\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.stdin.close()
    assert child.wait(10) == 1


def test_a_child_that_is_done_ends_by_itself() -> None:
    with subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.wait(30) == 0


def test_an_isolated_process_has_its_lifeline_without_the_package(tmp_path: Path) -> None:
    """What it runs first is the source itself: in its folder and environment there may be nothing to import."""
    script = "import json, sys; print(json.dumps([end_with_parent.__module__, 'hub_publisher' in sys.modules]))"
    said = isolated_process.run_python(script, "", tmp_path, {})
    assert (said.answer, said.complaints) == (["__main__", False], "")
