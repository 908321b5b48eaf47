"""Records and files on disk: whole or absent, and known by fingerprints and hashes."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from hub_publisher.records import Output

R = TypeVar("R", bound=BaseModel)
_UMASK = os.umask(0o077)  # it can only be read by setting it
os.umask(_UMASK)


def private_folder(path: Path) -> None:
    """Make a folder that its owner alone may look into, where there is none."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def fingerprint(*parts: Any) -> str:
    """SHA-256 (hex, 64 characters) of JSON-serialisable `parts`; paths and dates count as their text."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def output_of(path: Path) -> Output:
    """What a record says of the file at `path`. OSError when there is none."""
    status = path.stat()
    return Output(size=status.st_size, sha256=sha256_of(path), mtime_ns=status.st_mtime_ns)


def is_whole(path: Path, output: Output, read_it: bool = False) -> bool:
    """Whether the file at `path` is still what `output` says; it is read when its time is another, or if asked."""
    try:
        status = path.stat()
        if not path.is_file() or status.st_size != output.size:
            return False
        return (status.st_mtime_ns == output.mtime_ns and not read_it) or sha256_of(path) == output.sha256
    except OSError:
        return False


def write_bytes(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write `path` whole or not at all: a temporary file beside it, flushed to disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(handle, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
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
