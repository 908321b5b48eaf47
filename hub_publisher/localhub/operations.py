"""What a commit is made of: the operations a client sends, what they may name, and the tree they make."""

import base64
import codecs
import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from hub_publisher.localhub import metadata
from hub_publisher.localhub.refusal import NO_ENTRY, Refusal
from hub_publisher.localhub.store import LFS_PATTERNS, File, Store, git_hash, lfs_pointer, regular_file

MAX_REGULAR_BYTES = 10 * 2**20  # the Hub's: larger files must be LFS
MAX_PATH_BYTES = 1024
UNSAFE_PATH = re.compile(r"(?:\A|/)(?:\.{0,2}|\.git)(?:/|\Z)|\A\.\.\\|[\x00-\x1f\x7f\ud800-\udfff]", re.IGNORECASE)
STALE = "The branch was updated since you opened this page. Please refresh and try again."


class Operation(BaseModel):
    """A line of a commit's NDJSON."""

    key: str
    value: dict


def safe_path(value: object) -> str:
    """Return a path inside a repository; Refusal(422) for one that would lead a client out of its folder.

    As on the Hub a backslash is a letter like others, except where it begins the path as a way up.
    """
    if not isinstance(value, str) or UNSAFE_PATH.search(value):
        raise Refusal(422, f"Invalid path: {str(value)[:200]!r}")
    if len(value.encode()) > MAX_PATH_BYTES:
        raise Refusal(422, f"Path is longer than {MAX_PATH_BYTES} bytes")
    return value


def is_binary(sample: bytes) -> bool:
    """Return whether the start of a file is no text: a NUL, or no UTF-8 (the sample may end inside a character)."""
    try:
        return "\0" in codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True


def is_lfs_path(path: str) -> bool:
    """Return whether a new repository's .gitattributes sends `path` through LFS."""
    name = path.rsplit("/", 1)[-1]
    return path.startswith("saved_model/") or any(fnmatchcase(name, pattern) for pattern in LFS_PATTERNS)


def check_parent(parent: object, head: str) -> None:
    """Return when the commit's parent (perhaps shortened) is still the head; Refusal(412) otherwise."""
    if parent is not None and not re.fullmatch(r"[0-9a-f]{5,40}", str(parent)):
        raise Refusal(400, "Invalid parentCommit")
    if not head.startswith(str(parent or "")):
        raise Refusal(412, STALE)


def parse_operations(body: bytes) -> list[tuple[str, dict]]:
    """Return the (key, value) of each line of NDJSON; Refusal(400) when one is malformed."""
    try:
        lines = [Operation.model_validate_json(line) for line in body.split(b"\n") if line.strip()]
    except ValidationError as error:
        raise Refusal(400, f"Invalid NDJSON: {error.errors()[0]['msg']}") from error
    return [(line.key, line.value) for line in lines]


def read_change(store: Store, key: str, value: dict) -> tuple[str, File | None]:
    """Return (path, new file or None for a deletion) of an operation, its content stored and checked; Refusal."""
    path = value.get("path")
    path = safe_path(path.rstrip("/") if isinstance(path, str) else path)
    if key == "file":
        return path, _regular_file(store, path, value)
    if key == "lfsFile":
        return path, _lfs_file(store, path, value)
    if key in ("deletedFile", "deletedFolder"):
        return path, None
    raise Refusal(400, f"Unknown operation: {key[:80]}")


def _regular_file(store: Store, path: str, value: dict) -> File:
    content: Any = value.get("content")
    try:
        data = base64.b64decode(content, validate=True) if value.get("encoding") == "base64" else content.encode()
    except (AttributeError, TypeError, ValueError) as error:
        raise Refusal(400, f"Invalid content of {path}") from error
    if len(data) > MAX_REGULAR_BYTES:
        raise Refusal(400, f"{path} is larger than 10 MiB: upload it through LFS")
    if path == "README.md" and (errors := metadata.refused(data.decode("utf-8", "replace"))):
        raise Refusal(400, f"Invalid metadata in README.md: {'; '.join(errors)}")
    return regular_file(path, store.blobs.add(data), data)


def _lfs_file(store: Store, path: str, value: dict) -> File:
    sha256 = str(value.get("oid"))
    if not store.blobs.has(sha256):
        raise Refusal(400, f"The LFS object of {path} was not uploaded: {sha256[:64]}")
    size = store.blobs.path(sha256).stat().st_size
    if value.get("size") not in (None, size):  # a copy comes without its size
        raise Refusal(400, f"The LFS object of {path} has {size} bytes, not {value['size']}")
    pointer = lfs_pointer(sha256, size)
    return File(path, git_hash(pointer), sha256, size, True)


def apply_changes(
    store: Store, files: dict[str, File], changes: list[tuple[str, File | None]], head: str
) -> dict[str, File]:
    """Return the tree that `changes` make of `files`, in order; Refusal(404) for deleting what is not there."""
    files = dict(files)
    for path, new in changes:
        gone = {name for name in files if name.startswith(f"{path}/")}
        if new is None:
            gone = {path} if path in files else gone
            if not gone:
                raise Refusal(404, f"Entry to delete not found: {path}", NO_ENTRY, headers={"X-Repo-Commit": head})
        elif not store.blobs.has(new.sha256):  # a repository that shared it was deleted a moment ago
            raise Refusal(409, f"The content of {path} is gone: upload it again")
        else:  # a file gives way to a folder, and back
            gone |= files.keys() & {str(parent) for parent in PurePosixPath(path).parents}
        for name in gone:
            del files[name]
        if new is not None:
            old = files.get(path)
            files[path] = old if old and (old.oid, old.lfs) == (new.oid, new.lfs) else new
    return files
