"""The three kinds of tracked runs: of nobody, in the ledger alone, and on a server of Weights & Biases.

What a run says stands in the publication's records. So a run without a server keeps no more than its settings and
what its artifacts consist of, and one that loses its server is left as it is: `sync`, or the next publication, says
the rest from the records.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from hub_publisher.config import Config
from hub_publisher.tracking import client
from hub_publisher.tracking.artifacts import Artifact, Report, build, log_table
from hub_publisher.tracking.calls import Calls, TrackerError
from hub_publisher.tracking.records import Tracking, claim, current, save

if TYPE_CHECKING:
    import wandb

ASK_SECONDS = 15.0
BYTES_PER_SECOND = 250_000  # of an upload that is waited for
START_SECONDS = 60.0
T = TypeVar("T")


class Run:
    """A run that tracks nothing. No method of any run raises because of the tracker: it adds a line to `warnings`."""

    url: str | None = None

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.num_rows = 0  # of its history: what `log` was called with, in this process and before

    def start(self) -> bool:
        """Whether it takes rows. If so it has started, and `num_rows` is known."""
        return False

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars as a row of the run's history; STEP and TIME are among them."""

    def has(self, report: Report) -> bool:
        """Whether nothing of `report` is left to be said, as far as is known without asking a server."""
        return True

    def say(self, report: Report) -> None:
        """Say what is left of `report`. May wait for the network: not for inside a loop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """End it, within seconds; as failed after an exception."""


class LedgerRun(Run):
    """A run that no server knows: tracking.json names its artifacts by digests. wandb is not even imported."""

    def __init__(self, config: Config, tracking: Tracking, job_type: str) -> None:
        super().__init__()
        self._config, self._tracking, self._job_type = config, tracking, job_type
        self._known = tracking.runs[job_type]
        self.url = self._known.url

    def has(self, report: Report) -> bool:
        """Whether the server has confirmed it."""
        if report.contents is not None:
            return report.contents == self._known.recorded
        versions, inputs = self._versions(report), self._known.inputs
        names = {*report.uses, *(artifact.name for artifact in report.inputs)}
        return self.url is not None and names <= inputs.keys() and versions.items() <= inputs.items()

    def say(self, report: Report) -> None:
        """Note digests, unless a server has the run: that names artifacts by its versions."""
        if self.url is None:
            inputs = {artifact.name: artifact.digest for artifact in report.inputs}
            outputs = {artifact.name: artifact.digest for artifact in report.outputs}
            self._note(inputs={**self._versions(report), **inputs}, artifacts=outputs)

    def _versions(self, report: Report) -> dict[str, str]:
        """Of the preprocess run's artifacts that the report is about, as far as it has left them."""
        preprocess = self._tracking.runs.get("preprocess")
        left = preprocess.artifacts if preprocess else {}
        return {name: left[name] for name in report.uses if name in left}

    def _note(self, **found: Mapping[str, str | None]) -> None:
        """Add the versions or digests that were found to the run's record."""
        known = {kind: {name: version for name, version in of.items() if version} for kind, of in found.items()}
        self._keep(**{kind: {**getattr(self._known, kind), **of} for kind, of in known.items()})

    def _keep(self, **changes: Any) -> None:
        """Change fields of the run's record, and write it when they are others now."""
        before, self._known = self._known, self._known.model_copy(update=changes)
        self.url = self._known.url
        if self._known != before:
            self._tracking = self._tracking.with_run(self._job_type, self._known)
            save(self._config, self._tracking)


