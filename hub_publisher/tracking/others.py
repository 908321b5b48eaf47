"""Accelerate's other trackers, such as TensorBoard: they get the training's metrics, and nothing else.

They work in this process, not in the training's, which waits for none of them and ends with none of them.
"""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.tracking.errors import guarded
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.run import STEP, TIME, Run
from hub_publisher.tracking.state import public

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
def follow_elsewhere(
    config: Config, settings: Mapping[str, Any], path: Path, warnings: list[str] | None = None
) -> Iterator[None]:
    """Log every line of the training log at `path` to the trackers in `config.log_with` until the block ends.

    Each is told what `settings` are, paths left out; local ones write to trackers/NAME in the publication's folder.
    A training that goes on after it was killed is logged from its first step again. Failures become `warnings`.
    """
    run = _OtherRun(config, settings, [] if warnings is None else warnings)
    with run.opened(), follow(run, path):
        yield


class _OtherRun(Run):
    """The same metrics to each tracker."""

    def __init__(self, config: Config, settings: Mapping[str, Any], warnings: list[str]) -> None:
        super().__init__()
        self._settings = {name: _scalar(value) for name, value in settings.items()}
        self._trackers = [_Tracker(name, config, warnings) for name in _names(config)]
        self.warnings = warnings

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Start them, and end them however the block ends."""
        for tracker in self._trackers:
            tracker.start(self._settings)
        try:
            yield
        finally:
            for tracker in self._trackers:
                tracker.ask("finishing", lambda it: it.finish())
                tracker.leave()

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars, at the step that is one of them."""
        scalars, step = {name: value for name, value in values.items() if name not in (STEP, TIME)}, int(values[STEP])
        for tracker in self._trackers:
            tracker.ask("logging metrics", lambda it: it.log(scalars, step=step))


class _Tracker:
    """One tracker, in a thread of its own: MLflow keeps the open run by thread, and one that hangs is left alone."""

    def __init__(self, name: str, config: Config, warnings: list[str]) -> None:
        self._name, self._config, self._warnings = name, config, warnings
        self._thread = ThreadPool(1)
        self._tracker: Any = None

    def start(self, settings: Mapping[str, Any]) -> None:
        """Start it; one that does not start is asked for nothing later."""
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind, more = LOGGER_TYPE_TO_CLASS[self._name], {}
        if kind.requires_logging_directory:
            folder = self._config.run_dir / FOLDER / self._name
            shutil.rmtree(folder, ignore_errors=True)  # of a training that was killed, which is logged again whole
            more = {"logging_dir": str(folder)}
        self._tracker = kind(self._config.wandb_project, **more)

        def ask(tracker: Any) -> None:
            tracker.start()
            tracker.store_init_configuration(dict(settings))

        if not self.ask("starting", ask):
            self._tracker = None

    def leave(self) -> None:
        """End its thread, or leave that to the end of the program when it hangs."""
        self._thread.terminate()

    def ask(self, doing: str, question: Callable[[Any], None]) -> bool:
        """Whether it did as it was asked, within ANSWER_SECONDS."""
        if self._tracker is None:
            return False
        with guarded(doing, self._warnings, self._name):
            try:
                self._thread.apply_async(question, [self._tracker]).get(ANSWER_SECONDS)
            except multiprocessing.TimeoutError:
                self._tracker = None
                raise TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} seconds") from None
            return True
        return False


def _names(config: Config) -> Sequence[str]:
    return [name.strip() for name in (config.log_with or "").split(",") if name.strip()]


def _scalar(value: Any) -> Any:
    """Trackers take numbers and words, some nothing else."""
    shown = public(value)
    return shown if isinstance(shown, str | int | float) else str(shown)
