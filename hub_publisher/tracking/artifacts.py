"""Artifacts and tables as wandb wants them: hashed, with addresses that stay, without a word about this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.system.files import fingerprint, sha256_of
from hub_publisher.tracking.client import relative_to_service
from hub_publisher.tracking.run import ArtifactFiles

if TYPE_CHECKING:
    import wandb


def build(artifact: ArtifactFiles, config: Config) -> "wandb.Artifact":
    """The artifact, not logged yet. Its metadata tell the SHA-256 and size in bytes of every file it holds."""
    import wandb

    sums = {name: sha256_of(path) for name, path in artifact.files.items()}
    sizes = {name: path.stat().st_size for name, path in artifact.files.items()}
    held = {"sha256": sums, "size": sizes} if sums else {}
    made = wandb.Artifact(artifact.name, type=artifact.type, metadata={**held, **artifact.metadata})
    for name, path in artifact.files.items():
        # Only whole files are ever put in the publication's folder, so that nobody changes one during the upload.
        made.add_file(str(path), name=name, policy="immutable")
    for name, address in artifact.references.items():
        # With checksum=True wandb downloads the file, also offline, and keeps where it was redirected to: an
        # address that is signed and expires.
        made.add_reference(address, name=name, checksum=False)
    hide_paths(made, config)
    return made


def digest(artifact: ArtifactFiles) -> str:
    """32 hexadecimal digits that name the contents as long as no server has given them a version."""
    sums = {name: sha256_of(path) for name, path in artifact.files.items()}
    return fingerprint(artifact.type, sums, dict(artifact.references))[:32]


def log_table(
    run: "wandb.Run", name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], config: Config
) -> None:
    """Log a table and wait for it. wandb keeps it in an artifact that it neither waits for nor lets us see."""
    import wandb

    log_artifact, logged = run.log_artifact, []

    def log_without_paths(made: "wandb.Artifact") -> "wandb.Artifact":
        hide_paths(made, config)
        logged.append(log_artifact(made))
        return logged[-1]

    run.log_artifact = log_without_paths  # type: ignore[method-assign,assignment]
    try:
        run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})
    finally:
        del run.log_artifact
    for made in logged:
        made.wait()


def hide_paths(made: "wandb.Artifact", config: Config) -> None:
    """Name files relative to where wandb's process runs: it uploads these names. ValueError for files elsewhere."""
    for entry in made.manifest.entries.values():
        if entry.local_path:
            entry.local_path = relative_to_service(Path(entry.local_path), config)