class WandbRun(LedgerRun):
    """A run of wandb's, started by the first thing that it is told. Where that fails it is one of the ledger."""

    def __init__(self, config: Config, tracking: Tracking, job_type: str) -> None:
        super().__init__(config, tracking, job_type)
        self._run: wandb.Run | None = None
        self._stack = ExitStack()
        self._calls = Calls("Weights & Biases", self.warnings)
        self._home = client.home(config)
        self._is_tried = False
        self._sent: str | None = None  # contents of the report that the server has all of

    def start(self) -> bool:
        """Start it at the first call; one that does not start is not tried again."""
        if not self._is_tried:
            self._is_tried = True
            self._run = self._calls.ask("starting the run", self._started, START_SECONDS)
            if self._run is not None and self.url is None:
                self._keep(url=self._run.url, inputs={}, artifacts={})  # they were digests, and will be versions
            if self._run is not None and self._run.resumed:
                self.num_rows = self._rows_on_server(self._run)
        return self._run is not None

    def _started(self) -> "wandb.Run":
        self._stack.enter_context(client.service(self._home))
        return client.open_wandb(self._config, self._tracking, self._job_type, self._known)

    def _rows_on_server(self, run: "wandb.Run") -> int:
        """How many rows of its history have arrived, which may be less than what was logged before a crash.

        wandb tells how many its summary knows of. After a crash that may be one too many, as a request can bring the
        summary with a row and the next one would have brought the row; so the history itself is asked.
        """
        last = self._ask("reading how far the run has come", client.last_step)
        return max(run.starting_step - 1, 0 if last is None else last + 1)

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars. Never waits for the network."""
        self.num_rows += 1
        self._ask("logging metrics", lambda run: run.log(dict(values)))

    def say(self, report: Report) -> None:
        """Say all of it, and wait until the server has it: a failed upload is silent otherwise."""
        if self.has(report):
            return
        if not self.start():
            super().say(report)
            return
        if report.summary:
            self._ask("writing the summary", lambda run: run.summary.update(dict(report.summary)))
        versions = self._versions(report)
        inputs = {name: self._used(name, versions.get(name)) for name in report.uses}
        inputs |= {artifact.name: self._version_of(artifact, "using") for artifact in report.inputs}
        outputs = {artifact.name: self._version_of(artifact, "logging") for artifact in report.outputs}
        self._note(inputs=inputs, artifacts=outputs)
        for name, table in report.tables.items():
            self._ask(f"logging the table {name}", partial(log_table, name=name, table=table, folder=self._home))
        if report.contents is not None:
            self._keep(recorded=None)  # until it has ended well
            self._sent = None if self._calls.num_failures else report.contents

    def _used(self, name: str, version: str | None) -> str | None:
        """The version of the preprocess run's artifact, now an input of this run."""

        def use(run: "wandb.Run") -> str:
            if version is None:
                raise TrackerError("the preprocess run has not brought it to the server")
            run.use_artifact(f"{name}:{version}")
            return version

        return self._ask(f"using the artifact {name}", use)

    def _version_of(self, artifact: Artifact, doing: str) -> str | None:
        """The version that the server gave it. References are recorded as they are, never fetched."""

        def send(run: "wandb.Run") -> str:
            made, aliases = build(artifact, self._home), ["latest", *artifact.aliases]
            if doing == "using":
                return str(run.use_artifact(made, aliases=aliases).version)
            return str(run.log_artifact(made, aliases=aliases).wait().version)

        return self._ask(f"{doing} the artifact {artifact.name}", send, sum(map(len, artifact.files.values())))

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """End the run if it started, and record what the server has confirmed."""
        if self._run is not None:
            before, exit_code = self._calls.num_failures, int(kind is not None)
            self._ask("finishing the run", lambda run: run.finish(exit_code=exit_code))
            if self._calls.num_failures > before:
                client.kill()  # it would go on trying
            elif self._sent is not None:
                self._keep(recorded=self._sent)
        self._stack.close()
        self._calls.end()

    def _ask(self, doing: str, question: Callable[["wandb.Run"], T], num_bytes: int = 0) -> T | None:
        """What the server of the open run says to `question`, which sends `num_bytes`; None when it does not answer."""
        run = self._run
        assert run is not None, "start() says whether there is one"
        return self._calls.ask(doing, lambda: question(run), ASK_SECONDS + num_bytes / BYTES_PER_SECOND)


def open_run(config: Config, tracking: Tracking, job_type: str, settings: Mapping[str, Any]) -> Run:
    """A run of `job_type` whose configuration is `settings`; on disk in tracking.json before it starts.

    The same publication with the same settings is the same run, resumed where it stopped, once there is something to
    say. With tracking disabled the run does nothing; offline, or when wandb does not start, it says nothing to a
    server.
    """
    if tracking.mode == "disabled":
        return Run()
    now = claim(config, current(config) or tracking, job_type, settings)
    return (LedgerRun if tracking.mode == "offline" else WandbRun)(config, now, job_type)
