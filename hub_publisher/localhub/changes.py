"""What differs between two trees, as a page shows it: text line by line, everything else by size and hash."""

import difflib
from collections.abc import Iterator
from typing import NamedTuple

from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.store import File

MAX_TEXT_BYTES = 256 * 1024  # of a file that is compared line by line
MAX_FILE_LINES = 5000  # of such a file: comparing takes time that grows with their square at worst
MAX_LINE = 500  # characters of a line that are shown
MAX_SHOWN_LINES = 400  # of one file's differences
MAX_PAGE_LINES = 2000  # of all files' differences on a page


class Change(NamedTuple):
    """A path that differs: `lines` are those of a unified diff, without its header; empty where none can be shown."""

    verb: str  # added, deleted or changed
    path: str
    old: File | None
    new: File | None
    lines: list[str]
    cut: bool  # whether there are more lines than these


def changes(old: dict[str, File], new: dict[str, File], blobs: BlobStore) -> Iterator[Change]:
    """Yield what differs between two trees, sorted by path."""
    left = MAX_PAGE_LINES
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before and after and before.oid == after.oid:
            continue
        verb = "added" if not before else "deleted" if not after else "changed"
        lines = _diff(before, after, blobs) if left else []
        shown = [line[:MAX_LINE] for line in lines[: min(left, MAX_SHOWN_LINES)]]
        left -= len(shown)
        yield Change(verb, path, before, after, shown, len(shown) < len(lines))


def _diff(old: File | None, new: File | None, blobs: BlobStore) -> list[str]:
    before, after = text_lines(old, blobs), text_lines(new, blobs)
    if before is None or after is None:
        return []
    return list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]


def text_lines(file: File | None, blobs: BlobStore) -> list[str] | None:
    """Return the lines of a file, none for no file; None for what is no text, or too long to be shown."""
    if file is None:
        return []
    if file.lfs or file.size > MAX_TEXT_BYTES:
        return None
    data = blobs.read(file.sha256)
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        return None
    return None if b"\0" in data or len(lines) > MAX_FILE_LINES else lines
