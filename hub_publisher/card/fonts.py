"""Which fonts draw a text, and what of it none of them can.

Fonts come with the installation, so a picture is the same on every machine: Noto Sans with its scripts and Noto Emoji
(the package manimgx-fonts), Noto Sans CJK (noto-cjk-sans-otc), DejaVu Sans (in matplotlib). The system's are asked only
for what these lack. Colour emoji are not drawn: matplotlib, whose FT2Font shapes text and sets it right to left where
that is its direction, knows outlines only; Noto Emoji's are made to be drawn in one colour.

A grapheme that no font draws never becomes a box: emoji are written as `:robot_face:`, anything else as dots.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex

from hub_publisher.readme.escape import printable

__all__ = ["Chosen", "Face", "at_hand", "choose", "graphemes", "one_line", "remedy"]

_SCRIPTS = (
    "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew", "Kannada",
    "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai",
)  # fmt: skip
# Where Noto Sans CJK keeps the shapes of each language; the same Chinese character differs between them.
_JAPANESE, _KOREAN, _CHINESE = 0, 1, 2
# Fonts whose glyphs stand for the absence of one.
_NO_FONTS = ("lastresort", "notdef", "adobeblank")
_MAX_MARKS = 4  # more than this on one letter is no writing, and reaches into the lines around it
_DOT, _MAX_DOTS = "·", 3
_PACKAGES = {"CJK": "noto-cjk-sans-otc", "emoji": "manimgx-fonts"}
_PRIVATE, _UNASSIGNED = "private-use characters", "unassigned characters"
_UNDRAWABLE = (_PRIVATE, _UNASSIGNED)

# Letters that are made to be seen as nothing, other than those that decide how their neighbours look.
_INVISIBLE = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}--[\u200c-\u200f\u061c\ufe00-\ufe0f\U000e0020-\U000e007f]]", regex.V1
)
_BLANK = regex.compile(r"[\p{Z}\u2800]+")
_IGNORABLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Z}]")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}|.*\u20e3")
_CJK = regex.compile(r"[\p{Han}\p{Hangul}\p{Hiragana}\p{Katakana}\p{Bopomofo}\u3000-\u303f\uff00-\uffef]")
_SCRIPT_NAME = regex.compile(
    r"(.+?) (?:CAPITAL|SMALL|LETTER|SYLLABLE|SYLLABICS|SIGN|VOWEL|IDEOGRAM|IDEOGRAPH|HIEROGLYPH|CHARACTER|DIGIT)\b"
)


@dataclass(frozen=True)
class Face:
    """A font in a file, which may hold several."""

    path: str
    index: int = 0

    @cached_property
    def font(self) -> Any:
        """matplotlib's FT2Font, without another to fall back to."""
        from matplotlib.ft2font import FT2Font

        return FT2Font(self.path, face_index=self.index)

    def draws(self, grapheme: str) -> bool:
        """Whether there is a glyph for every character of `grapheme` that is to be seen."""
        return all(self._has(char) for char in _IGNORABLE.sub("", grapheme))

    def _has(self, char: str) -> bool:
        glyph = self.font.get_char_index(ord(char))
        if not glyph or unicodedata.category(char)[0] == "M":
            return bool(glyph)
        # Colour fonts have glyphs without outlines.
        from matplotlib.ft2font import LoadFlags

        self.font.load_glyph(glyph, LoadFlags.NO_HINTING)
        return len(self.font.get_path()[0]) > 0


@dataclass(frozen=True)
class Chosen:
    """A font (matplotlib's FT2Font, with those it falls back to) that has a glyph for all of `texts`.

    `texts` are those asked for, with a stand-in for what no font draws; `missing` names that, sorted.
    """

    font: Any
    texts: tuple[str, ...]
    missing: tuple[str, ...]


def one_line(text: str, limit: int) -> str:
    """What is to be seen of `text`, on one line: composed (NFC), in at most `limit` graphemes, then an ellipsis."""
    # A grapheme is several characters long at most; the rest of a text of any length is not looked at.
    start = printable(text.strip()[: 100 * limit])
    shown = _BLANK.sub(" ", _INVISIBLE.sub("", start.replace("\n", " "))).strip()
    kept = graphemes(shown)
    return "".join(kept[: limit - 1]).rstrip() + "…" if len(kept) > limit else "".join(kept)


def graphemes(text: str) -> list[str]:
    """The characters of `text` as a reader counts them, each with as many marks as writing has at most."""
    # HarfBuzz takes a mark to what stands before it, also where Unicode's graphemes do not.
    found = regex.findall(r"\X(?:(?=\p{M})\X)*", unicodedata.normalize("NFC", text))
    shown = [_without_excess(cluster) for cluster in found]
    # A joiner would make one grapheme, of no font, of an emoji and the letter before it.
    return [cluster.rstrip("\u200d") if _EMOJI.match(after) else cluster for cluster, after in pairwise([*shown, ""])]


def _without_excess(cluster: str) -> str:
    if len(cluster) <= _MAX_MARKS:
        return cluster
    marks = 0
    kept = ""
    for char in cluster:
        marks += unicodedata.category(char) in ("Mn", "Me") and not _IGNORABLE.match(char)
        kept += char if marks <= _MAX_MARKS else ""
    return kept[:20]  # the longest emoji, of four people with a skin tone each, has 11


