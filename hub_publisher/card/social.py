"""The social preview: what people see where a link to the model is shared.

1,200 x 630 pixels and opaque, since the sites that show it are neither light nor dark: who is imitated, that it is a
bot, a prompt, and what the model wrote. Its font, DejaVu Sans, comes with matplotlib, so the picture is the same on
every machine. Text that it cannot draw (`can_draw`) is left out whole: no boxes, no half sentences.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from hub_publisher.readme.escape import printable, shorten
from hub_publisher.records import Samples

__all__ = ["can_draw", "choose", "draw"]

WIDTH, HEIGHT = 1200, 630  # 1.91:1, which the large sites show whole
BACKGROUND, PANEL = "#1e2a44", "#fbf9f4"
NAME, HANDLES = PANEL, "#c3cde0"  # on BACKGROUND
MARK, ON_MARK = "#f2b84b", "#1e2a44"
INK, PROMPT, ARROW = "#1b2233", "#2b5797", "#b8522a"  # on PANEL
# All lengths below are in pixels of a drawing of twice the size: halving it makes every edge smooth.
_SCALE = 2
_MARGIN, _PADDING, _INDENT = 112, 88, 130
_PANEL_TOP, _PANEL_BOTTOM = 440, _SCALE * HEIGHT - 96
_SMALL_AVATAR, _LARGE_AVATAR, _RING, _MAX_AVATARS = 280, 480, 8, 3  # large where no text is shown
_LEADING = 1.3  # from baseline to baseline, as a part of the letters' size
_LIMIT = 400  # characters
_VARIATION_SELECTORS = {0xFE0E: None, 0xFE0F: None}  # ask for an emoji in colour or not; drawn alike here


@dataclass(frozen=True)
class _Block:
    """Lines, and the letters in which they fit."""

    font: ImageFont.FreeTypeFont
    lines: list[str]

    @property
    def height(self) -> float:
        return len(self.lines) * _LEADING * self.font.size


def can_draw(text: str) -> bool:
    """Whether `text` looks as it should in DejaVu Sans, set letter by letter from left to right.

    False for characters that the font lacks (CJK, most emoji), for right-to-left text, and for marks and joiners, which
    have to be placed by a script's own rules.
    """
    return all(
        ord(char) in _covered()
        and unicodedata.category(char)[0] not in "MC"
        and unicodedata.bidirectional(char) not in ("R", "AL", "AN")
        for char in _one_line(text)
    )


def choose(samples: Sequence[Samples]) -> tuple[str, str]:
    """The first prompt for which it and its first text can be drawn, and that text; empty when there is none."""
    told = ((group.prompt, text) for group in samples for text in group.tuned[:1] if text)
    return next((pair for pair in told if all(map(can_draw, pair))), ("", ""))


def draw(avatar: bytes | None, name: str, handles: str, kind: str, prompt: str, text: str) -> bytes:
    """PNG of the preview of a model that continued `prompt` with `text`; texts may hold anything.

    `avatar` is what avatar.draw returns, shown where it is a picture. Where `name` cannot be drawn the handles take its
    place; where `prompt` or `text` cannot, neither is shown.
    """
    page = Image.new("RGB", (_SCALE * WIDTH, _SCALE * HEIGHT), BACKGROUND)
    names = [line for line in map(_drawable, (name, handles)) if line]
    asked, answer = _drawable(prompt), _drawable(text)
    has_panel = bool(answer) and can_draw(prompt)
    side = _SMALL_AVATAR if has_panel else _LARGE_AVATAR
    top = 88 if has_panel else (page.height - side) // 2
    left = _portraits(page, avatar, top, side)
    _header(ImageDraw.Draw(page), left, top + side / 2, side, names, _drawable(kind))
    if has_panel:
        _panel(ImageDraw.Draw(page), asked, answer)
    file = io.BytesIO()
    page.reduce(_SCALE).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", printable(text).translate(_VARIATION_SELECTORS)).split())


def _drawable(text: str) -> str:
    """`text` on one line of decent length, or nothing when it cannot be drawn."""
    return shorten(_one_line(text), _LIMIT) if can_draw(text) else ""


def _font_file(is_bold: bool) -> str:
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if is_bold else ''}.ttf"


@cache
def _covered() -> frozenset[int]:
    """The code points for which both weights have a glyph, but for the one that stands for what could not be read."""
    from matplotlib.ft2font import FT2Font

    regular, bold = (FT2Font(_font_file(is_bold)).get_charmap() for is_bold in (False, True))
    return frozenset(regular.keys() & bold.keys() - {0xFFFD})


@cache
def _font(size: int, is_bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_file(is_bold), size, layout_engine=ImageFont.Layout.BASIC)


def _fit(text: str, width: float, height: float, sizes: Sequence[int], is_bold: bool = False) -> _Block:
    """`text` in the largest of `sizes` (descending) in which it fits, else cut to an ellipsis in the last."""
    for size in sizes:
        font, most = _font(size, is_bold), max(int(height / (_LEADING * size)), 1)
        lines = _lines(font, text, width)
        if len(lines) <= most:
            return _Block(font, lines)
    last = lines[most - 1]
    while last and font.getlength(last + "…") > width:
        last = last[:-1]
    return _Block(font, [*lines[: most - 1], last.rstrip(" ,;:") + "…"])


def _lines(font: ImageFont.FreeTypeFont, text: str, width: float) -> list[str]:
    """As many words on each line as there is room for; a word longer than a line is broken where the line ends."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines += [""] * bool(lines[-1])
        for char in word:
            lines += [""] * (font.getlength(lines[-1] + char) > width)
            lines[-1] += char
    return lines


