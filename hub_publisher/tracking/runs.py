"""The two kinds of tracked runs: in the ledger alone, and on a server of Weights & Biases.

What a run says stands in the publication's records. So a run without a server keeps no more than its settings and
what its artifacts consist of, and one that loses its server is left as it is: `sync`, or the next publication, says
the rest from the records.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.tracking import artifacts
from hub_publisher.tracking.client import Server, kill, preflight, tear_down, within
from hub_publisher.tracking.errors import environment, guarded, is_trouble, words
from hub_publisher.tracking.init import FINISH_SECONDS, forget_files, last_step, open_wandb
from hub_publisher.tracking.records import Tracking
from hub_publisher.tracking.run import ArtifactFiles, Run
from hub_publisher.tracking.state import claim, current, home, sync_command, update

if TYPE_CHECKING:
    import wandb

QUERY_SECONDS = 10
GRACE_SECONDS = 3.0


class LedgerRun(Run):
    """A run that no server knows: tracking.json names its artifacts by digests. wandb is not even imported."""

    def __init__(self, config: Config, tracking: Tracking, job_type: str) -> None:
        super().__init__()
        self._config, self._tracking, self._job_type = config, tracking, job_type
        self._known = tracking.runs[job_type]
        self._artifacts, self._inputs = dict(self._known.artifacts), dict(self._known.inputs)
        self.url = self._known.url

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Note the digest of an output."""
        self._note(self._artifacts, artifact.name, self._digest(artifact))

    def use_artifact(self, artifact: ArtifactFiles) -> None:
        """Note the digest of an input."""
        self._note(self._inputs, artifact.name, self._digest(artifact))

    def use_output_of(self, job_type: str, name: str) -> None:
        """Note the digest of another run's output as that of an input."""
        self._note(self._inputs, name, None if self.url else self._version_of(job_type, name))

    def _version_of(self, job_type: str, name: str) -> str | None:
        other = (current(self._config) or self._tracking).runs.get(job_type)
        return other.artifacts.get(name) if other else None

    def _digest(self, artifact: ArtifactFiles) -> str | None:
        """None for a run that a server has: that names artifacts by its versions."""
        return None if self.url else artifacts.digest(artifact)

    def _note(self, known: dict[str, str], name: str, version: str | None) -> None:
        if version is not None and known.get(name) != version:
            known[name] = version
            update(self._config, self._job_type, artifacts=self._artifacts, inputs=self._inputs)


