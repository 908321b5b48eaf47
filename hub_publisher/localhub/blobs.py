"""File contents on disk, each named by its SHA-256: `<root>/blobs/aa/aabb...`.

A blob comes into being by a rename after its bytes are hashed and on the disk, so a name that exists is complete.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

READ_SIZE = 1 << 20
ABANDONED_AFTER_SECONDS = 24 * 3600  # an upload whose commit never came


class BlobWriter:
    """Bytes on their way to becoming a blob: `write` them, then `finish`."""

    def __init__(self, store: "BlobStore", file: BinaryIO) -> None:
        self.store = store
        self.file = file
        self.path = Path(file.name)
        self.num_bytes = 0
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self.file.write(data)
        self._sha256.update(data)
        self.num_bytes += len(data)

    def finish(self) -> str:
        """Put the blob in its place and return its SHA-256; it survives a power cut from here on."""
        sha256 = self._sha256.hexdigest()
        flush_to_disk(self.file)
        target = self.store.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.path, target)
        flush_folder(target.parent)
        return sha256

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was written so far."""
        return self._sha256.hexdigest()


class BlobStore:
    """The folder of blobs, and beside it the folder where unfinished ones grow."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "blobs"
        self.incoming = root / "incoming"
        for folder in (self.folder, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where the blob lies, or would lie. `sha256` must have been checked to be hexadecimal."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Return whether the blob is there, complete."""
        return self.path(sha256).is_file()

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Open a new blob; what is not finished when the block ends is thrown away."""
        name = self.incoming / secrets.token_hex(16)
        try:
            with open(name, "wb") as file:
                yield BlobWriter(self, file)
        finally:
            name.unlink(missing_ok=True)

    def add(self, data: bytes) -> str:
        """Store `data` and return its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.has(sha256):
            with self.writer() as writer:
                writer.write(data)
                writer.finish()
        return sha256

    def read(self, sha256: str, limit: int = -1) -> bytes:
        """Return the blob's bytes, at most `limit` of them."""
        with open(self.path(sha256), "rb") as file:
            return file.read(limit)

    def drop(self, names: set[str]) -> None:
        """Delete blobs that nothing refers to any more."""
        for sha256 in names:
            self.path(sha256).unlink(missing_ok=True)

    def sweep(self, wanted: set[str]) -> None:
        """Clear what a killed server left: unfinished uploads, and old blobs that no commit in `wanted` names."""
        for path in self.incoming.iterdir():
            path.unlink()
        oldest = time.time() - ABANDONED_AFTER_SECONDS
        for path in self.folder.glob("*/*"):
            if path.name not in wanted and path.stat().st_mtime < oldest:
                path.unlink()


def flush_to_disk(file: BinaryIO) -> None:
    """Return only when the file's bytes are on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Return only when the folder's entries (a rename, say) are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
