"""The embedded Hub: it speaks the Hub's protocol to the unmodified clients and keeps repositories in a folder.

    with localhub.start(root) as hub:
        HfApi(endpoint=hub.url, token=hub.token).create_repo("huggingtweets/me")

It runs as a process of its own, which serves one folder and ends with the process that started it.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from hub_publisher.errors import PublisherError
from hub_publisher.localhub.runner import Limits

START_SECONDS = 60
STOP_SECONDS = 10


def run_server(
    root: Path, host: str = "127.0.0.1", port: int | None = None, on_ready: Callable[[str], None] = print,
    limits: Limits | None = None,
) -> None:  # fmt: skip
    """Serve `root` in this process until interrupted; `on_ready(url)` is called when it answers.

    Without `port`, the one of last time if it is free, else any free one. `limits` are for models that people try on
    its pages. PublisherError when another process serves `root`, or the port asked for is taken.
    """
    from hub_publisher.localhub.server import run_server as run  # Starlette loads only where it serves

    run(root, host, port, on_ready, limits or Limits())


def read_token(root: Path) -> str:
    """Return the token that may write to the Hub in `root`; PublisherError before its first start."""
    try:
        return (root / "token").read_text().strip()
    except FileNotFoundError as error:
        raise PublisherError(f"No local Hub has been started in {root}.", "Run: hub-publisher serve") from error


@dataclass
class LocalHub:
    """A running local Hub. As a context manager it is stopped at the end, if this process started it."""

    root: Path
    url: str
    token: str
    process: subprocess.Popen | None = field(default=None, repr=False)

    def __enter__(self) -> "LocalHub":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server if this object started it; repositories stay on the disk."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        _close(self.process)
        self.process = None


def start(root: Path, port: int | None = None, limits: Limits | None = None) -> LocalHub:
    """Serve `root` from a child process, or join the server that is alive there already.

    Returns when it answers. PublisherError with what the child said when it does not start.
    """
    root = Path(root).resolve()
    root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + START_SECONDS
    while True:
        if url := find_running(root):
            return LocalHub(root, url, read_token(root))
        try:
            process, url = _spawn(root, port, limits or Limits())
        except _LostRace:  # another process was a moment faster and is about to answer
            if time.monotonic() > deadline:
                remedy = f"End the process that holds {root}/lock, or use another folder."
                raise PublisherError(f"The local Hub in {root} does not answer.", remedy) from None
            time.sleep(0.1)
            continue
        return LocalHub(root, url, read_token(root), process)


def find_running(root: Path) -> str | None:
    """Return the URL of a live server on `root`, None when there is none."""
    try:
        record = json.loads((root / "server.json").read_text())
        url = str(record["url"])
        request = urllib.request.Request(
            f"{url}/api/whoami-v2", headers={"Authorization": f"Bearer {read_token(root)}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
        with opener.open(request, timeout=5) as reply:
            return url if reply.status == 200 else None
    except (OSError, ValueError, KeyError, TypeError, PublisherError):
        return None


class _LostRace(Exception):
    """The folder's lock is held by a server that someone else is starting."""


def _spawn(root: Path, port: int | None, limits: Limits) -> tuple[subprocess.Popen, str]:
    command = [sys.executable, "-m", "hub_publisher.localhub", "--root", str(root), "--stop-with-parent"]
    command += ["--limits", json.dumps(asdict(limits))]
    with open(root / "server.log", "ab+") as log:
        start_of_log = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command + (["--port", str(port)] if port else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log, cwd=Path(__file__).parents[2], start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        if url := _first_line(process.stdout):
            return process, url
        process.kill()
        _close(process)
        log.seek(start_of_log)
        text = log.read().decode("utf-8", "replace").strip()
    if "is being served already" in text:
        raise _LostRace
    raise PublisherError(f"The local Hub did not start: {text or 'it said nothing'}", f"See {root}/server.log.")


def _close(process: subprocess.Popen) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _first_line(pipe: IO[bytes]) -> str:
    """Return the first line, or nothing when the pipe closes or the time is up."""
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=lambda: lines.put(pipe.readline()), daemon=True).start()
    try:
        return lines.get(timeout=START_SECONDS).decode().strip()
    except queue.Empty:
        return ""
