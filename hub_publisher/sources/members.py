"""The files inside an X archive that may be opened, whether it is a zip, an unzipped folder or a bare tweets.js.

Only what stands in ALLOWED is ever opened: direct messages, likes, addresses and phone numbers are not. Nothing is
unpacked to disk, and what a member inflates to is counted while it inflates; its header is not trusted.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub_publisher.errors import SourceError
from hub_publisher.sources.reading import existing

HOW_TO_GET_ONE = (
    "Download your archive from x.com (Settings > Your account > Download an archive of your data), then: "
    "hub-publisher publish <handle> --archive path/to/archive.zip"
)
_AGAIN = "Download it again, or unzip it yourself and give the folder: --archive path/to/folder"

TWEETS = re.compile(r"tweets?(?:-part(\d+))?\.js|js/tweets/(\d{4}_\d\d)\.js")
ALLOWED = re.compile(
    rf"(?:{TWEETS.pattern}|(?:note-tweet|twitter-circle-tweet|deleted-tweets?)(?:-part\d+)?\.js"
    r"|account\.js|profile\.js|manifest\.js|js/user_details\.js|profile_media/[^/]+\.(?:jpe?g|png))"
)
_IN_ZIP = re.compile(rf"(?P<root>(?:[^/]+/){{0,3}}?)(?P<name>{ALLOWED.pattern})")

BLOCK_BYTES = 2**20
MAX_MEMBER_BYTES = 4 * 2**30  # two million posts; X's own files are far smaller
MAX_SMALL_BYTES = 16 * 2**20
# Posts as JSON shrink about tenfold. What inflates two-hundredfold past 64 MiB was made to fill a disk.
MAX_RATIO, RATIO_FREE_BYTES = 200, 64 * 2**20


@dataclass(frozen=True)
class Members:
    """The allowed files of one archive by their name in its data folder, e.g. "tweets-part1.js"."""

    where: str  # what to call the archive in messages
    names: tuple[str, ...]
    open: Callable[[str], IO[bytes]]
    packed_bytes: Callable[[str], int | None]  # size in the zip, None where nothing is packed
    root: Path | None = None  # the folder that the names are relative to, None for a zip

    @property
    def tweets(self) -> list[str]:
        """The files of posts, part 0 first; a bare file counts as one whatever its name. Never empty."""
        return sorted((name for name in self.names if TWEETS.fullmatch(name)), key=_part) or list(self.names)

    def of_kind(self, kind: str) -> list[str]:
        """The files `<kind>.js`, `<kind>-part1.js`, ..., in order."""
        pattern = re.compile(rf"{kind}(?:-part\d+)?\.js")
        return sorted((name for name in self.names if pattern.fullmatch(name)), key=_part)

    def blocks(self, name: str, max_bytes: int = MAX_MEMBER_BYTES) -> Iterator[bytes]:
        """The content of a file. Raises SourceError when it is damaged or inflates beyond reason."""
        packed, num_bytes = self.packed_bytes(name), 0
        try:
            with self.open(name) as file:
                while block := file.read(BLOCK_BYTES):
                    num_bytes += len(block)
                    self._check_size(name, num_bytes, packed, max_bytes)
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise SourceError(f"{name} in {self.where} is damaged or cut short.", _AGAIN) from error

    def read(self, name: str) -> bytes:
        """The whole content of a small file. Raises SourceError as `blocks` does."""
        return b"".join(self.blocks(name, MAX_SMALL_BYTES))

    def _check_size(self, name: str, num_bytes: int, packed: int | None, max_bytes: int) -> None:
        too_dense = packed is not None and num_bytes > RATIO_FREE_BYTES and num_bytes > MAX_RATIO * packed
        if num_bytes > max_bytes or too_dense:
            raise SourceError(
                f"{name} in {self.where} inflates to more than {(num_bytes - 1) // 2**20} MiB: that is no X archive.",
                HOW_TO_GET_ONE,
            )


def _part(name: str) -> tuple[int, str]:
    number = re.search(r"-part(\d+)\.js$", name)
    return (int(number[1]) if number else 0, name)


@contextmanager
def open_archive(path: Path) -> Iterator[Members]:
    """The archive at `path`, open while the block runs. Raises SourceError when it is none, and says why."""
    existing(path, HOW_TO_GET_ONE)
    if path.is_dir():
        yield _folder(path)
    elif path.suffix.lower() == ".js":
        yield _bare(path)
    else:
        with _open_zip(path) as archive:
            yield _zip(path, archive)


def opened_files(path: Path) -> list[Path]:
    """The files on disk whose content an archive's reading depends on."""
    existing(path, HOW_TO_GET_ONE)
    if path.is_file() and path.suffix.lower() != ".js":
        return [path]
    with open_archive(path) as members:
        return [members.root / name for name in members.names] if members.root else []


