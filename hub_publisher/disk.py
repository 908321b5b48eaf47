"""Records and files on disk: whole or absent, and known by fingerprints and hashes."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from hub_publisher.records import Post, StageRecord, Timeline

R = TypeVar("R", bound=BaseModel)


def stage_fingerprint(stage: str, config: Any, fields: Iterable[str], *inputs: str) -> str:
    """Fingerprint of a stage: its name, the Config fields that it reads and its inputs' fingerprints."""
    return fingerprint(stage, {name: getattr(config, name) for name in sorted(fields)}, inputs)


def fingerprint(*parts: Any) -> str:
    """SHA-256 (hex, 64 characters) of JSON-serialisable `parts`; paths and dates count as their text."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write `path` whole or not at all: a temporary file beside it, flushed to disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(handle, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as indented JSON, atomically."""
    write_bytes(path, record.model_dump_json(indent=2).encode() + b"\n")


def read_record(path: Path, kind: type[R]) -> R | None:
    """The record at `path`, or None when there is none or it was written by another version."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_jsonl(path: Path, rows: Iterable[BaseModel]) -> None:
    """One JSON object a line, atomically."""
    write_bytes(path, (row.model_dump_json(exclude_defaults=True).encode() + b"\n" for row in rows))


def read_jsonl(path: Path, kind: type[R]) -> Iterator[R]:
    """The rows of a file that `write_jsonl` wrote."""
    with open(path, "rb") as file:
        for line in file:
            yield kind.model_validate_json(line)


def write_timeline(path: Path, timeline: Timeline) -> None:
    """The header record on the first line, one post on each line after it."""
    header = timeline.model_copy(update={"posts": ()})
    write_jsonl(path, (header, *timeline.posts))


def read_timeline(path: Path) -> Timeline | None:
    """The timeline at `path` with its posts, or None when there is none that this version wrote."""
    try:
        with open(path, "rb") as file:
            header = Timeline.model_validate_json(file.readline())
            return header.model_copy(update={"posts": tuple(Post.model_validate_json(line) for line in file)})
    except (FileNotFoundError, ValueError):
        return None


def is_done(path: Path, kind: type[StageRecord], expected: str) -> bool:
    """Whether the stage that leaves `path` has finished for exactly this configuration and input."""
    record = read_record(path, kind)
    return record is not None and record.fingerprint == expected
