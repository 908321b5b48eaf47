"""`wandb sync` for one offline run: as often as it takes, yet never twice for the same rows."""

import os
import shutil
import subprocess
import sys
from tempfile import TemporaryFile

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.records import TrackedRun, Tracking
from hub_publisher.tracking.asking import sync_command
from hub_publisher.tracking.guard import environment
from hub_publisher.tracking.ledger import update
from hub_publisher.tracking.runs import reopen_run
from hub_publisher.tracking.server import SERVICE, home, preflight

LOOK_SECONDS = 10.0  # between two questions whether the server is still there


def upload(config: Config, tracking: Tracking, job_type: str) -> None:
    """See to it that the server knows the run. PublisherError when that cannot be done.

    Begun once before, the server may have a part of it: `wandb sync` would append the whole to that, so what is
    missing is then left to `reopen_run`, which looks first.
    """
    run = tracking.runs[job_type]
    if run.url is not None or (run.uploading and _is_there(config, tracking, job_type)):
        return
    update(config, job_type, uploading=True)
    with environment(home(config), WANDB_DIR=str(home(config).resolve())):
        _run_client(config, run)
    update(config, job_type, uploading=False)


def _is_there(config: Config, tracking: Tracking, job_type: str) -> bool:
    with reopen_run(config, tracking, job_type) as run:
        return run.start() is not None


def _run_client(config: Config, run: TrackedRun) -> None:
    folder = config.run_dir / (run.directory or "?")
    if not folder.is_dir():
        raise PublisherError(
            f"The offline run {run.run_id} is gone from {home(config)}.",
            f"Delete {config.run_dir / 'tracking.json'} and publish again: that makes new runs.",
        )
    command = [sys.executable, "-m", "hub_publisher.tracking", str(folder.resolve())]
    environ = {name: value for name, value in os.environ.items() if name != SERVICE}  # the client starts its own
    with (
        TemporaryFile() as said,
        subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=said, stderr=said) as client,
    ):
        try:
            _wait(config, client)
        finally:
            client.kill()
            shutil.rmtree(home(config) / "wandb", ignore_errors=True)  # its logs, full of absolute paths
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
    if client.returncode:
        raise PublisherError(f"`wandb sync` of {run.run_id} failed: {words or 'it said nothing'}", _again(config))


def _wait(config: Config, client: subprocess.Popen[bytes]) -> None:
    """Until it ends. PublisherError when the server is gone: wandb would wait for it for a week."""
    while True:
        try:
            client.wait(LOOK_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if problem := preflight(config):
                raise unreachable(config, problem) from None


def unreachable(config: Config, problem: str) -> PublisherError:
    """The error for a server that does not answer."""
    return PublisherError(f"Nothing more can be sent to Weights & Biases: {problem}.", _again(config))


def _again(config: Config) -> str:
    return f"What is there stays there; go on later with: {sync_command(config)}"
