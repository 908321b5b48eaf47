"""The social preview: what people see where a link to the model is shared.

1,200 x 630 pixels and opaque, since the sites that show it are neither light nor dark: who is imitated, that it is a
bot, a prompt, and what the model wrote. Same input and same fonts, same bytes; the file holds nothing but pixels.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub_publisher.card import fonts, typeset
from hub_publisher.card.fonts import Face, remedy
from hub_publisher.card.typeset import Block
from hub_publisher.readme.escape import TEXT_LIMIT, shorten, visible

__all__ = ["Social", "draw", "remedy"]

WIDTH, HEIGHT = 1200, 630  # 1.91:1, which the large sites show whole
BACKGROUND, PANEL = "#1e2a44", "#fbf9f4"
NAME, HANDLES = PANEL, "#c3cde0"  # on BACKGROUND
MARK, ON_MARK = "#f2b84b", "#1e2a44"
INK, PROMPT, ARROW = "#1b2233", "#2b5797", "#b8522a"  # on PANEL
_MARGIN, _PADDING = 56, 44
_AVATAR, _RING, _AVATAR_TOP, _MAX_AVATARS = 140, 4, 44, 3
_PANEL_TOP, _PANEL_BOTTOM = 224, HEIGHT - 48
_MARK_HEIGHT, _GAP = 52, 10
_INDENT = 80  # of what the model wrote, for the arrow
_LIMITS = {"name": 160, "handles": 120, "kind": 24, "prompt": 160, "text": 400}  # graphemes
_FALLBACKS = {"name": "(no name)", "handles": "", "kind": "AI BOT", "prompt": "(no prompt)", "text": "(no text)"}
_PAGE_COLOURS = 72  # a few, and what lies between each and its ground where letters have their edges


@dataclass(frozen=True)
class Social:
    """The picture, what it says for those who do not see it, and the kinds of characters that no font could draw."""

    png: bytes
    alt: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Style:
    """Colour, baseline to baseline, and a stroke around the letters, both in ems.

    The stroke is there because a picture that is shown at a quarter of its size loses thin lines.
    """

    colour: str
    leading: float
    stroke: float


_NAME, _HANDLES, _MARK = _Style(NAME, 1.2, 0.04), _Style(HANDLES, 1.3, 0.01), _Style(ON_MARK, 1.3, 0.045)
_PROMPT, _TEXT = _Style(PROMPT, 1.3, 0.015), _Style(INK, 1.34, 0.018)


def draw(
    avatar: bytes | None,
    name: str,
    handles: str,
    kind: str,
    prompt: str,
    text: str,
    faces: Sequence[Face] | None = None,
) -> Social:
    """The preview of a model that continued `prompt` with `text`; texts may hold anything.

    `avatar` is what avatar.draw returns; without one, or when it is no picture, a robot stands in its place. Letters
    come from `faces` alone, or when it is None from every font at hand. `remedy` says what to do about `missing`.
    """
    given = {"name": name, "handles": handles, "kind": kind, "prompt": prompt, "text": text}
    shown = {key: visible(fonts.one_line(given[key], _LIMITS[key]), _FALLBACKS[key]) for key in given}
    chosen = fonts.choose(list(shown.values()), faces)
    written = dict(zip(shown, chosen.texts, strict=True))
    canvas, pictures = _Canvas(chosen.font), _pictures(avatar)
    _portraits(canvas, pictures)
    _header(canvas, written, _MARGIN + (pictures.width if pictures else _AVATAR) + 32)
    _panel(canvas, written["prompt"], written["text"])
    return Social(_png(canvas.picture(), pictures), _alt(given), chosen.missing)


def _alt(given: dict[str, str]) -> str:
    full = {key: shorten(visible(text, _FALLBACKS[key]), TEXT_LIMIT) for key, text in given.items()}
    whose = f"{full['name']} ({full['handles']})" if full["handles"] else full["name"]
    return f"{whose}, {full['kind']}. Prompt: “{full['prompt']}” What the model wrote: “{full['text']}”"


class _Canvas:
    """Shapes and text in pixels from the upper left corner, painted one over the other."""

    def __init__(self, font: Any) -> None:
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.transforms import Affine2D

        self.font = font
        self._renderer = RendererAgg(WIDTH, HEIGHT, 72)  # 72 dots per inch: a point is a pixel
        self._upside_down = Affine2D().scale(1, -1).translate(0, HEIGHT)
        self.box(-1, -1, WIDTH + 2, HEIGHT + 2, 0, BACKGROUND)

    def shape(self, path: Any, colour: str, stroke: float = 0, is_filled: bool = True) -> None:
        """A matplotlib path, with a line of `stroke` pixels along it."""
        from matplotlib.colors import to_rgb

        pen = self._renderer.new_gc()
        pen.set_foreground(colour)
        pen.set_linewidth(stroke)
        pen.set_joinstyle("round")
        pen.set_capstyle("round")
        pen.set_snap(False)
        self._renderer.draw_path(pen, path, self._upside_down, to_rgb(colour) if is_filled else None)

    def box(self, x: float, y: float, width: float, height: float, radius: float, colour: str) -> None:
        """A filled rectangle with round corners."""
        from matplotlib.patches import BoxStyle

        self.shape(BoxStyle.Round(pad=0, rounding_size=radius)(x, y, width, height, 1), colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        """A filled circle around `x`, `y`."""
        from matplotlib.path import Path

        self.shape(Path.circle((x, y), radius), colour)

    def line(self, points: Sequence[tuple[float, float]], colour: str, stroke: float) -> None:
        """A line from point to point."""
        from matplotlib.path import Path

        self.shape(Path(points), colour, stroke, is_filled=False)

    def write(self, block: Block, style: _Style, x: float, top: float, width: float, to_the_right: bool) -> None:
        """The lines of `block` below `top`, from `x` on or, to the right, up to `x + width`."""
        from matplotlib.transforms import Affine2D

        for number, text in enumerate(block.lines):
            line = typeset.outline(self.font, text, block.is_right_to_left)
            # A line can be wider than its pieces were, measured one by one.
            size = min(block.size, width / max(line.right - line.left, 0.01))
            start = x + width - line.right * size if to_the_right else x - line.left * size
            baseline = top + (number + 0.5) * style.leading * block.size + 0.35 * size
            placed = line.path.transformed(Affine2D().scale(size, -size).translate(start, baseline))
            self.shape(placed, style.colour, style.stroke * size)

    def picture(self) -> Any:
        """A Pillow image, RGB."""
        from PIL import Image

        return Image.frombytes("RGBA", (WIDTH, HEIGHT), bytes(self._renderer.buffer_rgba())).convert("RGB")


def _fit(canvas: _Canvas, text: str, style: _Style, width: float, height: float, sizes: range) -> Block:
    return typeset.fit(canvas.font, text, width, height, sizes, style.leading)


def _height(block: Block, style: _Style) -> float:
    return len(block.lines) * block.size * style.leading


def _portraits(canvas: _Canvas, pictures: Any) -> None:
    """A ring for each avatar to lie on; where there is none, a robot."""
    y = _AVATAR_TOP + _AVATAR / 2
    for number in range(round(pictures.width / _AVATAR) if pictures else 1):
        canvas.disc(_MARGIN + (number + 0.5) * _AVATAR, y, _AVATAR / 2 + _RING, HANDLES)
    if pictures is None:
        _robot(canvas, _MARGIN + _AVATAR / 2, y, _AVATAR, BACKGROUND, MARK)


def _robot(canvas: _Canvas, x: float, y: float, size: float, colour: str, light: str) -> None:
    """A head around `x`, `y` in a circle of diameter `size`: an antenna, two eyes, a mouth."""
    unit = size / 140
    canvas.line([(x, y - 36 * unit), (x, y - 20 * unit)], colour, 6 * unit)
    canvas.disc(x, y - 40 * unit, 9 * unit, colour)
    canvas.box(x - 38 * unit, y - 22 * unit, 76 * unit, 60 * unit, 18 * unit, colour)
    for eye in (x - 16 * unit, x + 16 * unit):
        canvas.disc(eye, y, 9 * unit, light)
    canvas.line([(x - 14 * unit, y + 22 * unit), (x + 14 * unit, y + 22 * unit)], light, 6 * unit)


def _header(canvas: _Canvas, written: dict[str, str], left: float) -> None:
    """Name, and below it the mark and the handles; together in the middle of the avatar's height."""
    room = WIDTH - _MARGIN - left
    name = _fit(canvas, written["name"], _NAME, room, 84, range(60, 32, -2))
    top = _AVATAR_TOP + (_AVATAR - _height(name, _NAME) - 14 - _MARK_HEIGHT) / 2
    canvas.write(name, _NAME, left, top, room, to_the_right=False)
    middle = top + _height(name, _NAME) + 14 + _MARK_HEIGHT / 2
    end = _mark(canvas, written["kind"], left, middle, room / 2) + 24
    handles = _fit(canvas, written["handles"], _HANDLES, WIDTH - _MARGIN - end, 50, range(32, 24, -2))
    canvas.write(handles, _HANDLES, end, middle - _height(handles, _HANDLES) / 2, WIDTH - _MARGIN - end, False)


