"""Accelerate's other trackers, such as TensorBoard: they get the training's metrics, and nothing else.

They work in this process, not in the training's, which waits for none of them and ends with none of them.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.tracking.calls import Calls
from hub_publisher.tracking.client import STEP, TIME
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.records import public
from hub_publisher.tracking.run import Run

FOLDER = "trackers"
ANSWER_SECONDS = 30.0


def check_others(config: Config) -> None:
    """Raises UsageError when `config.log_with` names a tracker that Accelerate does not know or cannot find here."""
    if not config.log_with:
        return
    from accelerate.tracking import get_available_trackers
    from accelerate.utils import LoggerType

    known = sorted({str(name) for name in LoggerType} - {"all", "wandb"})
    available = [str(tracker) for tracker in get_available_trackers()]
    for name in _names(config):
        if name not in known:
            raise UsageError(
                f"--log-with {name!r} is no tracker of Accelerate's: {', '.join(known)}.",
                "Weights & Biases has a flag of its own: --wandb." if name == "wandb" else "Choose one of these.",
            )
        if name not in available:
            raise UsageError(f"--log-with {name}: its package is not installed.", f"Try pip install {name}")


@contextmanager
def follow_elsewhere(config: Config, settings: Mapping[str, Any], path: Path, warnings: list[str]) -> Iterator[None]:
    """Log every line of the training log at `path` to the trackers in `config.log_with` until the block ends.

    Each is told what `settings` are, paths left out; local ones write to trackers/NAME in the publication's folder.
    A training that goes on after it was killed is logged from its first step again. Failures become `warnings`.
    """
    with ExitStack() as stack:
        for name in _names(config):
            run = stack.enter_context(_Tracker(name, config, settings, warnings))
            stack.enter_context(follow(run, path))
        yield


class _Tracker(Run):
    """One tracker; where it does not start, it takes nothing."""

    def __init__(self, name: str, config: Config, settings: Mapping[str, Any], warnings: list[str]) -> None:
        super().__init__()
        self._calls = Calls(name, warnings)
        self._tracker = self._calls.ask("starting", lambda: _started(name, config, settings), ANSWER_SECONDS)

    def start(self) -> bool:
        """Whether it has started."""
        return self._tracker is not None

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars, at the step that is one of them."""
        self.num_rows += 1
        scalars = {name: value for name, value in values.items() if name not in (STEP, TIME)}
        self._ask("logging metrics", lambda tracker: tracker.log(scalars, step=int(values[STEP])))

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        if self.start():
            self._ask("finishing", lambda tracker: tracker.finish())
        self._calls.end()

    def _ask(self, doing: str, question: Callable[[Any], None]) -> None:
        self._calls.ask(doing, lambda: question(self._tracker), ANSWER_SECONDS)


def _started(name: str, config: Config, settings: Mapping[str, Any]) -> Any:
    """Accelerate's tracker, told the settings."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind, more = LOGGER_TYPE_TO_CLASS[name], {}
    if kind.requires_logging_directory:
        folder = config.run_dir / FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)  # of a training that was killed, which is logged again whole
        more = {"logging_dir": str(folder)}
    tracker = kind(config.wandb_project, **more)
    tracker.start()
    shown = {name: public(value) for name, value in settings.items()}
    # They take numbers and words, some nothing else.
    tracker.store_init_configuration({k: v if isinstance(v, str | int | float) else str(v) for k, v in shown.items()})
    return tracker


def _names(config: Config) -> Sequence[str]:
    return [name.strip() for name in (config.log_with or "").split(",") if name.strip()]
