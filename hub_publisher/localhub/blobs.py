"""File contents on disk, each named by its SHA-256: `<root>/blobs/aa/aabb...`.

A blob comes into being by a rename after its bytes are hashed and on the disk, so a name that exists is complete.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

READ_SIZE = 1 << 20
SHA256 = re.compile("[0-9a-f]{64}")
ABANDONED_AFTER_SECONDS = 24 * 3600  # an upload whose commit never came


class BlobWriter:
    """Bytes on their way to becoming a blob: `write` them, then `finish`."""

    def __init__(self, store: "BlobStore", file: BinaryIO) -> None:
        self.store = store
        self.file = file
        self.num_bytes = 0
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self.file.write(data)
        self.sha256.update(data)
        self.num_bytes += len(data)

    def finish(self) -> str:
        """Put the blob in its place and return its SHA-256; it survives a power cut from here on."""
        self.file.flush()
        os.fsync(self.file.fileno())
        target = self.store.path(self.sha256.hexdigest())
        target.parent.mkdir(exist_ok=True)
        os.replace(self.file.name, target)
        for folder in (target.parent, self.store.folder):  # the new entries of both, too
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return target.name


class BlobStore:
    """The folder of blobs, and beside it the folder where unfinished ones grow."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "blobs"
        self.incoming = root / "incoming"
        for folder in (self.folder, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where the blob lies, or would lie; ask `has` first where a client gave the name."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Return whether the blob is there, complete; what is no SHA-256 is the name of none."""
        return bool(SHA256.fullmatch(sha256)) and self.path(sha256).is_file()

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

    def sweep(self, wanted: set[str]) -> None:
        """Clear what a killed server left: unfinished uploads, and old blobs that no commit in `wanted` names."""
        for path in self.incoming.iterdir():
            path.unlink()
        oldest = time.time() - ABANDONED_AFTER_SECONDS
        for path in self.folder.glob("*/*"):
            if path.name not in wanted and path.stat().st_mtime < oldest:
                path.unlink()
