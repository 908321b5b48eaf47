"""The publications in a folder of runs: how far each has come, what curation drops of its posts, and how one goes."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from hub_publisher import curate, sources
from hub_publisher.config import Config
from hub_publisher.curate.rules import Sieve
from hub_publisher.errors import PublisherError, UsageError
from hub_publisher.pipeline.job import Job
from hub_publisher.pipeline.publish import alone
from hub_publisher.pipeline.runner import VOID, Runner
from hub_publisher.pipeline.stages import STAGES, Stage
from hub_publisher.records import Receipt, Timeline

DONE, TO_DO, DAMAGED = "done", "to do", "damaged"


class Entry(NamedTuple):
    """One publication; None is what a publication that has not been pushed does not have."""

    name: str
    stage: str | None  # the last that is done
    repo_id: str | None
    visibility: str | None
    url: str | None


def entries(runs_dir: Path) -> Iterator[Entry]:
    """The publications under `runs_dir`, by name."""
    for folder in sorted(runs_dir.glob("*/")):
        with suppress(UsageError):  # a folder whose name no repository can have is none of ours
            config = Config(handle="publication", repo_name=folder.name, runs_dir=runs_dir)
            if _exists(config):
                yield _entry(config)


def states(config: Config) -> dict[str, str]:
    """Stage -> whether its record is there, of whatever settings, and its files whole. PublisherError without any."""
    if not _exists(config):
        raise PublisherError(f"There is no publication in {config.run_dir}.", "See what there is: hub-publisher list")
    runner = Runner(Job(config))
    return {stage.name: _state(runner, stage) for stage in STAGES}


def receipt(config: Config) -> Receipt | None:
    """Where the publication was pushed to, None when it was not."""
    return Job(config).before(Receipt)


def delete(config: Config) -> None:
    """Remove the publication's folder, unless a process works on it. What is on a Hub stays there."""
    with alone(config):
        shutil.rmtree(config.run_dir)


def removal(published: Receipt, hub_dir: Path) -> str:
    """What to type to remove a repository from its Hub, for good."""
    command = f"hf repos delete {published.repo_id}"
    if published.is_local:
        token = f'"$(cat {quote(str(hub_dir / "token"))})"'
        return f"HF_ENDPOINT={published.endpoint} HF_TOKEN={token} {command}"
    return command


def inspect(config: Config) -> tuple[int, Sieve]:
    """How many posts there are, and what curation would keep and drop of them. Writes nothing.

    The posts are those of the source that `config` names, else those that `fetch` left, else the sample's.
    """
    job = Job(config)
    fetched = job.before(Timeline)
    if fetched and config.archive is None and config.from_path is None:
        Runner(job).existing("fetch")  # is whole
        timeline = sources.with_posts(config.run_dir, fetched)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            timeline = sources.fetch(replace(config, runs_dir=Path(scratch)))
    return len(timeline.posts), curate.inspect(timeline)


def _exists(config: Config) -> bool:
    return any((config.run_dir / stage.record.file).is_file() for stage in STAGES)


def _entry(config: Config) -> Entry:
    reached = [name for name, state in states(config).items() if state == DONE]
    pushed = receipt(config)
    where = (pushed.repo_id, pushed.visibility, pushed.url) if pushed else (None, None, None)
    return Entry(config.name, reached[-1] if reached else None, *where)


def _state(runner: Runner, stage: Stage) -> str:
    record, path = runner.job.before(stage.record), runner.job.path(stage.record)
    if record is None:
        return DAMAGED if path.exists() else TO_DO
    if record.fingerprint == VOID:
        return TO_DO
    return DAMAGED if runner.damaged(record) else DONE
