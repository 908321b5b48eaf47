"""A finished publication on a tiny model, and copies of it to damage."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi

from hub_publisher import localhub
from hub_publisher.config import Config
from hub_publisher.hub.target import open_target
from hub_publisher.pipeline import publish
from hub_publisher.pipeline.job import Job
from hub_publisher.pipeline.runner import Runner
from hub_publisher.pipeline.stages import STAGES

SAMPLE = "lampkeeper_bot"
QUICK = {"num_samples": 2, "num_measured_samples": 4, "prompts": ("My dream is",), "num_epochs": 1, "wandb": "offline"}


class Said(NamedTuple):
    """What a process said."""

    stdout: str
    stderr: str


@dataclass(frozen=True)
class Place:
    """A folder of its own to publish from; `base` lies beside it, so that a copy has the same settings."""

    folder: Path
    base: Path

    def config(self, **changes: object) -> Config:
        """The settings of this publication, some of them changed."""
        places = {"runs_dir": self.folder / "runs", "hub_dir": self.folder / "hub", "base_model": str(self.base)}
        return Config(**{"handle": SAMPLE, **places, **QUICK, **changes})  # type: ignore[arg-type]

    @property
    def run_dir(self) -> Path:
        """The publication's folder."""
        return self.config().run_dir

    def flags(self, *more: str) -> list[str]:
        """The same settings for the command line."""
        places = ["--runs-dir", str(self.folder / "runs"), "--hub-dir", str(self.folder / "hub")]
        quick = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", _word(value))]
        return [SAMPLE, *places, "--base-model", str(self.base), *quick, *more]

    def command(self, *more: str) -> list[str]:
        """`publish` as a process of its own."""
        return [sys.executable, "-m", "hub_publisher", "publish", *self.flags(*more)]

    def publish_in_a_child(self, *more: str) -> subprocess.CompletedProcess[str]:
        """The whole program."""
        return subprocess.run(self.command(*more), capture_output=True, encoding="utf-8", check=False, timeout=300)

    def publish(self, force: str | None = None, **changes: object) -> dict[str, str]:
        """Publish in this process: stage -> the last that was said of it, "up to date" or "done in 1 s"."""
        lines: list[str] = []
        publish(self.config(**changes), lines.append, force)
        return states(lines)

    def commits(self) -> list[str]:
        """Titles, newest first, without the one that created the repository."""
        with localhub.start(self.folder / "hub") as hub:
            commits = HfApi(endpoint=hub.url, token=hub.token).list_repo_commits(f"huggingtweets/{SAMPLE}")
            return [commit.title for commit in commits if commit.title != "initial commit"]

    def copy(self, folder: Path) -> "Place":
        """The same publication in another folder, with the times of its files."""
        for part in ("runs", "hub"):
            shutil.copytree(self.folder / part, folder / part, ignore=shutil.ignore_patterns("*.sock", "server.json"))
        return Place(folder, self.base)

    @contextmanager
    def runner(self, **changes: object) -> Iterator[Runner]:
        """The runner of this publication, its records read as they lie on disk, whatever they are worth."""
        config = self.config(**changes)
        with open_target(config) as target:
            job = Job(config, target)
            for stage in STAGES:
                if record := job.before(stage.record):
                    job.records[stage.name] = record
            yield Runner(job)


def states(lines: list[str]) -> dict[str, str]:
    """What was last said of each stage: "[2/8] curate    up to date" -> {"curate": "up to date"}."""
    return {line.split()[1]: line.split(maxsplit=2)[2] for line in lines if line.startswith("[")}


def _word(value: object) -> str:
    return value[0] if isinstance(value, tuple) else str(value)