def _mark(canvas: _Canvas, kind: str, left: float, middle: float, room: float) -> float:
    """What everybody must see: that this is a bot. Returns where the mark ends."""
    words = _fit(canvas, kind, _MARK, room, 50, range(32, 20, -2))
    length = typeset.advance(canvas.font, words.lines[0]) * words.size
    radius, start = _MARK_HEIGHT / 2, left + 64
    canvas.line([(left + radius, middle), (start + length + 22 - radius, middle)], MARK, _MARK_HEIGHT)
    _robot(canvas, left + 38, middle + 1, 56, ON_MARK, MARK)
    canvas.write(words, _MARK, start, middle - _height(words, _MARK) / 2, length, to_the_right=False)
    return start + length + 22


def _panel(canvas: _Canvas, prompt: str, text: str) -> None:
    """The prompt, and an arrow from it to what the model wrote; all at the right when that is read from there."""
    canvas.box(_MARGIN, _PANEL_TOP, WIDTH - 2 * _MARGIN, _PANEL_BOTTOM - _PANEL_TOP, 28, PANEL)
    x, room = _MARGIN + _PADDING, WIDTH - 2 * (_MARGIN + _PADDING)
    asked = _fit(canvas, prompt, _PROMPT, room, 84, range(42, 28, -2))
    left = _PANEL_BOTTOM - _PANEL_TOP - 2 * 30 - _GAP - _height(asked, _PROMPT)
    answer = _fit(canvas, text, _TEXT, room - _INDENT, left, range(84, 32, -2))
    to_the_right = answer.is_right_to_left
    top = _PANEL_TOP + 30 + (left - _height(answer, _TEXT)) / 2
    canvas.write(asked, _PROMPT, x, top, room, to_the_right)
    top += _height(asked, _PROMPT)
    _arrow(canvas, top + 4, top + _GAP + answer.size * _TEXT.leading / 2, to_the_right)
    canvas.write(answer, _TEXT, x + (0 if to_the_right else _INDENT), top + _GAP, room - _INDENT, to_the_right)


