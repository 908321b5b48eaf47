"""tracking.json: which runs there are and how far they have come, on disk before wandb hears of them."""

import re
from collections.abc import Mapping
from typing import Any

from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, read_record, write_record
from hub_publisher.records import TrackedRun, Tracking

TRACKING = "tracking.json"


def current(config: Config, otherwise: Tracking | None = None) -> Tracking | None:
    """The publication's tracking record as it is on disk now, `otherwise` where there is none."""
    return read_record(config.run_dir / TRACKING, Tracking) or otherwise


def run_id(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> str:
    """The run's id, of a-z, 0-9 and -: the same for the same publication, mode and settings.

    A train run is also another one after another preprocess run: that is how it knows of other posts.
    """
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    preprocess = tracking.runs.get("preprocess")
    posts = preprocess.run_id if preprocess and job_type != "preprocess" else None
    where = (config.name, tracking.publication, tracking.mode, tracking.project, tracking.entity)
    return f"{name}-{job_type}-{fingerprint(*where, dict(settings), posts)[:8]}"


def claim(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> TrackedRun:
    """The record of this run: the one on disk, or a new one, written."""
    wanted = run_id(config, tracking, job_type, settings)
    now = current(config) or tracking
    known = now.runs.get(job_type)
    if known is not None and known.run_id == wanted:
        return known
    run = TrackedRun(run_id=wanted)
    _write(config, now, job_type, run)
    return run


def update(config: Config, job_type: str, **changes: Any) -> None:
    """Change fields of a run's record, and write it."""
    tracking = current(config)
    if tracking is not None:  # unless someone deletes the folder meanwhile
        _write(config, tracking, job_type, tracking.runs[job_type].model_copy(update=changes))


def _write(config: Config, tracking: Tracking, job_type: str, run: TrackedRun) -> None:
    runs = {**tracking.runs, job_type: run}
    write_record(config.run_dir / TRACKING, tracking.model_copy(update={"runs": runs}))