def choose(texts: Sequence[str], faces: Sequence[Face] | None = None) -> Chosen:
    """The fonts for `texts` (lines, as `one_line` leaves them), and what to draw with them.

    From `faces` alone, or when it is None from those that are installed, the system's last.
    """
    wanted = dict.fromkeys(cluster for text in texts for cluster in graphemes(text))
    offered = at_hand(texts) if faces is None else list(faces)
    drawn_by = {cluster: face for cluster in wanted if (face := _first(offered, cluster))}
    if faces is None:
        drawn_by |= _search(_of_the_system(), [cluster for cluster in wanted if cluster not in drawn_by])
    lost = [cluster for cluster in wanted if cluster not in drawn_by]
    # A letter without its mark, or a hand without its skin's colour, says more than a stand-in.
    drawn_by |= {cluster[0]: face for cluster in lost if (face := _first(offered, cluster[0]))}
    used = set(drawn_by.values())
    # The first one draws what stands in for the others.
    order = [*offered[:1], *(face for face in dict.fromkeys([*offered[1:], *drawn_by.values()]) if face in used)]
    missing = {_kind(cluster, cluster[0] in drawn_by) for cluster in lost}
    written = tuple("".join(_with_stand_ins(graphemes(text), drawn_by)) for text in texts)
    return Chosen(_font(order), written, tuple(sorted(missing)))


def at_hand(texts: Iterable[str] = ()) -> list[Face]:
    """The fonts that came with the installation, in the order in which they are asked; none twice, DejaVu always."""
    from matplotlib import get_data_path

    noto = _package("manimgx_fonts")
    names = ["Sans", *(f"Sans{script}" for script in _SCRIPTS), "Emoji", "SansSymbols"]
    files = [noto / f"Noto{name}[wght].ttf" for name in names] if noto else []
    cjk = _package("noto_cjk_sans_otc")
    faces = [Face(str(file)) for file in files if file.is_file()]
    faces += [Face(str(file), _language("".join(texts))) for file in sorted(cjk.glob("*.ttc"))] if cjk else []
    return [*faces, Face(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")))]


def remedy(missing: Iterable[str]) -> str:
    """What to install so that all of `missing` is drawn, on one line; empty when no font in the world would help."""
    kinds = [kind for kind in missing if kind not in _UNDRAWABLE]
    wanted = [f"pip install {package}" for kind, package in _PACKAGES.items() if kind in kinds]
    if set(kinds) - set(_PACKAGES):
        wanted.append("a font from your system, e.g. Debian's fonts-noto-core or fonts-noto-extra")
    return f"To draw {', '.join(kinds)}, install fonts: {'; '.join(wanted)}." if kinds else ""


def _package(name: str) -> Path | None:
    """The folder of an installed package, without running any of its code."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _language(text: str) -> int:
    if regex.search(r"[\p{Hiragana}\p{Katakana}]", text):
        return _JAPANESE
    return _KOREAN if regex.search(r"\p{Hangul}", text) else _CHINESE


def _first(faces: Iterable[Face], cluster: str) -> Face | None:
    return next((face for face in faces if face.draws(cluster)), None)


def _search(faces: Iterator[Face], lacking: list[str]) -> dict[str, Face]:
    """Opens one font after the other for as long as something is lacking."""
    found: dict[str, Face] = {}
    while len(found) < len(lacking) and (face := next(faces, None)):
        found |= {cluster: face for cluster in lacking if cluster not in found and face.draws(cluster)}
    return found


def _of_the_system() -> Iterator[Face]:
    """The system's fonts that have outlines: Noto's upright ones first, then by name."""
    from matplotlib.font_manager import findSystemFonts
    from matplotlib.ft2font import FaceFlags

    for path in sorted(map(Path, findSystemFonts()), key=_rank):
        face = Face(str(path))
        try:
            name = face.font.family_name.replace(" ", "").lower()
        except (RuntimeError, OSError):  # what FreeType says of a file that is no font
            continue
        if FaceFlags.SCALABLE in face.font.face_flags and not any(word in name for word in _NO_FONTS):
            yield face


def _rank(path: Path) -> tuple[bool, bool, str, str]:
    return not path.name.startswith("NotoSans"), "Regular" not in path.name, path.name, str(path)


def _font(faces: Sequence[Face]) -> Any:
    from matplotlib.font_manager import FontPath, get_font

    return get_font([FontPath(face.path, face.index) for face in faces])


def _with_stand_ins(clusters: Iterable[str], drawn_by: dict[str, Face]) -> Iterator[str]:
    dots = 0
    for cluster in clusters:
        shown = next((part for part in (cluster, cluster[0]) if part in drawn_by), "") or _stand_in(cluster)
        dots = dots + 1 if shown == _DOT != cluster else 0
        if dots <= _MAX_DOTS:
            yield shown


def _stand_in(cluster: str) -> str:
    """`:robot_face:` for an emoji, `:DE:` for a flag, a dot for anything else."""
    if not _EMOJI.match(cluster):
        return _DOT
    if letters := regex.findall(r"\p{Regional_Indicator}", cluster):
        return f":{''.join(unicodedata.name(letter)[-1] for letter in letters)}:"
    name = unicodedata.name(cluster[0], "").lower()
    return f":{regex.sub('[^a-z0-9]+', '_', name)}:" if name else _DOT


def _kind(cluster: str, has_base: bool) -> str:
    """What is missing, in the words of `remedy`: a script, mostly. Not the first character when that `has_base`."""
    if _EMOJI.match(cluster):
        return "emoji"
    char = _IGNORABLE.sub("", cluster[1:] if has_base else cluster)[0]
    if _CJK.match(char):
        return "CJK"
    general = unicodedata.category(char)
    if general in ("Co", "Cn"):
        return _PRIVATE if general == "Co" else _UNASSIGNED
    if regex.match(r"[\p{Common}\p{Inherited}]", char):
        return "combining marks" if general[0] == "M" else "symbols"
    name = unicodedata.name(char, "")
    script = _SCRIPT_NAME.match(name)
    return (script[1] if script else name.split(" ")[0]).title() or "other characters"