def _write(pen: ImageDraw.ImageDraw, block: _Block, x: float, top: float, colour: str) -> None:
    for number, line in enumerate(block.lines):
        baseline = (number + 0.5) * _LEADING + 0.35  # in ems; capitals stand in the middle of their line
        pen.text((x, top + baseline * block.font.size), line, fill=colour, font=block.font, anchor="ls")


def _header(pen: ImageDraw.ImageDraw, left: float, middle: float, side: int, names: Sequence[str], kind: str) -> None:
    """The first of `names`; below it the mark that this is a bot, and the second. `side` is the avatar's height."""
    room = _SCALE * WIDTH - _MARGIN - left
    largest, second = side * 3 // 7, side * 2 // 9
    name = _fit(names[0] if names else "", room, 0.6 * side, range(largest, 60, -4), is_bold=True)
    mark = _fit(kind, room / 2, 0, range(second, 40, -4), is_bold=True)
    gap, padding = 0.1 * side, 0.75 * mark.font.size
    top = middle - (name.height + gap + mark.height + 0.2 * padding) / 2
    _write(pen, name, left, top, NAME)
    top += name.height + gap
    end = left + 2 * padding + mark.font.getlength(mark.lines[0])
    pen.rounded_rectangle((left, top - 8, end, top + mark.height + 8), mark.height / 2 + 8, fill=MARK)
    _write(pen, mark, left + padding, top, ON_MARK)
    handles = _fit(names[1] if names[1:] else "", room - (end - left) - 48, 0, range(second, 48, -4))
    _write(pen, handles, end + 48, top + (mark.height - handles.height) / 2, HANDLES)


def _panel(pen: ImageDraw.ImageDraw, prompt: str, text: str) -> None:
    """The prompt, and an arrow from it to what the model wrote."""
    pen.rounded_rectangle((_MARGIN, _PANEL_TOP, _SCALE * WIDTH - _MARGIN, _PANEL_BOTTOM), 56, fill=PANEL)
    x, room = _MARGIN + _PADDING, _SCALE * WIDTH - 2 * (_MARGIN + _PADDING)
    height = _PANEL_BOTTOM - _PANEL_TOP - 104
    asked = _fit(prompt, room, 168, range(80, 56, -4), is_bold=True)
    answer = _fit(text, room - _INDENT, height - asked.height - 20, range(152, 60, -4))
    top = _PANEL_TOP + 52 + (height - asked.height - 20 - answer.height) / 2
    _write(pen, asked, x, top, PROMPT)
    top += asked.height + 20
    arrow = _Block(_font(100, is_bold=True), ["↳"])
    _write(pen, arrow, x, top + (answer.height / len(answer.lines) - arrow.height) / 2, ARROW)
    _write(pen, answer, x + _INDENT, top, INK)


def _portraits(page: Image.Image, avatar: bytes | None, top: int, side: int) -> int:
    """The avatars side by side, each on a ring; returns where what stands beside them begins."""
    picture = _picture(avatar, side)
    if picture is None:
        return _MARGIN
    for x in range(_MARGIN, _MARGIN + picture.width - side // 2, side):
        ImageDraw.Draw(page).ellipse((x - _RING, top - _RING, x + side + _RING, top + side + _RING), fill=HANDLES)
    page.paste(picture, (_MARGIN, top), picture)
    return _MARGIN + picture.width + 64


def _picture(avatar: bytes | None, side: int) -> Image.Image | None:
    """The avatars `side` pixels high, at most three of them; None when there are none to be seen."""
    try:
        with Image.open(io.BytesIO(avatar or b"")) as opened:
            picture = opened.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of what is no picture
        return None
    picture = picture.crop((0, 0, min(picture.width, _MAX_AVATARS * picture.height), picture.height))
    return picture.resize((max(round(picture.width * side / picture.height), 1), side), Image.Resampling.LANCZOS)
