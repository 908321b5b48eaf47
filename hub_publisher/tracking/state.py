"""What is kept on disk for the tracker: tracking.json, written before wandb hears of a run, and files for artifacts."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.system.files import fingerprint, read_record, write_bytes, write_record
from hub_publisher.tracking.records import TrackedRun, Tracking

TRACKING = "tracking.json"
TRAINING_LOG = "training-log.jsonl"
ARTIFACTS = "artifacts"  # the folder of files that are made for artifacts, gone when a run ends


def home(config: Config) -> Path:
    """The folder in which wandb's process works while a run is open. Nothing in it is needed later."""
    return config.run_dir / "wandb"


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
    run = TrackedRun(run_id=wanted, settings={name: public(value) for name, value in settings.items()})
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


def public(value: Any) -> Any:
    """A setting as it may be shown: "a local path" for what is one, words for what JSON has no form for."""
    if isinstance(value, Path) or (isinstance(value, str) and Path(value).expanduser().exists()):
        return "a local path"
    return value if value is None or isinstance(value, str | int | float | list | tuple | dict) else str(value)


def sync_command(config: Config) -> str:
    """What to type to bring the rest to the server."""
    name = f" --repo-name {config.repo_name}" if config.repo_name else ""
    return f"hub-publisher sync {config.handle}{name}"


def facts_file(config: Config, name: str, facts: Mapping[str, Any]) -> Path:
    """A JSON file of that name with these facts, made for an artifact."""
    path = config.run_dir / ARTIFACTS / name
    write_bytes(path, json.dumps(facts, indent=2).encode() + b"\n")
    return path


def rows_file(config: Config, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
    """A file of that name with one JSON object a line, made for an artifact."""
    path = config.run_dir / ARTIFACTS / name
    write_bytes(path, (json.dumps(row).encode() + b"\n" for row in rows))
    return path
