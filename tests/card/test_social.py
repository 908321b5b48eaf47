"""The social preview: the same bytes every time, and no box in it, whatever strangers write."""

import io
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hub_publisher.card import social
from hub_publisher.records import Samples

PLAIN = ("The Lamp Keeper", "@lampkeeper_bot", "AI BOT", "My dream is", "that somebody joins me on the ladder today.")
DRAWN = {
    "Latin": "Zażółć gęślą jaźń", "composed": "cafe\u0301", "Greek": "ελληνικά", "Cyrillic": "русский",
    "Armenian": "հայերեն", "Georgian": "ქართული", "symbols": "→ ∑ ½ ™ € ✓ ♥", "presentation": "❤\ufe0f",
    "punctuation": "“No”, she said – then: ‘yes’…", "nothing": "", "white space": " \n\t ",
}  # fmt: skip
NOT_DRAWN = {
    "Hebrew": "שלום", "Arabic": "مرحبا", "Hebrew within Latin": "abc שלום", "Devanagari": "क्षत्रिय", "Thai": "ภาษาไทย",
    "Lao": "ກີ", "Japanese": "日本語", "Korean": "한국어", "Chinese": "中文", "emoji": "ok 🤖", "flag": "🇩🇪",
    "keycap": "1\ufe0f\u20e3", "skin": "👍🏽", "joined": "😀\u200d😀", "mark": "x\u0332",
    "many marks": "Z" + "\u0334\u0317\u0352" * 30,
    "invisible": "a\u200bb", "private": "\ue000", "unassigned": "\u0378", "surrogate": "\ud800", "filler": "\u3164",
    "mathematical": "𝕳",
}  # fmt: skip
HOSTILE = (
    "\x00", "\x1b[31m", "\u202e", "\u2066", "\ufeff", "\U0010ffff", "﷽", "𒐫", "⸻", "W" * 300, "word " * 60, "(" * 80,
    "$x$", "\\frac", *DRAWN.values(), *NOT_DRAWN.values(),
)  # fmt: skip
anything = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=30), max_size=6).map("".join)


@cache
def portraits(number: int, noisy: bool = False) -> bytes:
    """Circles of 160 pixels side by side, as avatar.draw leaves them."""
    canvas = Image.new("RGBA", (160 * number, 160))
    for index in range(number):
        noise = Image.frombytes("RGB", (160, 160), random.Random(index).randbytes(160 * 160 * 3))
        mask = Image.new("L", (160, 160))
        ImageDraw.Draw(mask).ellipse((0, 0, 159, 159), fill=255)
        canvas.paste(noise if noisy else Image.new("RGB", (160, 160), "#c02030"), (160 * index, 0), mask)
    file = io.BytesIO()
    canvas.save(file, format="PNG")
    return file.getvalue()


