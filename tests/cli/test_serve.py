"""`serve` says where it serves, and ends in one sentence where it cannot."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub_publisher import localhub
from hub_publisher.cli import main


def serve(*flags: str) -> Result:
    return CliRunner().invoke(main, ["serve", *flags])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[localhub.LocalHub]:
    with localhub.start(tmp_path / "hub") as hub:
        yield hub


def test_ctrl_c_ends_it_with_a_line_that_fits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hub_publisher", "serve", "--hub-dir", str(tmp_path / "hub")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    ended = f"The local Hub has ended. What it holds stays in {tmp_path / 'hub'}."
    assert said == f"The local Hub is running; Ctrl-C ends it.\n\n{ended}\n"


def test_a_port_that_there_is_not() -> None:
    result = serve("--port", "99999")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: Invalid value for '--port': 99999 is not in the range 1<=x<=65535.\n")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = serve("--hub-dir", str(tmp_path), "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use.",
        "Choose another one with --port, or leave --port out to get a free one.",
    ]
    assert not (tmp_path / "port").exists(), "a port that was asked for once is not remembered"


def test_another_port_while_it_runs(running: localhub.LocalHub) -> None:
    result = serve("--hub-dir", str(running.root), "--port", "1")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: The Hub in {running.root} is served already, at {running.url}.\nOpen that, or end it first.\n"
    )


def test_it_opens_the_page_of_one_that_runs(running: localhub.LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    result = serve("--hub-dir", str(running.root), "--open")
    assert (result.exit_code, result.stdout, opened) == (0, f"{running.url}\n", [running.url])
