"""The one place that catches what wandb raises, and the environment it works in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Besides its own classes, wandb lets these through: lost sockets, full disks, pydantic's verdicts, odd states.
_TROUBLE = (OSError, RuntimeError, TypeError, ValueError)


def is_trouble(error: Exception, package: str = "wandb") -> bool:
    """Whether the tracker failed, and not this program. Several classes of wandb's are private and have no parent."""
    return isinstance(error, _TROUBLE) or type(error).__module__.partition(".")[0] in ("wandb", package)


def words(error: Exception) -> str:
    """The first line of what it says, else its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def guarded(doing: str, warnings: list[str], tracker: str = "Weights & Biases") -> Iterator[None]:
    """Whatever goes wrong with the tracker inside becomes a line in `warnings`; anything else is raised."""
    try:
        yield
    except Exception as error:
        if not is_trouble(error, tracker):
            raise
        line = f"{tracker}: {doing} failed: {words(error)}"
        if line not in warnings:  # in a loop it fails at every step
            warnings.append(line)


@contextmanager
def environment(folder: Path, **more: str) -> Iterator[None]:
    """wandb's own files go under `folder`, its error reports nowhere; restored at the end.

    Files wait in WANDB_DATA_DIR until they are uploaded: beside the runs they belong to, not in a home directory.
    """
    wanted = {
        "WANDB_DATA_DIR": str(folder.resolve() / "data"),
        "WANDB_CACHE_DIR": str(folder.resolve() / "cache"),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        # Each run is told its mode; under WANDB_MODE=offline wandb would not even look for a key.
        "WANDB_MODE": "online",
        **more,
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
