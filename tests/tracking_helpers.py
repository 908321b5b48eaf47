"""A publication to track, on a machine where nobody has logged in to Weights & Biases."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub_publisher.config import Config

KEY = "0123456789abcdef0123456789abcdef01234567"


def quiet_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication in a fresh folder and home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return Config(handle="lampkeeper_bot", runs_dir=tmp_path / "runs")


def step(number: int) -> bytes:
    point = {"kind": "step", "step": number, "epoch": number / 100, "loss": 4.0, "learning_rate": 3e-4}
    more = {"grad_norm": 1.0, "num_tokens": number * 1000, "tokens_per_second": 2000.0}
    return json.dumps({**point, **more}).encode() + b"\n"


def evaluated(number: int, epoch: int) -> bytes:
    return json.dumps({"kind": "eval", "epoch": epoch, "step": number, "eval_loss": 3.5}).encode() + b"\n"


# What the pipeline does, in a process of its own; secrets in argv and environment are for the leak test.
PUBLISH = """
import sys
from pathlib import Path
import socket
socket.gethostname = lambda: "planted-host"
import getpass
getpass.getuser = lambda: "planted-user"
from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError

modes = [argument.removeprefix("--wandb=") for argument in sys.argv if argument.startswith("--wandb=")]
config = Config(handle="lampkeeper_bot", runs_dir=Path(sys.argv[1]), wandb=(modes or ["auto"])[0])
try:
    decided = tracking.decide(config)
except PublisherError as error:
    sys.exit(str(error))
print("printed-by-the-program")
with tracking.open_run(config, decided, "train", {"learning_rate": 3e-4}) as run:
    with tracking.follow(run, config.run_dir / "training-log.jsonl"):
        pass
    run.log_table("samples", ["prompt", "text"], [["My dream is", "a lamp"]])
    run.log_artifact(tracking.ArtifactFiles("card", "model-card", files={"card.md": Path(__file__)}))
assert not run.warnings, run.warnings
"""


def clean(config: Config, **more: str) -> dict[str, str]:
    return {**os.environ, "HOME": str(config.runs_dir.parent / "home"), **more}


def publish_command(config: Config, *arguments: str) -> list[str]:
    script = config.runs_dir.parent / "publish.py"
    script.write_text(PUBLISH)
    return [sys.executable, str(script), str(config.runs_dir), *arguments]


def publish_in_a_process(config: Config, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        publish_command(config, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env=clean(config, **environment),
    )