class WandbRun(LedgerRun):
    """A run of wandb's, started by the first thing that it is told. Where that fails it is one of the ledger."""

    def __init__(self, config: Config, tracking: Tracking, job_type: str) -> None:
        super().__init__(config, tracking, job_type)
        self._run: wandb.Run | None = None
        self._is_tried = False
        self._recorded = self._known.recorded
        self._server = Server(config, self.warnings)

    @property
    def is_confirmed(self) -> bool:
        """Whether the server has everything that this run was told so far."""
        return self._run is not None and not self._server.num_failures

    def start(self) -> "wandb.Run | None":
        """wandb's run, started at the first call; None when it will not start, which is tried once."""
        if not self._is_tried:
            self._is_tried = True
            self._run = self._started()
            if self._run is not None:
                self._take_stock(self._run)
        return self._run

    def resume(self) -> None:
        """Start it, and find out how far it has come."""
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
        """Log a table, shown on the run's page."""
        self._ask(f"logging the table {name}", lambda run: artifacts.log_table(run, name, columns, rows, self._config))

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files, and wait until the server has them: a failed upload is silent otherwise.

        References are recorded as they are, never fetched. The version on the server goes into the tracking record.
        """

        def ask(run: "wandb.Run") -> str:
            made = artifacts.build(artifact, self._config)
            return str(run.log_artifact(made, aliases=["latest", *artifact.aliases]).wait().version)

        version = self._ask(f"logging the artifact {artifact.name}", ask, artifact)
        self._note(self._artifacts, artifact.name, version or self._digest(artifact))

    def use_artifact(self, artifact: ArtifactFiles) -> None:
        """Record files as an input that this run brings along."""

        def ask(run: "wandb.Run") -> str:
            made = artifacts.build(artifact, self._config)
            return str(run.use_artifact(made, aliases=["latest", *artifact.aliases]).version)

        version = self._ask(f"using the artifact {artifact.name}", ask, artifact)
        self._note(self._inputs, artifact.name, version or self._digest(artifact))

    def use_output_of(self, job_type: str, name: str) -> None:
        """Record the artifact that another run brought to the server as an input."""
        other, version = current(self._config), self._version_of(job_type, name)

        def ask(run: "wandb.Run") -> str:
            if other is None or other.runs[job_type].url is None or version is None:
                raise ValueError(f"the {job_type} run has not brought it to the server")
            run.use_artifact(f"{name}:{version}")
            return version

        used = self._ask(f"using the artifact {name}", ask)
        self._note(self._inputs, name, used or (None if self.url else version))

    def confirm(self, contents: str) -> None:
        """When the server has all of it and the run ends well, the record says that it has `contents`."""
        if self.is_confirmed:
            self._recorded = contents

    def close(self, exit_code: int) -> None:
        """End the run if it started, waiting FINISH_SECONDS at most, and record what the server has confirmed."""
        if self._run is None:
            return
        if not self._server.is_lost and self._finish(self._run, exit_code):
            update(self._config, self._job_type, recorded=self._recorded)
        else:
            self._abandon(self._run)

    def _finish(self, run: "wandb.Run", exit_code: int, seconds: float = FINISH_SECONDS + GRACE_SECONDS) -> bool:
        """Whether it ended with everything sent. An artifact that is stuck makes wandb forget its own time limit."""
        num_warnings = len(self.warnings)
        with guarded("finishing the run", self.warnings):
            within(seconds, lambda: run.finish(exit_code=exit_code))
        return len(self.warnings) == num_warnings

    def _abandon(self, run: "wandb.Run") -> None:
        """Leave the run as it is on the server: it will not end by itself."""
        self._server.num_failures += 1
        kill()
        with guarded("leaving the run", []):
            within(GRACE_SECONDS, run.finish)
        tear_down([])

    def _started(self) -> "wandb.Run | None":
        problem = preflight(self._config)
        if problem is None:
            try:
                return open_wandb(self._config, self._tracking, self._job_type, self._known)
            except Exception as error:
                if not is_trouble(error):
                    raise
                tear_down(self.warnings)
                problem = words(error)
        remedy = f"`{sync_command(self._config)}` completes it"
        self.warnings.append(f"Weights & Biases: starting the run failed: {problem}; {remedy}")
        return None

    def _take_stock(self, run: "wandb.Run") -> None:
        self._server.heard()
        if self.url is None:  # what was known without a server are digests, no versions
            self._artifacts, self._inputs = {}, {}
        self.url = run.url
        self.num_rows = self._rows_on_server(run) if run.resumed else 0
        update(self._config, self._job_type, url=self.url, artifacts=self._artifacts, inputs=self._inputs)

    def _rows_on_server(self, run: "wandb.Run") -> int:
        """How many rows of its history have arrived, which may be less than what was logged before a crash.

        wandb tells how many its summary knows of. After a crash that may be one too many, as a request can bring the
        summary with a row and the next one would have brought the row; so the history itself is asked.
        """
        path = f"{run.entity}/{run.project}/{run.id}"
        last = self._server.ask("reading how far the run has come", lambda: last_step(path))
        return max(run.starting_step - 1, 0 if last is None else last + 1)

    def _ask(self, doing: str, ask: Callable[["wandb.Run"], Any], artifact: ArtifactFiles | None = None) -> Any:
        """What the server says to `ask`, or None: also where there is none to be asked."""
        run = self.start()
        if run is None:
            self._server.num_failures += 1
            return None
        num_bytes = sum(path.stat().st_size for path in artifact.files.values()) if artifact else 0
        return self._server.ask(doing, lambda: ask(run), num_bytes)


@contextmanager
def open_run(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> Iterator[Run]:
    """A run of `job_type` whose configuration is `settings`; on disk in tracking.json before it starts.

    The same publication with the same settings is the same run, resumed where it stopped, once there is something to
    say. With tracking disabled the run does nothing; offline, or when wandb does not start, it says nothing to a
    server. An exception inside ends the run as failed, and is raised.
    """
    if tracking.mode == "disabled":
        yield Run()
        return
    known = claim(config, tracking, job_type, settings)
    now = tracking.model_copy(update={"runs": {**tracking.runs, job_type: known}})
    if tracking.mode == "offline":
        yield LedgerRun(config, now, job_type)
        forget_files(config, known.run_id)
        return
    with on_server(config, now, job_type) as run:
        yield run


@contextmanager
def on_server(config: Config, tracking: Tracking, job_type: str) -> Iterator[WandbRun]:
    """The run that `tracking` names, on the server from the first thing on that it is told."""
    run = WandbRun(config, tracking, job_type)
    with environment(home(config), WANDB_HTTP_TIMEOUT=str(QUERY_SECONDS)):
        exit_code = 1
        try:
            yield run
            exit_code = 0
        finally:
            run.close(exit_code)
            forget_files(config, tracking.runs[job_type].run_id)
