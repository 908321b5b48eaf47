"""The files inside an X archive that may be opened, whether it is a zip, an unzipped folder or a bare tweets.js.

Only what _ALLOWED names is ever opened: direct messages, likes, addresses and phone numbers are not. Nothing is
unpacked to disk, and what a member inflates to is counted while it inflates; its header is not trusted.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
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

TWEETS = re.compile(r"tweets?(?:-part\d+)?\.js|js/tweets/\d{4}_\d\d\.js")
_ALLOWED = re.compile(
    rf"(?P<root>(?:[^/]+/){{0,3}}?)(?P<name>{TWEETS.pattern}"
    r"|(?:note-tweet|twitter-circle-tweet|deleted-tweets?)(?:-part\d+)?\.js"
    r"|account\.js|profile\.js|manifest\.js|js/user_details\.js|profile_media/[^/]+\.(?:jpe?g|png))"
)
_IN_FOLDER = ("*.js", "js/*.js", "js/tweets/*.js", "profile_media/*")

MAX_MEMBER_BYTES = 4 * 2**30  # two million posts; X's own files are far smaller
# Posts as JSON shrink about tenfold. What inflates two-hundredfold past 64 MiB was made to fill a disk.
MAX_RATIO, RATIO_FREE_BYTES = 200, 64 * 2**20
File = Path | zipfile.ZipInfo


@dataclass(frozen=True)
class Members:
    """The allowed files of one archive by their name in its data folder, e.g. "tweets-part1.js"."""

    where: str  # what to call the archive in messages
    files: dict[str, File]
    archive: zipfile.ZipFile | None = None  # that holds them, None where they lie in a folder

    @property
    def tweets(self) -> list[str]:
        """The files of posts, part 0 first; a bare file counts as one whatever its name. Never empty."""
        return self.of_kind("tweets?") or self.of_kind(r"js/tweets/\d{4}_\d\d") or list(self.files)

    def of_kind(self, kind: str) -> list[str]:
        """The files `<kind>.js`, `<kind>-part1.js`, ..., `<kind>-part10.js`, in order."""
        pattern = re.compile(rf"{kind}(?:-part\d+)?\.js")
        return sorted(filter(pattern.fullmatch, self.files), key=lambda name: (len(name), name))

    def blocks(self, name: str, max_bytes: int = MAX_MEMBER_BYTES) -> Iterator[bytes]:
        """The content of a file. Raises SourceError when it is damaged or inflates beyond reason."""
        file, num_bytes = self.files[name], 0
        if isinstance(file, zipfile.ZipInfo):
            max_bytes = min(max_bytes, max(RATIO_FREE_BYTES, MAX_RATIO * file.compress_size))
        try:
            with self._open(file) as stream:
                while block := stream.read(2**20):
                    num_bytes += len(block)
                    if num_bytes > max_bytes:
                        inflates = f"{name} in {self.where} inflates to more than {max_bytes // 2**20} MiB"
                        raise SourceError(f"{inflates}: that is no X archive.", HOW_TO_GET_ONE)
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise SourceError(f"{name} in {self.where} is damaged or cut short.", _AGAIN) from error

    def _open(self, file: File) -> IO[bytes]:
        if isinstance(file, Path):
            return file.open("rb")
        if file.flag_bits & 0x1:
            raise SourceError(f"{self.where} is encrypted with a password.", _AGAIN)
        # Other methods inflate without a limit on how much at once, and X uses none of them.
        if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SourceError(f"{file.filename} in {self.where} is packed in a way that cannot be read here.", _AGAIN)
        assert self.archive
        return self.archive.open(file)


@contextmanager
def open_archive(path: Path) -> Iterator[Members]:
    """The archive at `path`, open while the block runs. Raises SourceError when it is none, and says why."""
    existing(path, HOW_TO_GET_ONE)
    if path.is_dir():
        yield _folder(path)
    elif path.suffix.lower() != ".js":
        with _open_zip(path) as archive:
            for name in (info.orig_filename for info in archive.infolist()):
                _check_path_inside(path, name)
            yield Members(str(path), _in_data_folder(path, archive.NameToInfo), archive)
    elif TWEETS.fullmatch(path.name):
        yield _folder(path.parent)  # its parts and the list of Circle posts lie beside it
    else:
        yield Members(str(path.parent), {path.name: path})


def opened_files(path: Path) -> list[Path]:
    """The files on disk whose content an archive's reading depends on."""
    with open_archive(path) as members:
        return sorted({file if isinstance(file, Path) else path for file in members.files.values()})


def _folder(path: Path) -> Members:
    """An unzipped archive, its data folder, or the folder that either lies in."""
    found = [
        file
        for root in ("", "data/", "*/data/")
        for pattern in _IN_FOLDER
        for file in path.glob(root + pattern)
        if file.is_file()
    ]
    return Members(str(path), _in_data_folder(path, {file.relative_to(path).as_posix(): file for file in found}))


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK":
            raise SourceError(f"{path} is cut short or damaged: it has no list of its files.", _AGAIN) from error
        message = f"{path} is neither a zip nor a tweets.js." if start else f"{path} is empty."
        as_file = "A file of posts is given so: hub-publisher publish <handle> --from-path posts.csv"
        raise SourceError(message, f"{HOW_TO_GET_ONE}\n{as_file}") from error


def _check_path_inside(path: Path, name: str) -> None:
    """Refuse a path that leads out of the archive: no archive of X has one, only one made to overwrite files."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or ".." in plain.split("/") or "\0" in plain:
        raise SourceError(f"{path} holds a path outside itself: {name[:100]!r}.", HOW_TO_GET_ONE)


def _in_data_folder(path: Path, files: Mapping[str, File]) -> dict[str, File]:
    """The allowed files in the folder that holds the posts: the topmost one, should there be several."""
    matches = [match for name in files if (match := _ALLOWED.fullmatch(name))]
    roots = [match["root"] for match in matches if TWEETS.fullmatch(match["name"])]
    if not roots:
        raise SourceError(f"There is no data/tweets.js in {path}.", HOW_TO_GET_ONE)
    root = min(roots, key=lambda folder: (folder.count("/"), folder))
    return {match["name"]: files[match[0]] for match in matches if match["root"] == root}