@cache
def drawn(avatar: bytes | None, *texts: str) -> bytes:
    """One drawing for every test that looks at it."""
    return social.draw(avatar, *texts)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def ink(png: bytes, colour: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of exactly this colour; zeros where there are none."""
    rows, columns = np.nonzero((np.asarray(opened(png)) == rgb(colour)).all(axis=2))
    return (columns.min(), rows.min(), columns.max(), rows.max()) if len(rows) else (0, 0, 0, 0)


def test_the_picture_is_what_social_sites_show() -> None:
    picture = opened(drawn(portraits(1), *PLAIN))
    assert (picture.format, picture.size, picture.mode, picture.info) == ("PNG", (1200, 630), "RGB", {})
    assert list(picture.getpixel((0, 0))) == list(picture.getpixel((1199, 629))) == rgb(social.BACKGROUND)


def test_the_file_holds_nothing_but_pixels() -> None:
    png = drawn(portraits(2), *PLAIN)
    chunks, at = set(), 8
    while at < len(png):
        chunks.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4])
    assert chunks == {b"IHDR", b"IDAT", b"IEND"}


def test_same_input_same_bytes() -> None:
    """From fonts that are opened and read anew, too."""
    first = social.draw(portraits(1), *PLAIN)
    assert social.draw(portraits(1), *PLAIN) == first
    social._font.cache_clear()
    social._covered.cache_clear()
    assert social.draw(portraits(1), *PLAIN) == first


@pytest.mark.parametrize("text", ["No.", "Wij " * 200])
def test_the_file_is_small_even_with_three_photographs(text: str) -> None:
    assert len(drawn(portraits(3, noisy=True), *PLAIN[:-1], text)) < 300_000  # what the strictest site loads


@pytest.mark.parametrize("change", range(5))
def test_each_text_is_drawn(change: int) -> None:
    other = [*PLAIN[:change], "Other", *PLAIN[change + 1 :]]
    assert drawn(None, *other) != drawn(None, *PLAIN)


def test_avatars_are_shown_side_by_side_and_leave_no_gap_where_there_is_none() -> None:
    def is_red(avatar: bytes | None, x: int) -> bool:
        pixel = opened(drawn(avatar, *PLAIN)).getpixel((x, 100))
        return bool(np.abs(np.subtract(pixel, rgb("#c02030"))).max() <= 4)

    assert [is_red(portraits(number), x) for number, x in ((1, 126), (2, 266), (1, 266))] == [True, True, False]
    assert drawn(portraits(5), *PLAIN) == drawn(portraits(3), *PLAIN)
    without = drawn(None, *PLAIN)
    assert ink(without, social.NAME)[0] < 60 < 200 < ink(drawn(portraits(1), *PLAIN), social.MARK)[0]
    assert without == drawn(b"no picture", *PLAIN) == drawn(portraits(1)[:400], *PLAIN)


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [part / 255 for part in rgb(colour)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_can_be_read_on_its_ground() -> None:
    grounds = {social.BACKGROUND: [social.NAME, social.HANDLES, social.MARK, social.PANEL],
               social.PANEL: [social.INK, social.PROMPT, social.ARROW], social.MARK: [social.ON_MARK]}  # fmt: skip
    assert contrast("#ffffff", "#000000") == 21
    assert min(contrast(ground, colour) for ground, colours in grounds.items() for colour in colours) >= 4.5


@pytest.mark.parametrize("kind", DRAWN)
def test_the_font_draws_this(kind: str) -> None:
    assert social.can_draw(DRAWN[kind])


@pytest.mark.parametrize("kind", NOT_DRAWN)
def test_what_the_font_would_draw_wrong_it_does_not_draw(kind: str) -> None:
    assert not social.can_draw(NOT_DRAWN[kind])


@given(text=anything)
@settings(max_examples=100, deadline=None)
def test_no_character_that_is_drawn_is_a_box(text: str) -> None:
    """What a font lacks it draws like any other character that it lacks."""
    for char in set(social._drawable(text)):
        for is_bold in (False, True):
            font = social._font(40, is_bold)
            assert char == " " or bytes(font.getmask(char)) != bytes(font.getmask("\U0010ffff")), char


def test_a_name_that_cannot_be_drawn_gives_way_to_the_handles() -> None:
    shown = drawn(None, "灯台守", *PLAIN[1:])
    assert shown == drawn(None, PLAIN[1], "", *PLAIN[2:]) == drawn(None, "\u202e \n", *PLAIN[1:])
    assert ink(shown, social.HANDLES) == (0, 0, 0, 0)  # no handles are beside the mark as well


def test_a_text_that_cannot_be_drawn_is_left_out_with_its_prompt() -> None:
    alone = drawn(None, *PLAIN[:3], "", "")
    assert drawn(None, *PLAIN[:4], "ok 🤖") == drawn(None, *PLAIN[:3], "私の夢は", "ok") == alone
    assert all(ink(alone, colour) == (0, 0, 0, 0) for colour in (social.INK, social.PROMPT, social.ARROW))
    left, _, right, bottom = ink(alone, social.NAME)
    assert bottom > 200 and right - left > 700  # the name stands in the middle, and is larger


def test_the_first_text_that_can_be_drawn_is_chosen() -> None:
    told = (("One", None), ("Two", "日本語"), ("三", "three"), ("Four", " four"), ("Five", "five"))
    samples = [Samples(prompt=prompt, tuned=(text, "second"), base=()) for prompt, text in told]
    assert social.choose(samples) == ("Four", " four")
    assert social.choose(samples[:3]) == ("", "")


@given(texts=st.tuples(anything, anything, anything, anything, anything))
@example(texts=("A" * 100_000, "b" * 100_000, "🤖" * 100_000, "c " * 50_000, "W" * 100_000))
@example(texts=("\u0301" * 100_000, "日" * 100_000, "שלום " * 20_000, "", ""))
@example(texts=("W " * 200, "W " * 200, "W " * 200, "W " * 200, "W " * 200))
@settings(max_examples=15, deadline=None)
def test_whatever_strangers_write_a_picture_comes_back_and_nothing_leaves_its_place(texts: tuple[str, ...]) -> None:
    png = social.draw(None, *texts)
    assert opened(png).size == (1200, 630)
    for colour in (social.INK, social.PROMPT):
        left, top, right, bottom = ink(png, colour)
        assert left == 0 or (left >= 100 and top >= 220 and right <= 1100 and bottom <= 582)
    assert ink(png, social.MARK)[2] <= 1144


@given(text=anything, width=st.integers(60, 900), height=st.integers(10, 300))
@settings(max_examples=60, deadline=None)
def test_lines_fit_and_no_word_is_lost(text: str, width: int, height: int) -> None:
    written = social._drawable(text)
    block = social._fit(written, width, height, range(40, 20, -4))
    size = block.font.size
    assert 1 <= len(block.lines) <= max(height / (social._LEADING * size), 1)
    assert all(block.font.getlength(line) <= width for line in block.lines)
    shown, whole = "".join(block.lines).replace(" ", ""), written.replace(" ", "")
    assert shown == whole or (size == 24 and shown[-1] == "…" and whole.startswith(shown.rstrip("…")))


def fitted(text: str, width: float, height: float = 1000) -> tuple[float, list[str]]:
    block = social._fit(text, width, height, range(40, 20, -4))
    return block.font.size, block.lines


def test_lines_break_between_words_and_long_words_where_the_line_ends() -> None:
    assert fitted("the lamp keeper climbs", 340) == (40, ["the lamp keeper", "climbs"])
    assert fitted("a donaudampfschifffahrt", 280) == (40, ["a", "donaudampfs", "chifffahrt"])
    assert fitted("one word or two", 900) == (40, ["one word or two"])


def test_a_text_is_as_large_as_it_can_be_and_is_cut_only_at_the_smallest() -> None:
    assert [fitted("some words " * many, 400, 160)[0] for many in (1, 4, 5, 8)] == [40, 40, 32, 28]
    size, lines = fitted("some words, " * 30, 400, 160)
    assert (size, len(lines), lines[-1][-1]) == (24, 5, "…")
    assert {fitted("a, " * 300, width, 160)[1][-1][-2:] for width in range(300, 400, 7)} == {"a…"}
