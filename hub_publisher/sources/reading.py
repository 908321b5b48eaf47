"""What every reader hands back, and the few rules about X's texts that more than one reader needs."""

import hashlib
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_publisher.errors import SourceError
from hub_publisher.records import Timeline
from hub_publisher.system.files import sha256_of
from hub_publisher.text.characters import unescape

# Files up to this size are told apart by their content, larger ones by size and time of change: hashing
# gigabytes before every run would cost more than the reading that the fingerprint is there to save.
HASHED_BYTES = 64 * 2**20
MAX_SIDE = 400  # pixels of a picture; what X and the Hub show at most

REPOST = re.compile(r"RT @\w{1,15}:? ")
_HALF_LINK = re.compile(r"https?:\S*…$")
_CUT_BEFORE_LINK = re.compile(r"…\s*https?://t\.co/\w+[\"”']?$")
_MARKUP, _BARE = re.compile("[&<>]"), re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")

# X's short form of a long post is cut to fill 140 characters, its own link included. It may be shorter by
# about a link (23) when the cut falls on one: in 2,605 posts of 2017 all 128 cut texts had 120 to 140.
_SHORT_FORM = 115
_FULL_LENGTHS = (*range(138, 142), *range(276, 282))


@dataclass(frozen=True)
class Reading:
    """A timeline (its fingerprint still empty) and the account's picture as PNG bytes, if there is one."""

    timeline: Timeline
    avatar: bytes | None = None


def inner(record: Any, key: str) -> dict[str, Any]:
    """The object under `key`, or an empty one."""
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, dict) else {}


def strings(items: Any, key: str) -> list[str]:
    """The texts under `key` of those `items` that have one; none when `items` is no list."""
    found = (item.get(key) for item in items if isinstance(item, dict)) if isinstance(items, list) else ()
    return [value for value in found if isinstance(value, str) and value]


def language_code(value: Any) -> str | None:
    """What a platform says the language is, where that may be a code."""
    return value if isinstance(value, str) and value.isascii() and len(value) < 36 else None


def looks_cut(text: str) -> bool:
    """Whether X cut this text: it ends in half a link, in `… <link>` at the length X cuts to, or in `…` there.

    People end sentences with an ellipsis too, so the length decides where no link is cut in half.
    """
    text = text.rstrip()
    if "…" not in text[-40:]:
        return False
    length = len(unescape(text))
    if _CUT_BEFORE_LINK.search(text):
        return length >= _SHORT_FORM
    return text.endswith("…") and (length in _FULL_LENGTHS or bool(_HALF_LINK.search(text)))


def escapes_html(texts: Iterable[str]) -> bool:
    """Whether a source writes &amp; &lt; &gt; for & < >.

    A source that does so leaves no bare & < > behind, save where a text was cut; one that does not shows them
    wherever people write "Q & A". So the texts vote: escaped when more of them hold entities than bare characters.
    """
    is_bare = Counter(bool(_BARE.search(text)) for text in texts if _MARKUP.search(text))
    return is_bare[False] > is_bare[True]


def state_of(paths: Iterable[Path]) -> str:
    """What identifies the content of some files: SHA-256 while they are small, else sizes and times of change."""
    found = [(path, path.stat()) for path in paths]
    are_small = sum(stat.st_size for _, stat in found) < HASHED_BYTES
    parts = [f"{stat.st_size} {sha256_of(path) if are_small else stat.st_mtime_ns}" for path, stat in found]
    if len(found) > 1:  # of several files it matters which is which; where a single one lies does not
        parts = [f"{path.name} {part}" for (path, _), part in zip(found, parts, strict=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def existing(path: Path, remedy: str) -> Path:
    """`path` when something lies there that can be read. Raises SourceError otherwise."""
    if path.exists() and not path.is_dir() and not path.is_file():  # a pipe would be waited for
        raise SourceError(f"{path} is neither a file nor a folder.", remedy)
    try:
        if not path.is_dir():
            path.open("rb").close()
    except FileNotFoundError as error:
        raise SourceError(f"There is no {path}.", remedy) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", remedy) from error
    return path


def to_png(content: bytes) -> bytes | None:
    """A PNG or JPEG as PNG of at most 400 x 400 pixels without its metadata; None when it is no such picture."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
            upright = ImageOps.exif_transpose(picture).convert("RGBA" if picture.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError):
        return None
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    # pixels only: where and with what a picture was taken is nobody's business
    clean = Image.frombytes(upright.mode, upright.size, upright.tobytes())
    stream = io.BytesIO()
    clean.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
