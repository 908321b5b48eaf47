"""A tracked run: the few methods that stages need, over Weights & Biases or over nothing."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hub_publisher.config import Config
from hub_publisher.records import TrackedRun, Tracking, fingerprint, write_record
from hub_publisher.tracking.guard import environment, guarded, is_trouble, words
from hub_publisher.tracking.modes import TRACKING, current

if TYPE_CHECKING:
    import wandb

STEP = "train/global_step"
INIT_SECONDS = 30
FINISH_SECONDS = 60
# wandb keeps what is logged in memory for 15 seconds, unless told otherwise; a SIGKILL loses it.
FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class ArtifactFiles:
    """A versioned set of files: contents by name, and addresses by name for what is published elsewhere."""

    name: str
    type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


class Run(Protocol):
    """One run. No method raises for the tracker's sake: what went wrong is in `warnings`, a line each."""

    url: str | None
    warnings: list[str]
    num_logged_steps: int

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars; the step is one of them."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table. May wait for the network: not for inside a loop."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set what the run amounts to."""

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files as an output of the run. May wait for the network."""

    def save_progress(self) -> None:
        """Remember on disk how many steps have been logged."""


class NullRun:
    """Tracks nothing."""

    def __init__(self, warnings: Sequence[str] = ()) -> None:
        self.url: str | None = None
        self.warnings = list(warnings)
        self.num_logged_steps = 0

    def log(self, values: Mapping[str, float]) -> None:
        """Nothing."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Nothing."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Nothing."""

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Nothing."""

    def save_progress(self) -> None:
        """Nothing."""


class WandbRun:
    """A Weights & Biases run, every call guarded."""

    def __init__(self, config: Config, job_type: str, run: "wandb.Run", before: TrackedRun) -> None:
        self._config, self._job_type, self._run = config, job_type, run
        self.url = None if run.offline else run.url
        self.warnings: list[str] = []
        self.num_logged_steps = before.num_logged_steps
        if run.resumed:  # what the server has, which may be less than what was logged before a crash
            with guarded("reading the resumed run", self.warnings):
                self.num_logged_steps = int(run.summary.get(STEP) or 0)
        self._saved_steps = self.num_logged_steps
        self._marks: list[tuple[float, int]] = []  # when how many steps had been logged

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars. Never waits for the network."""
        with guarded("logging metrics", self.warnings):
            self._run.log(dict(values))

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table, shown on the run's page."""
        import wandb

        with guarded(f"logging the table {name}", self.warnings):
            self._run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set summary values."""
        with guarded("writing the summary", self.warnings):
            self._run.summary.update(dict(values))

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files; references are recorded as they are, never fetched."""
        import wandb

        with guarded(f"logging the artifact {artifact.name}", self.warnings):
            logged = wandb.Artifact(artifact.name, type=artifact.type, metadata=dict(artifact.metadata))
            for name, path in artifact.files.items():
                logged.add_file(str(path), name=name)
            for name, address in artifact.references.items():
                # With checksum=True wandb downloads the file, also offline, and keeps where it was redirected
                # to: an address that is signed and expires.
                logged.add_reference(address, name=name, checksum=False)
            self._run.log_artifact(logged)

    def save_progress(self) -> None:
        """Remember on disk how many steps wandb has on disk by now, which are those it was given a while ago."""
        now = time.monotonic()
        safe = [steps for when, steps in self._marks if when < now - 2 * FLUSH_SECONDS]
        self._marks = [*self._marks[len(safe) :], (now, self.num_logged_steps)]
        if safe and safe[-1] != self._saved_steps:
            self._saved_steps = safe[-1]
            _update(self._config, self._job_type, num_logged_steps=safe[-1])

    def close(self, exit_code: int) -> None:
        """End the run, waiting FINISH_SECONDS at most, and record whether it is complete."""
        num_warnings = len(self.warnings)
        with guarded("finishing the run", self.warnings):
            self._run.finish(exit_code=exit_code)
        if len(self.warnings) == num_warnings:
            finished, steps = exit_code == 0, self.num_logged_steps
            _update(self._config, self._job_type, finished=finished, num_logged_steps=steps)


