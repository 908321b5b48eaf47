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
from hub_publisher.records import StageRecord
from hub_publisher.system.files import read_record
from hub_publisher.tracking import current

Say = Callable[[str], None]
R = TypeVar("R", bound=StageRecord)


class Job:
    """A configuration, where it publishes, who is told, and the records made or found so far."""

    def __init__(
        self, config: Config, target: Target | None = None, say: Say = lambda line: None, create_pr: bool = False
    ) -> None:
        self.config, self.say, self.create_pr = config, say, create_pr
        self.tracking = current(config)
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
        return next(record for record in self.records.values() if isinstance(record, kind))

    def before(self, kind: type[R]) -> R | None:
        """The record of this kind that lies on disk, of whatever settings; None without one that can be read."""
        return read_record(self.path(kind), kind)

    def path(self, kind: type[StageRecord]) -> Path:
        """Where the record of this kind is."""
        return self.config.run_dir / kind.file
