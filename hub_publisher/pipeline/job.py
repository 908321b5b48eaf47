"""One publication at work: what the stages are given besides the records that they read."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hub_publisher.config import LOCAL, Config
from hub_publisher.hub.target import Target, choose_hub
from hub_publisher.model import base_model
from hub_publisher.model.base_model import ResolvedBaseModel
from hub_publisher.records import RECORDS, StageRecord
from hub_publisher.system.files import read_record
from hub_publisher.tracking.records import Tracking

Say = Callable[[str], None]
R = TypeVar("R", bound=StageRecord)
STAGE_OF: dict[type[StageRecord], str] = {}  # filled by the table of stages


class Job:
    """A configuration, where it publishes, who is told, and the records made or found so far."""

    def __init__(self, config: Config, target: Target | None = None, say: Say = lambda line: None) -> None:
        self.config = config
        self.say = say
        self.create_pr = False
        self.tracking: Tracking | None = None
        self.while_training: Callable[[], AbstractContextManager[object]] = nullcontext
        self.records: dict[str, StageRecord] = {}
        self._target = target

    @property
    def has_target(self) -> bool:
        """Whether it is known where to publish; stages up to the evaluation need not know."""
        return self._target is not None

    @property
    def target(self) -> Target:
        """Where to publish. Programmer's error in a job that has none."""
        assert self._target is not None, "this stage needs a target"
        return self._target

    @cached_property
    def base(self) -> ResolvedBaseModel:
        """The base model, resolved when a stage first needs it; only for the local Hub may another one stand in."""
        return base_model.resolve(self.config, may_substitute=choose_hub(self.config) == LOCAL)

    def get(self, kind: type[R]) -> R:
        """The record of this kind that the stage is to read."""
        record = self.records[STAGE_OF[kind]]
        assert isinstance(record, kind)
        return record

    def before(self, kind: type[R]) -> R | None:
        """The record of this kind that lies on disk, of whatever settings; None without one that can be read."""
        return read_record(self.path(STAGE_OF[kind]), kind)

    def path(self, stage: str) -> Path:
        """Where the record of `stage` is."""
        return self.config.run_dir / RECORDS[stage]


def again(config: Config, stage: str) -> str:
    """What to type to do a stage."""
    name = f" --repo-name {config.repo_name}" if config.repo_name else ""
    return f"hub-publisher {stage} {config.handle}{name}"
