"""Runs of Weights & Biases: with ids of our own, never waited for for long, going on where they stopped.

An offline run keeps what a server needs not be asked about: its configuration, metrics and summary. Tables and
artifacts stand in the publication's records, from which `sync` makes them: wandb's offline artifacts have no inputs,
and point at absolute paths that are gone when the folder is moved.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.records import TrackedRun, Tracking
from hub_publisher.tracking import artifacts
from hub_publisher.tracking.asking import Server
from hub_publisher.tracking.guard import environment, guarded, is_trouble, words
from hub_publisher.tracking.ledger import claim, current, update
from hub_publisher.tracking.opening import (
    FINISH_SECONDS,
    forget_attempts,
    forget_logs,
    forget_staged,
    last_step,
    open_wandb,
)
from hub_publisher.tracking.protocol import ArtifactFiles, NullRun, Run
from hub_publisher.tracking.server import home, kill, preflight, tear_down, within

if TYPE_CHECKING:
    import wandb

QUERY_SECONDS = 10
GRACE_SECONDS = 3.0


class WandbRun:
    """A Weights & Biases run, every call guarded. It starts with `start`, or with the first thing to log.

    `settings` None means a run that is on the server already, or none.
    """

    def __init__(
        self,
        config: Config,
        tracking: Tracking,
        job_type: str,
        settings: Mapping[str, Any] | None,
        before: TrackedRun,
    ) -> None:
        self._config, self._tracking, self._job_type, self._settings = config, tracking, job_type, settings
        self._before = before
        self._run: wandb.Run | None = None
        self._is_tried = False
        self._artifacts, self._inputs = dict(before.artifacts), dict(before.inputs)
        self._recorded = before.recorded
        self.url = before.url
        self.warnings: list[str] = []
        self.num_rows = 0
        self._server = Server(config, self.warnings)

    @property
    def is_confirmed(self) -> bool:
        """Whether a server has everything that this run was asked to keep so far."""
        return self._run is not None and not self._run.offline and not self._server.num_failures

    def start(self) -> "wandb.Run | None":
        """The run, started at the first call; None when wandb will not start, which is tried once."""
        if not self._is_tried:
            self._is_tried = True
            self._run = self._started()
            if self._run is not None:
                self._take_stock(self._run)
        return self._run

    def resume(self) -> None:
        """Find out how far the run has come."""
        self.start()

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars. Never waits for the network."""
        if run := self.start():
            self.num_rows += 1
            with guarded("logging metrics", self.warnings):
                run.log(dict(values))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set summary values."""
        if run := self.start():
            with guarded("writing the summary", self.warnings):
                run.summary.update(dict(values))

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table, shown on the run's page; offline this is left to `sync`."""
        self._ask(f"logging the table {name}", lambda run: artifacts.log_table(run, name, columns, rows, self._config))

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files, and wait until the server has them: a failed upload is silent otherwise.

        References are recorded as they are, never fetched. The version on the server, or offline the digest of the
        contents, goes into the tracking record.
        """

        def ask(run: "wandb.Run") -> str:
            made = artifacts.build(artifact, self._config)
            return str(run.log_artifact(made, aliases=["latest", *artifact.aliases]).wait().version)

        version = self._ask(f"logging the artifact {artifact.name}", ask, artifact)
        self._note(self._artifacts, artifact.name, version or self._digest(artifact))

    def use_artifact(self, artifact: ArtifactFiles) -> None:
        """Record files as an input that this run brings along; offline its digest."""

        def ask(run: "wandb.Run") -> str:
            made = artifacts.build(artifact, self._config)
            return str(run.use_artifact(made, aliases=["latest", *artifact.aliases]).version)

        version = self._ask(f"using the artifact {artifact.name}", ask, artifact)
        self._note(self._inputs, artifact.name, version or self._digest(artifact))

    def use_output_of(self, job_type: str, name: str) -> None:
        """Record the artifact that another run logged as an input; offline its digest."""
        now = current(self._config) or self._tracking
        other = now.runs.get(job_type)
        version = other.artifacts.get(name) if other else None

        def ask(run: "wandb.Run") -> str:
            if other is None or other.url is None or version is None:
                raise ValueError(f"the {job_type} run has not brought it to the server")
            run.use_artifact(f"{name}:{version}")
            return version

        used = self._ask(f"using the artifact {name}", ask)
        self._note(self._inputs, name, used or (version if self.url is None else None))

    def confirm(self, contents: str) -> None:
        """All is said: when a server has it and the run ends well, the record says that it has `contents`."""
        if self.is_confirmed:
            self._recorded = contents

    def close(self, exit_code: int) -> None:
        """End the run if it started, waiting FINISH_SECONDS at most, and record whether it is complete."""
        if self._run is None:
            return
        if not self._server.is_lost and self._finish(self._run, exit_code):
            update(self._config, self._job_type, finished=exit_code == 0, recorded=self._recorded)
        else:
            self._abandon()
        forget_logs(self._config, self._before.run_id)
        if self._recorded is not None:
            forget_staged(self._config)

    def _finish(self, run: "wandb.Run", exit_code: int, seconds: float = FINISH_SECONDS + GRACE_SECONDS) -> bool:
        """Whether it ended with everything sent. An artifact that is stuck makes wandb forget its own time limit."""
        num_warnings = len(self.warnings)
        with guarded("finishing the run", self.warnings):
            within(seconds, lambda: run.finish(exit_code=exit_code))
        return len(self.warnings) == num_warnings

    def _abandon(self) -> None:
        """Leave the run as it is on the server: it will not end by itself."""
        self._server.num_failures += 1
        kill()
        if self._run is not None:
            with guarded("leaving the run", []):
                within(GRACE_SECONDS, self._run.finish)
        tear_down([])

    def _started(self) -> "wandb.Run | None":
        """A server that fails now, after the decision, means offline; but a run is never in both places."""
        for mode in dict.fromkeys((self._tracking.mode, "offline")):
            if mode == "offline" and (self._before.url or self._before.finished or self._settings is None):
                break
            problem = preflight(self._config) if mode == "online" else None
            if problem is None:
                problem, run = self._opened(mode)
                if run is not None:
                    return run
            self.warnings.append(f"Weights & Biases: starting the run {mode} failed: {problem}")
        return None

    def _opened(self, mode: str) -> "tuple[str, wandb.Run | None]":
        """The run, or why there is none."""
        if mode == "offline":
            forget_attempts(self._config, self._before.run_id)
        try:
            run = open_wandb(self._config, self._tracking, mode, self._job_type, self._before.run_id, self._settings)
        except Exception as error:
            if not is_trouble(error):
                raise
            tear_down(self.warnings)
            return words(error), None
        if mode == "online":
            forget_attempts(self._config, self._before.run_id)
        return "", run

    def _take_stock(self, run: "wandb.Run") -> None:
        self.url = None if run.offline else run.url
        self._server.heard()
        self.num_rows = self._rows_on_server(run) if run.resumed else 0
        directory = os.path.relpath(run.settings.sync_dir, self._config.run_dir.resolve())
        if self._before.url is None and self.url is not None:  # what was known offline are digests, no versions
            self._artifacts, self._inputs = {}, {}
        changes: dict[str, Any] = {"url": self.url, "directory": directory, "finished": False, "uploading": False}
        changes |= {"artifacts": self._artifacts, "inputs": self._inputs}
        update(self._config, self._job_type, **changes)

    def _rows_on_server(self, run: "wandb.Run") -> int:
        """How many rows of its history have arrived, which may be less than what was logged before a crash.

        wandb tells how many its summary knows of. After a crash that may be one too many, as a request can bring the
        summary with a row and the next one would have brought the row; so then the history itself is asked.
        """
        if self._before.finished and not self._before.uploading:
            return run.starting_step
        path = f"{run.entity}/{run.project}/{run.id}"
        last = self._server.ask("reading how far the run has come", lambda: last_step(path))
        return max(run.starting_step - 1, 0 if last is None else last + 1)

    def _ask(self, doing: str, ask: Callable[["wandb.Run"], Any], artifact: ArtifactFiles | None = None) -> Any:
        """What the server says to `ask`, or None: also where there is none to be asked."""
        run = self.start()
        if run is None or run.offline:
            self._server.num_failures += 1
            return None
        num_bytes = sum(path.stat().st_size for path in artifact.files.values()) if artifact else 0
        return self._server.ask(doing, lambda: ask(run), num_bytes)

    def _digest(self, artifact: ArtifactFiles) -> str | None:
        """The digest that the server will give it, for a run that has never been there."""
        if self.url is not None:
            return None
        with guarded(f"hashing the artifact {artifact.name}", self.warnings):
            return str(artifacts.build(artifact, self._config).digest)
        return None

    def _note(self, known: dict[str, str], name: str, version: str | None) -> None:
        if version is not None and known.get(name) != version:
            known[name] = version
            update(self._config, self._job_type, artifacts=dict(self._artifacts), inputs=dict(self._inputs))


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
    before = claim(config, tracking, job_type, settings)
    with _opened(WandbRun(config, tracking, job_type, settings, before), config, start=not before.finished) as run:
        yield run


@contextmanager
def reopen_run(config: Config, tracking: Tracking, job_type: str) -> Iterator[WandbRun]:
    """A run that is on the server already, to add what is missing; it starts with the first thing to log."""
    online = tracking.model_copy(update={"mode": "online"})
    with _opened(WandbRun(config, online, job_type, None, tracking.runs[job_type]), config, start=False) as run:
        yield run


@contextmanager
def _opened(run: WandbRun, config: Config, start: bool) -> Iterator[WandbRun]:
    with environment(home(config), WANDB_HTTP_TIMEOUT=str(QUERY_SECONDS)):
        exit_code = 1
        try:
            if start:
                run.start()
            yield run
            exit_code = 0
        finally:
            run.close(exit_code)
