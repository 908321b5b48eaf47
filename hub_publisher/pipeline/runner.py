"""The runner: a stage is done when its record fits, what it read is as it was, and what it left is still there.

It computes fingerprints, finds out what is done, does what is not, lists what a stage left with size and SHA-256, and
writes the record last. So a run that was killed anywhere goes on where it stopped, and a damaged file is made again by
the stage that owns it.
"""

import time
from collections.abc import Sequence

from hub_publisher.config import DEFAULTS, Config, deciding
from hub_publisher.errors import PublisherError, UsageError
from hub_publisher.pipeline.job import Job
from hub_publisher.pipeline.stages import STAGES, Stage
from hub_publisher.records import Output, StageRecord
from hub_publisher.system.files import fingerprint, is_whole, output_of, read_record, write_record

VOID = "to be done again"


class Runner:
    """Does the stages of one job, each once."""

    def __init__(self, job: Job, stages: Sequence[Stage] = STAGES) -> None:
        self.job = job
        self.stages = {stage.name: stage for stage in stages}

    def run(self, name: str) -> StageRecord:
        """The record of a stage whose inputs are done: the one on disk when it holds, else a new one."""
        stage = self.stages[name]
        record = self.found(stage)
        if record is None:
            self._tell(name, "...")
            started = time.monotonic()
            record = self.do(name)
            self._tell(name, f"done in {time.monotonic() - started:.0f} s")
        else:
            self._tell(name, "up to date")
        self.job.records[name] = record
        return record

    def do(self, name: str) -> StageRecord:
        """Do the stage, whether it is done or not, and write its record last."""
        stage = self.stages[name]
        if stage.publishes:
            self._require_unchanged()
        expected = self.expected(stage)
        void(self.job.config, stage)
        made = stage.work(self.job)
        config = self.job.config
        settings = {key: value for key in deciding(name) if (value := getattr(config, key)) != DEFAULTS[key]}
        left = {"fingerprint": expected, "settings": settings, "outputs": self._outputs(stage)}
        record = made.model_copy(update=left)
        write_record(self.job.path(stage.record), record)
        self.job.records[name] = record
        stage.after(self.job)
        return record

    def found(self, stage: Stage) -> StageRecord | None:
        """The record on disk, when it is of these settings and inputs and all that it vouches for is whole."""
        record = self.job.before(stage.record)
        if record is None or record.fingerprint != self.expected(stage) or self.damaged(record):
            return None
        return record if stage.is_current(self.job, record) else None

    def existing(self, name: str) -> StageRecord:
        """The record that a stage left, of whatever settings. PublisherError without one, or when a file is damaged."""
        kind = self.stages[name].record
        record = self.job.before(kind)
        if record is None or record.fingerprint == VOID:
            config = self.job.config
            raise PublisherError(f"There is no {kind.file} in {config.run_dir}.", f"Run first: {again(config, name)}")
        if wrong := self.damaged(record):
            raise PublisherError(
                f"{self.job.config.run_dir / wrong[0]} is missing or is not the file that `{name}` left.",
                f"Make it again: {again(self.job.config, name)}",
            )
        return record

    def read_inputs(self, name: str) -> None:
        """Take the records that a stage reads from, and those that these were made from, as they lie on disk."""
        needed = set(self.stages[name].inputs)
        for stage in reversed(self.stages.values()):
            if stage.name in needed:
                needed |= set(stage.inputs)
        for read in self.stages:
            if read in needed:
                self.job.records[read] = self.existing(read)

    def run_alone(self, name: str) -> StageRecord:
        """Do one stage from the records that the stages before it left."""
        self.read_inputs(name)
        return self.do(name)

    def expected(self, stage: Stage) -> str:
        """The fingerprint that the stage's record has when it is done for this job."""
        settings = {name: getattr(self.job.config, name) for name in sorted(deciding(stage.name))}
        inputs = [self._identity(read) for read in stage.reads]
        return fingerprint(stage.name, stage.version, settings, inputs, stage.state(self.job))

    def damaged(self, record: StageRecord, read_them: bool = False) -> list[str]:
        """Files that the record vouches for and that are gone or others; every one is read with `read_them`."""
        folder = self.job.config.run_dir
        return [path for path, output in record.outputs.items() if not is_whole(folder / path, output, read_them)]

    def _identity(self, read: str) -> str:
        name, _, file = read.partition(":")
        record = self.job.records[name]
        return record.outputs[file].sha256 if file else record.fingerprint

    def _outputs(self, stage: Stage) -> dict[str, Output]:
        folder = self.job.config.run_dir
        paths = sorted({path for pattern in stage.leaves for path in folder.glob(pattern) if path.is_file()})
        return {path.relative_to(folder).as_posix(): output_of(path) for path in paths}

    def _require_unchanged(self) -> None:
        """Nothing is published that is not what its stage left: the record of a damaged file is void from now on."""
        for name, record in self.job.records.items():
            if wrong := self.damaged(record, read_them=True):
                void(self.job.config, self.stages[name])
                raise PublisherError(
                    f"{self.job.config.run_dir / wrong[0]} is not the file that `{name}` left; nothing was published.",
                    f"Publish again, which makes it again: {again(self.job.config, 'publish')}",
                )

    def _tell(self, name: str, state: str) -> None:
        self.job.say(f"[{list(self.stages).index(name) + 1}/{len(self.stages)}] {name:9} {state}")


def void(config: Config, stage: Stage) -> None:
    """Let the stage be done again. What can be read of its record stays: push learns from it what it published."""
    path = config.run_dir / stage.record.file
    record = read_record(path, stage.record)
    if record is None:
        path.unlink(missing_ok=True)
    else:
        write_record(path, record.model_copy(update={"fingerprint": VOID}))


def following(name: str | None) -> list[Stage]:
    """The stage of this name and all that follow it; none without a name. Raises UsageError for one of no stage."""
    names = [stage.name for stage in STAGES]
    if name and name not in names:
        raise UsageError(f"There is no stage {name!r}.", f"Choose one of: {', '.join(names)}")
    return list(STAGES[names.index(name) :]) if name else []


def again(config: Config, stage: str) -> str:
    """What to type to do a stage."""
    name = f" --repo-name {config.repo_name}" if config.repo_name else ""
    return f"hub-publisher {stage} {config.handle}{name}"