@contextmanager
def open_run(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> Iterator[Run]:
    """A run of `job_type` whose configuration is `settings`; on disk in tracking.json before it starts.

    The same publication with the same settings is the same run, resumed where it stopped. Yields a NullRun
    when tracking is disabled or wandb will not start. An exception inside ends the run as failed, and flies.
    """
    if tracking.mode == "disabled":
        yield NullRun()
        return
    before = _claim(config, tracking, job_type, settings)
    with environment(config.run_dir / "wandb"):
        started, warnings = _start(config, tracking, job_type, before.run_id, settings)
        if started is None:
            yield NullRun(warnings)
            return
        run = WandbRun(config, job_type, started, before)
        run.warnings[:0] = warnings
        directory = os.path.relpath(started.settings.sync_dir, config.run_dir)
        _update(config, job_type, url=run.url, directory=directory)
        exit_code = 1
        try:
            yield run
            exit_code = 0
        finally:
            run.close(exit_code)
            _forget_logs(config.run_dir / "wandb", before.run_id)


def run_id(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> str:
    """The run's id, of a-z, 0-9 and -: the same for the same publication, mode and settings."""
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    digest = fingerprint(config.name, tracking.mode, tracking.project, tracking.entity, dict(settings))
    return f"{name}-{job_type}-{digest[:8]}"


def _claim(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> TrackedRun:
    """The record of this run, on disk before wandb hears of it."""
    wanted = run_id(config, tracking, job_type, settings)
    known = (current(config) or tracking).runs.get(job_type)
    run = known if known is not None and known.run_id == wanted else TrackedRun(run_id=wanted)
    _write(config, current(config) or tracking, job_type, run)
    return run


def _update(config: Config, job_type: str, **changes: Any) -> None:
    tracking = current(config)
    if tracking is not None:  # unless someone deletes the folder meanwhile
        _write(config, tracking, job_type, tracking.runs[job_type].model_copy(update=changes))


def _write(config: Config, tracking: Tracking, job_type: str, run: TrackedRun) -> None:
    runs = {**tracking.runs, job_type: run}
    write_record(config.run_dir / TRACKING, tracking.model_copy(update={"runs": runs}))


def _start(
    config: Config, tracking: Tracking, job_type: str, run_id: str, settings: Mapping[str, Any]
) -> tuple["wandb.Run | None", list[str]]:
    """The started run and what to warn of. A server that fails now, after the preflight, means offline."""
    warnings: list[str] = []
    for mode in dict.fromkeys((tracking.mode, "offline")):
        try:
            return _init(config, tracking, mode, job_type, run_id, settings), warnings
        except Exception as error:
            if not is_trouble(error):
                raise
            warnings.append(f"Weights & Biases: starting the run {mode} failed: {words(error)}")
            _tear_down(warnings)
    return None, warnings


def _init(
    config: Config, tracking: Tracking, mode: str, job_type: str, run_id: str, settings: Mapping[str, Any]
) -> "wandb.Run":
    import wandb

    run = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        id=run_id,
        name=f"{config.name} {job_type}",
        group=config.name,
        job_type=job_type,
        config=dict(settings),
        dir=str(config.run_dir),
        mode="online" if mode == "online" else "offline",
        resume="allow",
        reinit="create_new",  # else a run that is open already would be handed back
        settings=wandb.Settings(
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            silent=True,
            # Nothing about the person or the machine: no argv, output, code, host, user, packages.
            console="off",
            save_code=False,
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
            x_transaction_log_flush_interval=FLUSH_SECONDS,
            host="-",
            username="-",
            program="-",
        ),
    )
    run.define_metric(STEP)
    run.define_metric("train/*", step_metric=STEP)
    run.define_metric("eval/*", step_metric=STEP)
    return run


def _tear_down(warnings: list[str]) -> None:
    """Give the id free that a failed start still holds: otherwise an offline start with it fails as well."""
    import wandb

    with guarded("starting afresh", warnings):
        wandb.teardown()


def _forget_logs(base: Path, run_id: str) -> None:
    """wandb's own logs are of no use once a run has ended, and they are full of absolute paths."""
    for logs in base.glob(f"*run-*-{run_id}/logs"):  # also of attempts that were killed
        shutil.rmtree(logs, ignore_errors=True)
    shutil.rmtree(base / "cache" / "wandb" / "logs", ignore_errors=True)
    for link in ("debug.log", "debug-internal.log"):
        (base / link).unlink(missing_ok=True)
