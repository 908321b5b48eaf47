"""Accelerate's other trackers, such as TensorBoard: they get the training's metrics, and nothing else.

They work in this process, not in the training's, which waits for none of them and ends with none of them.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.guard import guarded
from hub_publisher.tracking.opening import public
from hub_publisher.tracking.protocol import STEP, NullRun

FOLDER = "trackers"


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


class _OtherRun(NullRun):
    """The same metrics to each tracker; one that fails to start gets none."""

    def __init__(self, config: Config, settings: Mapping[str, Any], warnings: list[str]) -> None:
        super().__init__()
        self._config, self._settings = config, settings
        self._trackers: dict[str, Any] = {}
        self.warnings = warnings

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Start them, and end them however the block ends."""
        for name in _names(self._config):
            with guarded("starting", self.warnings, name):
                self._trackers[name] = self._start(name)
        try:
            yield
        finally:
            for name, tracker in self._trackers.items():
                with guarded("finishing", self.warnings, name):
                    tracker.finish()

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars, at the step that is one of them."""
        scalars = {name: value for name, value in values.items() if name != STEP}
        for name, tracker in self._trackers.items():
            with guarded("logging metrics", self.warnings, name):
                tracker.log(scalars, step=int(values[STEP]))

    def _start(self, name: str) -> Any:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind = LOGGER_TYPE_TO_CLASS[name]
        if kind.requires_logging_directory:
            folder = self._config.run_dir / FOLDER / name
            shutil.rmtree(folder, ignore_errors=True)  # of a training that was killed, which is logged again whole
            tracker = kind(self._config.wandb_project, logging_dir=str(folder))
        else:
            tracker = kind(self._config.wandb_project)
        tracker.start()
        tracker.store_init_configuration({key: _scalar(value) for key, value in self._settings.items()})
        return tracker


def _names(config: Config) -> Sequence[str]:
    return [name.strip() for name in (config.log_with or "").split(",") if name.strip()]


def _scalar(value: Any) -> Any:
    """Trackers take numbers and words, some nothing else."""
    shown = public(value)
    return shown if isinstance(shown, str | int | float) else str(shown)
