"""What a stage may ask of a tracked run, and the run that tracks nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

STEP = "train/global_step"


@dataclass(frozen=True)
class ArtifactFiles:
    """A versioned set of files: contents by name, and addresses by name for what is published elsewhere."""

    name: str
    type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


class Run(Protocol):
    """One run. No method raises for the tracker's sake: what went wrong is in `warnings`, a line each."""

    url: str | None
    warnings: list[str]
    num_logged_steps: int

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars; the step is one of them."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table. May wait for the network: not for inside a loop."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set what the run amounts to."""

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files as an output of the run. May wait for the network."""

    def save_progress(self) -> None:
        """Remember on disk how many steps have been logged."""


class NullRun:
    """Tracks nothing."""

    def __init__(self, warnings: Sequence[str] = ()) -> None:
        self.url: str | None = None
        self.warnings = list(warnings)
        self.num_logged_steps = 0

    def log(self, values: Mapping[str, float]) -> None:
        """Nothing."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Nothing."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Nothing."""

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Nothing."""

    def save_progress(self) -> None:
        """Nothing."""
