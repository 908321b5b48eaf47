"""The embedded Hub: it speaks the Hub's protocol to the unmodified clients and keeps repositories in a folder.

    with localhub.start(root) as hub:
        HfApi(endpoint=hub.url, token=hub.token).create_repo("huggingtweets/me")

It runs as a process of its own, which serves one folder and ends with the process that started it.
"""

import hmac
import http.client
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from hub_publisher.errors import PublisherError
from hub_publisher.localhub.runner import Limits
from hub_publisher.system.files import private_folder

START_SECONDS = 60
STOP_SECONDS = 10


@dataclass
class LocalHub:
    """A running local Hub. As a context manager it is stopped at the end, if this process started it."""

    root: Path
    url: str
    process: subprocess.Popen | None = None

    @property
    def token(self) -> str:
        """Return the token that may write."""
        return (self.root / "token").read_text().strip()

    def __enter__(self) -> "LocalHub":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server if this object started it; repositories stay on the disk."""
        if self.process is None:
            return
        with self.process:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process = None


def start(root: Path, limits: Limits | None = None) -> LocalHub:
    """Serve `root` from a child process, or join the server that is alive there already.

    Returns when it answers. PublisherError with what the child said when it does not start.
    """
    root = Path(root).resolve()
    private_folder(root)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if url := find_running(root):
            return LocalHub(root, url)
        if started := _spawn(root, limits or Limits()):
            return started
        time.sleep(0.1)  # another process was a moment faster and is about to answer
    remedy = f"End the process that holds {root}/lock, or use another folder."
    raise PublisherError(f"The local Hub in {root} does not answer.", remedy)


def find_running(root: Path) -> str | None:
    """Return the URL of a live server on `root`, None when there is none.

    It has to prove that it knows the token before any secret is sent: after a crash, anybody on this machine may listen
    at the address that is left in server.json.
    """
    try:
        url, nonce = str(json.loads((root / "server.json").read_text())["url"]), secrets.token_hex(16)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
        with opener.open(f"{url}/api/proof?nonce={nonce}", timeout=5) as reply:
            said = str(json.loads(reply.read(1000))["proof"])
        return url if hmac.compare_digest(said, proof(LocalHub(root, url).token, nonce)) else None
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def proof(token: str, nonce: str) -> str:
    """Return what shows that one knows the token, to who knows it too, without telling it."""
    return hmac.new(token.encode(), f"proof\n{nonce}".encode(), "sha256").hexdigest()


def _spawn(root: Path, limits: Limits) -> LocalHub | None:
    """Return a server in a new process, None when another process serves `root` since a moment ago."""
    command = [sys.executable, "-m", "hub_publisher.localhub", str(root), json.dumps(asdict(limits))]
    with open(root / "server.log", "ab+") as log:
        start_of_log = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=Path(__file__).parents[2],
            start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        if url := process.stdout.readline().decode().strip():
            return LocalHub(root, url, process)
        with process:
            process.kill()
        log.seek(start_of_log)
        text = log.read().decode("utf-8", "replace").strip()
    if "is being served already" in text:
        return None
    raise PublisherError(f"The local Hub did not start: {text or 'it said nothing'}", f"See {root}/server.log.")
