"""What a stage may ask of a tracked run. This one tracks nothing; the others are in runs.py and others.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP = "train/global_step"
EPOCH = "eval/epoch"
TIME = "_timestamp"  # seconds since 1970; wandb puts the row at this time instead of now


@dataclass(frozen=True)
class ArtifactFiles:
    """A versioned set of files: contents by name, and addresses by name for what is published elsewhere.

    `files` lie in the publication's folder.
    """

    name: str
    type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()


class Run:
    """A run that tracks nothing. No method of any run raises because of the tracker: it adds a line to `warnings`."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.warnings: list[str] = []
        self.num_rows = 0  # of its history: what `log` was called with, in this process and before

    def resume(self) -> None:
        """Find out how far the run has come; `num_rows` tells it afterwards."""

    def log(self, values: Mapping[str, float]) -> None:
        """Log scalars as a row of the run's history; STEP and TIME are among them."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a table. May wait for the network: not for inside a loop."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set what the run amounts to."""

    def log_artifact(self, artifact: ArtifactFiles) -> None:
        """Log files as an output of the run. May wait for the network."""

    def use_artifact(self, artifact: ArtifactFiles) -> None:
        """Record files that the run was made from, as a version of their own. May wait for the network."""

    def use_output_of(self, job_type: str, name: str) -> None:
        """Record the artifact of that name of another run as an input. May wait for the network."""

    def confirm(self, contents: str) -> None:
        """All is said. When a server has it and the run ends well, the tracking record says that it has `contents`."""
