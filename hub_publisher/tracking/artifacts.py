"""What a run says: numbers, tables and artifacts; and how wandb takes them, without a word about this machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_publisher.system.files import fingerprint, write_bytes

if TYPE_CHECKING:
    import wandb

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]  # columns, rows


@dataclass(frozen=True)
class Artifact:
    """A versioned set of files: contents by name, and addresses by name for what is published elsewhere."""

    name: str
    type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that name the contents as long as no server has given them a version."""
        return fingerprint(self.type, _hashes(self), dict(self.references))[:32]


@dataclass(frozen=True)
class Report:
    """What a run is told, made from the publication's records."""

    uses: Sequence[str] = ()  # artifacts of the preprocess run that this one was made from
    inputs: Sequence[Artifact] = ()  # that it was made from too, and brings along
    summary: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[Artifact] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    contents: str | None = None  # changes when the run is to say something else; None where it is only a part


def _hashes(artifact: Artifact) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in artifact.files.items()}


def build(artifact: Artifact, folder: Path) -> "wandb.Artifact":
    """The artifact, not logged yet, its files in `folder`. Its metadata tell the SHA-256 and size in bytes of each."""
    import wandb

    sizes = {name: len(content) for name, content in artifact.files.items()}
    held = {"sha256": _hashes(artifact), "size": sizes} if sizes else {}
    made = wandb.Artifact(artifact.name, type=artifact.type, metadata={**held, **artifact.metadata})
    for name, content in artifact.files.items():
        path = folder / artifact.name / name
        write_bytes(path, content)
        made.add_file(str(path), name=name, policy="immutable")
    for name, address in artifact.references.items():
        # With checksum=True wandb downloads the file, also offline, and keeps where it was redirected to: an
        # address that is signed and expires.
        made.add_reference(address, name=name, checksum=False)
    _hide_paths(made, folder)
    return made


def log_table(run: "wandb.Run", name: str, table: Table, folder: Path) -> None:
    """Log a table and wait for it. wandb keeps it in an artifact that it neither waits for nor lets us see."""
    import wandb

    log_artifact, logged = run.log_artifact, []

    def log_without_paths(made: "wandb.Artifact") -> "wandb.Artifact":
        _hide_paths(made, folder)
        logged.append(log_artifact(made))
        return logged[-1]

    columns, rows = table
    run.log_artifact = log_without_paths  # type: ignore[method-assign,assignment]
    try:
        run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})
    finally:
        del run.log_artifact
    for made in logged:
        made.wait()


def _hide_paths(made: "wandb.Artifact", folder: Path) -> None:
    """Name files relative to `folder`, where wandb's process works: it uploads these names."""
    for entry in made.manifest.entries.values():
        if entry.local_path:
            entry.local_path = os.path.relpath(entry.local_path, folder)
