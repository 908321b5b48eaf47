"""Text into lines: where they may break, how large they can be, and the outlines of their letters.

Shaping, and the order of right-to-left text, are matplotlib's (HarfBuzz and SheenBidi), which it brings along: Pillow
needs a library of the system's for either. Lengths are in ems, so that one measuring serves every size.
References: https://www.unicode.org/reports/tr14/ for line breaks, of which this is the part that posts need, and
https://www.unicode.org/reports/tr9/ for directions.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import regex

from hub_publisher.card.fonts import graphemes

_EM = 100  # pixels at which letters are measured, without hinting
_LEFT_TO_RIGHT, _RIGHT_TO_LEFT = "\u200e", "\u200f"
# Between these a line may break without a space: ideographs, kana, full-width forms, emoji.
_FREE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]")
_NOT_FIRST = regex.compile(
    r"[\p{Pe}\p{Pf}!%,.:;?…‥、。，．：；？！・ー～々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ]"
)
_NOT_LAST = regex.compile(r"[\p{Ps}\p{Pi}]")


@dataclass(frozen=True)
class Block:
    """Lines as they are read, and the size in pixels at which they fit."""

    lines: tuple[str, ...]
    size: float
    is_right_to_left: bool


@dataclass(frozen=True)
class Line:
    """The outlines of a line, one em high, y upwards, its baseline at 0; `left` and `right` are where its ink ends."""

    path: Any  # matplotlib.path.Path
    left: float
    right: float


def is_right_to_left(text: str) -> bool:
    """Whether the first character that has a direction is Hebrew, Arabic or of another such script."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((direction != "L" for direction in directions if direction in ("L", "R", "AL")), False)


def fit(font: Any, text: str, width: float, height: float, sizes: Sequence[float], leading: float) -> Block:
    """`text` in the largest of `sizes` (pixels, descending) in which it fits, else cut to an ellipsis in the last.

    `font` draws all of `text`, which is one line of words; `leading` is from baseline to baseline in ems. There is
    always a line, also in a box that is lower than one.
    """
    pieces = [(piece, advance(font, piece.rstrip())) for piece in _pieces(text)]
    most, size, lines = 1, sizes[-1], [""]
    for size in sizes:
        most = max(int(height / (leading * size)), 1)
        lines = _lines(font, pieces, width / size)
        if len(lines) <= most:
            lines = _balanced(font, pieces, width / size, lines)
            break
    else:
        lines = [*lines[: most - 1], _cut(font, lines[most - 1], width / size)]
    return Block(tuple(lines), size, is_right_to_left(text))


def _balanced(font: Any, pieces: list[tuple[str, float]], width: float, lines: list[str]) -> list[str]:
    """No more lines than `lines`, but more equal ones: a last line of one word looks forgotten."""
    longest = max(length for _, length in pieces) if pieces else 0
    for narrower in (0.5 * width, 0.6 * width, 0.7 * width, 0.8 * width, 0.9 * width):
        if longest <= narrower and len(found := _lines(font, pieces, narrower)) == len(lines):
            return found
    return lines


@lru_cache(4096)
def advance(font: Any, text: str) -> float:
    """How wide `text` is with the space that letters keep around them, in ems."""
    from matplotlib.ft2font import LoadFlags

    font.set_size(_EM, 72)
    font.set_text(text, 0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / 64 / _EM


def outline(font: Any, line: str, right_to_left: bool) -> Line:
    """The letters of `line` in the order in which they are seen, its direction being that of its paragraph."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextToPath

    font.set_size(_EM, 72)
    # A mark without width at its head: what the line begins with would else decide its direction.
    marked = (_RIGHT_TO_LEFT if right_to_left else _LEFT_TO_RIGHT) + line
    placed, shapes, _ = TextToPath().get_glyphs_with_font(font, marked)
    paths = [Path(shapes[name][0] + [x, y], shapes[name][1]) for name, x, y, _ in placed if len(shapes[name][0])]
    if not paths:
        return Line(Path([(0, 0)]), 0, 0)
    joined: Any = Path.make_compound_path(*paths)
    # A closing point lies nowhere. Letters' curves have points where they are widest, so these say where the ink ends.
    across = joined.vertices[joined.codes != Path.CLOSEPOLY, 0] / _EM
    return Line(Path(joined.vertices / _EM, joined.codes), float(across.min()), float(across.max()))


def _pieces(text: str) -> list[str]:
    """What no line is broken in, as long as it fits on one; the spaces after a word belong to it."""
    pieces: list[str] = []
    clusters = graphemes(text)
    for before, cluster in pairwise(["", *clusters]):
        if not pieces or _may_break(before, cluster):
            pieces.append(cluster)
        else:
            pieces[-1] += cluster
    return pieces


def _may_break(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return before == " " != after
    between = _FREE.match(before) or _FREE.match(after)
    return bool(between) and not _NOT_FIRST.match(after) and not _NOT_LAST.match(before)


def _lines(font: Any, pieces: Iterable[tuple[str, float]], width: float) -> list[str]:
    """As many pieces on each line as there is room for. `pieces` come with their length, spaces left out."""
    space = advance(font, " ")
    lines, used = [""], 0.0
    for piece, length in pieces:
        if used + length > width and lines[-1]:
            lines, used = [*lines, ""], 0.0
        if length > width:
            lines = [*lines[:-1], *_split(font, piece, width)]
            used = advance(font, lines[-1])
        else:
            lines[-1] += piece
            used += length + space * piece.endswith(" ")
    return [line.rstrip() for line in lines]


def _split(font: Any, word: str, width: float) -> list[str]:
    """A word that is longer than a line, grapheme by grapheme."""
    parts, used = [""], 0.0
    for cluster in graphemes(word):
        length = advance(font, cluster)
        if used + length > width and parts[-1]:
            parts, used = [*parts, ""], 0.0
        parts[-1] += cluster
        used += length
    return parts


def _cut(font: Any, line: str, width: float) -> str:
    """`line` with an ellipsis, shortened until there is room for it."""
    clusters = graphemes(line)
    while clusters and advance(font, "".join(clusters).rstrip() + "…") > width:
        clusters.pop()
    return "".join(clusters).rstrip(" ,;:") + "…"
