"""How a publication is tracked: tracking.json, on disk before wandb hears of a run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub_publisher.config import Config
from hub_publisher.records import BaseModelInfo
from hub_publisher.system.files import fingerprint, read_record, write_record

TRACKING = "tracking.json"
TRAINING_LOG = "training-log.jsonl"


class TrackedRun(BaseModel, frozen=True, extra="forbid"):
    """One Weights & Biases run. `url` is what the client reported while online, or after a sync, else None."""

    run_id: str
    url: str | None = None
    settings: dict[str, Any] = {}  # its configuration, paths left out
    artifacts: dict[str, str] = {}  # name -> version on the server ("v0"), or digest of the contents while offline
    inputs: dict[str, str] = {}  # the same for the artifacts that the run was made from
    recorded: str | None = None  # fingerprint of the records whose tables and artifacts the server has confirmed


class Tracking(BaseModel, frozen=True, extra="forbid"):
    """How this publication is tracked: tracking.json. `runs` is keyed by job type: "preprocess", "train"."""

    mode: str  # "online", "offline" or "disabled"
    reason: str  # one line: why this mode
    project: str
    entity: str | None = None
    publication: str = ""  # drawn once, so that the ids of its runs are of no other publication
    dataset_artifact: str = "full"  # what the server may hold of the posts: "full", "ids" or "none"
    runs: dict[str, TrackedRun] = {}

    def with_run(self, job_type: str, run: TrackedRun) -> "Tracking":
        """The same with another record of that run."""
        return self.model_copy(update={"runs": {**self.runs, job_type: run}})


def current(config: Config) -> Tracking | None:
    """The publication's tracking record as it is on disk now."""
    return read_record(config.run_dir / TRACKING, Tracking)


def save(config: Config, tracking: Tracking) -> None:
    """Write the record."""
    write_record(config.run_dir / TRACKING, tracking)


def claim(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> Tracking:
    """The record with a run of these settings in it: the one that is on disk, or a new one, written."""
    wanted = run_id(config, tracking, job_type, settings)
    known = tracking.runs.get(job_type)
    if known is None or known.run_id != wanted:
        run = TrackedRun(run_id=wanted, settings={name: public(value) for name, value in settings.items()})
        tracking = tracking.with_run(job_type, run)
        save(config, tracking)
    return tracking


def run_id(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> str:
    """The run's id, of a-z, 0-9 and -: the same for the same publication, mode and settings.

    A train run is also another one after another preprocess run: that is how it knows of other posts.
    """
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    preprocess = tracking.runs.get("preprocess")
    posts = preprocess.run_id if preprocess and job_type != "preprocess" else None
    where = (config.name, tracking.publication, tracking.mode, tracking.project, tracking.entity)
    return f"{name}-{job_type}-{fingerprint(*where, dict(settings), posts)[:8]}"


def public(value: Any) -> Any:
    """A setting as it may be shown: "a local path" for what is one, words for what JSON has no form for."""
    if isinstance(value, Path) or (isinstance(value, str) and Path(value).expanduser().exists()):
        return "a local path"
    return value if value is None or isinstance(value, str | int | float | list | tuple | dict) else str(value)


def artifact_name(base: BaseModelInfo) -> str:
    """What a tracker calls the base model: its id or description, without slashes and spaces."""
    return (base.hub_id or base.requested).replace("/", "-").replace(" ", "-")