def _arrow(canvas: _Canvas, top: float, middle: float, to_the_right: bool) -> None:
    """Down from the prompt, then towards the middle of the first line below it."""
    start, direction = (WIDTH - _MARGIN - _PADDING, -1) if to_the_right else (_MARGIN + _PADDING, 1)
    stem, tip = start + direction * 10, start + direction * 54
    canvas.line([(stem, top), (stem, middle), (tip, middle)], ARROW, 6)
    canvas.line([(tip - direction * 14, middle - 14), (tip, middle), (tip - direction * 14, middle + 14)], ARROW, 6)


def _pictures(avatar: bytes | None) -> Any:
    """The avatars as high as the header, at most three of them; None when there are none to be seen."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(avatar or b"")) as opened:
            picture = opened.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of what is no picture
        return None
    picture = picture.crop((0, 0, min(picture.width, _MAX_AVATARS * picture.height), picture.height))
    width = max(round(picture.width * _AVATAR / picture.height), 1)
    return picture.resize((width, _AVATAR), Image.Resampling.LANCZOS)


def _png(page: Any, pictures: Any) -> bytes:
    """The file, in a palette: a third of the bytes. Most of its colours are the avatars', which have more than 256."""
    from PIL import Image

    # The octree keeps the colours of large areas as they are, the median cut mixes a thin arrow's with the letters'.
    drawn = page.quantize(_PAGE_COLOURS, Image.Quantize.FASTOCTREE)
    if pictures is not None:
        area = (_MARGIN, _AVATAR_TOP, _MARGIN + pictures.width, _AVATAR_TOP + pictures.height)
        portraits = page.crop(area)
        portraits.paste(pictures, (0, 0), pictures)
        taken = drawn.getpalette()
        best = portraits.quantize(256 - len(taken) // 3, Image.Quantize.MEDIANCUT, kmeans=1)
        dithered = portraits.quantize(palette=best, dither=Image.Dither.FLOYDSTEINBERG)
        drawn.putpalette(taken + dithered.getpalette())
        drawn.paste(dithered.point(lambda index: min(index + len(taken) // 3, 255)), area)
    file = io.BytesIO()
    drawn.save(file, format="PNG")
    return file.getvalue()