def _folder(path: Path) -> Members:
    """An unzipped archive, its data folder, or the folder that either lies in."""
    for root in (path / "data", path, *sorted(path.glob("*/data"))):
        found = _allowed_in(root)
        if any(TWEETS.fullmatch(name) for name in found):
            return _on_disk(str(path), root, found)
    raise SourceError(f"There is no data/tweets.js in the folder {path}.", HOW_TO_GET_ONE)


def _bare(path: Path) -> Members:
    """One tweets.js; its parts and the list of Circle posts are read too where they lie beside it."""
    found = _allowed_in(path.parent) if TWEETS.fullmatch(path.name) else ()
    return _on_disk(str(path.parent), path.parent, found or (path.name,))


def _allowed_in(root: Path) -> tuple[str, ...]:
    patterns = ("*.js", "js/*.js", "js/tweets/*.js", "profile_media/*")
    names = (file.relative_to(root).as_posix() for pattern in patterns for file in root.glob(pattern))
    return tuple(sorted(name for name in names if ALLOWED.fullmatch(name)))


def _on_disk(where: str, root: Path, names: tuple[str, ...]) -> Members:
    return Members(where, names, lambda name: (root / name).open("rb"), lambda name: None, root)


def _open_zip(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise SourceError(f"{path} is empty.", HOW_TO_GET_ONE)
    if not start.startswith(b"PK"):
        raise SourceError(
            f"{path} is neither a zip nor a tweets.js.",
            f"{HOW_TO_GET_ONE}\nA file of posts is given so: hub-publisher publish <handle> --from-path posts.csv",
        )
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise SourceError(f"{path} is cut short or damaged: it has no list of its files.", _AGAIN) from error


def _zip(path: Path, archive: zipfile.ZipFile) -> Members:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        _check_member_path(path, info.orig_filename)
    found = _named_in_data_folder({info.filename: info for info in infos})
    if not any(TWEETS.fullmatch(name) for name in found):
        raise SourceError(f"There is no data/tweets.js in {path}.", HOW_TO_GET_ONE)
    for info in found.values():
        _check_packing(path, info)
    return Members(
        str(path),
        tuple(sorted(found)),
        lambda name: archive.open(found[name]),
        lambda name: found[name].compress_size,
    )


def _check_member_path(path: Path, name: str) -> None:
    """Refuse a path that leads out of the archive: no archive of X has one, only one made to overwrite files."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in plain.split("/") or "\0" in plain:
        raise SourceError(f"{path} holds a path outside itself: {name[:100]!r}.", HOW_TO_GET_ONE)


def _named_in_data_folder(infos: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The allowed members under the folder that holds the posts: the topmost one, should there be several."""
    matches = [match for name in infos if (match := _IN_ZIP.fullmatch(name))]
    roots = {match["root"] for match in matches if TWEETS.fullmatch(match["name"])}
    if not roots:
        return {}
    root = min(roots, key=lambda folder: (folder.count("/"), folder))
    return {match["name"]: infos[match[0]] for match in matches if match["root"] == root}


def _check_packing(path: Path, info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise SourceError(f"{path} is encrypted with a password.", _AGAIN)
    # Other methods inflate without a limit on how much at once, and X uses none of them.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SourceError(f"{info.filename} in {path} is packed in a way that cannot be read here.", _AGAIN)
