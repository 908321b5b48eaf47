"""Runs of Weights & Biases: with ids of our own, on disk before they start, going on where they stopped."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, write_record
from hub_publisher.records import TrackedRun, Tracking
from hub_publisher.tracking.guard import environment, guarded, is_trouble, words
from hub_publisher.tracking.modes import TRACKING, current
from hub_publisher.tracking.protocol import STEP, ArtifactFiles, NullRun, Run

if TYPE_CHECKING:
    import wandb

INIT_SECONDS = 30
FINISH_SECONDS = 60
ARTIFACT_SECONDS = 30
# wandb keeps what is logged in memory for 15 seconds, unless told otherwise; a SIGKILL loses it.
FLUSH_SECONDS = 1.0


class WandbRun:
    """A Weights & Biases run, every call guarded. It starts with `start`, or with the first thing to log."""

    def __init__(
        self, config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any], before: TrackedRun
    ) -> None:
        self._config, self._tracking, self._job_type, self._settings = config, tracking, job_type, settings
        self._before = before
        self._run: wandb.Run | None = None
        self._is_dead = False
        self.url = before.url
        self.warnings: list[str] = []
        self.num_logged_steps = self._saved_steps = before.num_logged_steps
        self._artifacts = dict(before.artifacts)
        self._marks: list[tuple[float, int]] = []  # when how many steps had been logged

    def start(self) -> "wandb.Run | None":
        """The run, started at the first call; None when wandb will not start, which is tried once."""
        if self._run is None and not self._is_dead:
            self._run = self._started()
            self._is_dead = self._run is None
            if self._run is not None:
                self._take_stock(self._run)
        return self._run

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars. Never waits for the network."""
        if run := self.start():
            with guarded("logging metrics", self.warnings):
                run.log(dict(values))

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table, shown on the run's page."""
        if run := self.start():
            import wandb

            with guarded(f"logging the table {name}", self.warnings):
                run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set summary values."""
        if run := self.start():
            with guarded("writing the summary", self.warnings):
                run.summary.update(dict(values))

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files; references are recorded as they are, never fetched.

        Online, waits until the server has them: a failed upload is silent otherwise. Its version there, or offline
        the digest of its contents, goes into the tracking record.
        """
        if run := self.start():
            with guarded(f"logging the artifact {artifact.name}", self.warnings):
                made = _wandb_artifact(artifact)
                logged = run.log_artifact(made)
                version = made.digest if run.offline else logged.wait(ARTIFACT_SECONDS).version
                self._artifacts[artifact.name] = version
                _update(self._config, self._job_type, artifacts=dict(self._artifacts))

    def save_progress(self) -> None:
        """Remember on disk how many steps wandb has on disk by now, which are those it was given a while ago."""
        now = time.monotonic()
        safe = [steps for when, steps in self._marks if when < now - 2 * FLUSH_SECONDS]
        self._marks = [*self._marks[len(safe) :], (now, self.num_logged_steps)]
        if safe and safe[-1] != self._saved_steps:
            self._saved_steps = safe[-1]
            _update(self._config, self._job_type, num_logged_steps=safe[-1])

    def close(self, exit_code: int) -> None:
        """End the run if it started, waiting FINISH_SECONDS at most, and record whether it is complete."""
        if self._run is None:
            return
        num_warnings = len(self.warnings)
        with guarded("finishing the run", self.warnings):
            self._run.finish(exit_code=exit_code)
        if len(self.warnings) == num_warnings:
            finished, steps = exit_code == 0, self.num_logged_steps
            _update(self._config, self._job_type, finished=finished, num_logged_steps=steps)
        _forget_logs(self._config.run_dir / "wandb", self._before.run_id)

    def _started(self) -> "wandb.Run | None":
        """A server that fails now, after the preflight, means offline."""
        for mode in dict.fromkeys((self._tracking.mode, "offline")):
            try:
                return _init(self._config, self._tracking, mode, self._job_type, self._before.run_id, self._settings)
            except Exception as error:
                if not is_trouble(error):
                    raise
                self.warnings.append(f"Weights & Biases: starting the run {mode} failed: {words(error)}")
                _tear_down(self.warnings)
        return None

    def _take_stock(self, run: "wandb.Run") -> None:
        self.url = None if run.offline else run.url
        if run.resumed:  # what the server has, which may be less than what was logged before a crash
            with guarded("reading the resumed run", self.warnings):
                self.num_logged_steps = int(run.summary.get(STEP) or 0)
        directory = os.path.relpath(run.settings.sync_dir, self._config.run_dir)
        _update(self._config, self._job_type, url=self.url, directory=directory, finished=False)


@contextmanager
def open_run(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> Iterator[Run]:
    """A run of `job_type` whose configuration is `settings`; on disk in tracking.json before it starts.

    The same publication with the same settings is the same run, resumed where it stopped; one that has
    finished is left alone until there is something to log. With tracking disabled, or wandb not starting, the
    run does nothing. An exception inside ends the run as failed, and flies.
    """
    if tracking.mode == "disabled":
        yield NullRun()
        return
    before = _claim(config, tracking, job_type, settings)
    run = WandbRun(config, tracking, job_type, settings, before)
    with environment(config.run_dir / "wandb"):
        exit_code = 1
        try:
            if not before.finished:
                run.start()
            yield run
            exit_code = 0
        finally:
            run.close(exit_code)


def run_id(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> str:
    """The run's id, of a-z, 0-9 and -: the same for the same publication, mode and settings.

    A train run is also another one after another preprocess run: that is how it knows of other posts.
    """
    name = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    preprocess = tracking.runs.get("preprocess")
    posts = preprocess.run_id if preprocess and job_type != "preprocess" else None
    digest = fingerprint(config.name, tracking.mode, tracking.project, tracking.entity, dict(settings), posts)
    return f"{name}-{job_type}-{digest[:8]}"


def _claim(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> TrackedRun:
    """The record of this run, on disk before wandb hears of it."""
    wanted = run_id(config, tracking, job_type, settings)
    now = current(config) or tracking
    known = now.runs.get(job_type)
    if known is not None and known.run_id == wanted:
        return known
    run = TrackedRun(run_id=wanted)
    _write(config, now, job_type, run)
    return run


def _update(config: Config, job_type: str, **changes: Any) -> None:
    tracking = current(config)
    if tracking is not None:  # unless someone deletes the folder meanwhile
        _write(config, tracking, job_type, tracking.runs[job_type].model_copy(update=changes))


def _write(config: Config, tracking: Tracking, job_type: str, run: TrackedRun) -> None:
    runs = {**tracking.runs, job_type: run}
    write_record(config.run_dir / TRACKING, tracking.model_copy(update={"runs": runs}))


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
        config={name: _public(value) for name, value in settings.items()},
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


def _wandb_artifact(artifact: ArtifactFiles) -> "wandb.Artifact":
    import wandb

    logged = wandb.Artifact(artifact.name, type=artifact.type, metadata=dict(artifact.metadata))
    for name, path in artifact.files.items():
        logged.add_file(str(path), name=name)
    for name, address in artifact.references.items():
        # With checksum=True wandb downloads the file, also offline, and keeps where it was redirected to: an
        # address that is signed and expires.
        logged.add_reference(address, name=name, checksum=False)
    return logged


def _public(value: Any) -> Any:
    """A setting as it may be shown: where somebody's files lie is nobody else's business."""
    is_path = isinstance(value, Path) or (isinstance(value, str) and Path(value).expanduser().exists())
    return "a local path" if is_path else value


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
