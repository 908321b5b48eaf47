"""The social preview: every script drawn, no box ever, whatever strangers write; the same bytes every time."""

import io
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.textpath import TextToPath
from PIL import Image, ImageDraw

from hub_publisher.card import fonts, social, typeset
from hub_publisher.readme.escape import visible

PLAIN = ("The Lamp Keeper", "@lampkeeper_bot", "AI BOT", "My dream is", "that somebody joins me on the ladder today.")
WRITING = {
    "Latin": "Zażółć gęślą jaźń", "Greek": "ελληνικά", "Cyrillic": "русский", "Hebrew": "שָׁלוֹם",
    "Arabic": "مرحبا", "Persian": "می‌خواهم", "Devanagari": "क्षत्रिय", "Thai": "ภาษาไทยนี้",
    "Japanese": "日本語のテスト", "Korean": "한국어", "Chinese": "中文测试", "emoji": "👩‍👩‍👧🇩🇪❤️1️⃣👍🏽🏴󠁧󠁢󠁥󠁮󠁧󠁿🤖",
    "Tamil": "தமிழ்", "Bengali": "বাংলা", "Khmer": "ខ្មែរ", "Georgian": "ქართული",
    "symbols": "→ ∑ ½ ™ € ✓ ♥",
}  # fmt: skip
HOSTILE = (
    "", " ", "\n", "\x00", "\x1b[31m", "\u202e", "\u2066", "\u200b", "\u200d", "\u200f", "\u3164", "\u2800", "\ufeff",
    "\ud800", "\ue000", "\u0378", "\U0010ffff", "\u0301" * 40, "Z" + "\u0334\u0317\u0352" * 30, "م\u200d🤖", "ש\u0337",
    "﷽", "𒐫", "⸻", "W" * 300, "word " * 60, "。" * 80, "(" * 80, "a\u1064", "\u1064", "🏴\U000e0067", "🇩", "1\u20e3",
    "\u0e33" * 9, "ހދ", "𗀀", "$x$", "\\frac", *WRITING.values(),
)  # fmt: skip
anything = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=30), max_size=6).map("".join)


def dejavu() -> list[fonts.Face]:
    """What is there without any font package."""
    return fonts.at_hand()[-1:]


@cache
def portraits(number: int, noisy: bool = False) -> bytes:
    """Circles of 160 pixels side by side, as avatar.draw leaves them."""
    dice = random.Random(number)
    canvas = Image.new("RGBA", (160 * number, 160))
    for index in range(number):
        face = Image.new("RGB", (160, 160), "#c02030")
        if noisy:
            face.putdata([(dice.randrange(256), dice.randrange(256), dice.randrange(256)) for _ in range(160 * 160)])
        mask = Image.new("L", (160, 160))
        ImageDraw.Draw(mask).ellipse((0, 0, 159, 159), fill=255)
        canvas.paste(face, (160 * index, 0), mask)
    file = io.BytesIO()
    canvas.save(file, format="PNG")
    return file.getvalue()


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def ink(png: bytes, colour: str) -> tuple[int, int, int, int]:
    """The box around every pixel of exactly this colour."""
    pixels = np.asarray(opened(png).convert("RGB"))
    rows, columns = np.nonzero((pixels == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def words_without_spaces(lines: tuple[str, ...] | list[str]) -> str:
    return "".join(lines).replace(" ", "")


def test_the_picture_is_what_social_sites_show() -> None:
    drawn = social.draw(portraits(1), *PLAIN)
    picture = opened(drawn.png)
    assert (picture.format, picture.size, drawn.missing) == ("PNG", (1200, 630), ())
    assert "transparency" not in picture.info and picture.mode == "P"
    assert picture.convert("RGB").getpixel((0, 0)) == picture.convert("RGB").getpixel((1199, 629)) == (0x1E, 0x2A, 0x44)


def test_the_file_holds_nothing_but_pixels() -> None:
    png = social.draw(portraits(2), *PLAIN).png
    chunks, at = set(), 8
    while at < len(png):
        chunks.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4])
    assert chunks == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def test_same_input_same_bytes_in_every_process() -> None:
    script = """
import sys
from hub_publisher.card import social
sys.stdout.buffer.write(social.draw(None, "日本 🤖", "@a", "AI BOT", "क्षत्रिय ภาษา", "שלום x مرحبا ✓").png)
"""
    drawn = {
        subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
                       capture_output=True, cwd=Path(__file__).parent.parent).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(drawn) == 1
    assert opened(drawn.pop()).size == (1200, 630)


@pytest.mark.parametrize("text", ["No.", "word " * 200, "".join(WRITING.values()) * 3])
def test_the_file_is_small_even_with_three_photographs(text: str) -> None:
    assert len(social.draw(portraits(3, noisy=True), *PLAIN[:-1], text).png) < 140_000


def test_everything_that_was_given_is_in_the_alt_text() -> None:
    assert social.draw(None, *PLAIN).alt == (
        "The Lamp Keeper (@lampkeeper_bot), AI BOT. Prompt: “My dream is” "
        "What the model wrote: “that somebody joins me on the ladder today.”"
    )
    assert social.draw(None, "\u200b", "", "", "\n", "").alt == (
        "(no name), AI BOT. Prompt: “(no prompt)” What the model wrote: “(no text)”"
    )


@pytest.mark.parametrize("change", range(5))
def test_each_text_is_drawn(change: int) -> None:
    other = [*PLAIN[:change], "Other", *PLAIN[change + 1 :]]
    assert social.draw(None, *other).png != social.draw(None, *PLAIN).png


def test_avatars_are_shown_side_by_side_and_a_robot_where_there_is_none() -> None:
    def at(avatar: bytes | None, x: int) -> tuple[int, ...]:
        pixel = opened(social.draw(avatar, *PLAIN).png).convert("RGB").getpixel((x, 100))
        assert isinstance(pixel, tuple)
        return pixel

    red = (0xC0, 0x20, 0x30)
    assert np.abs(np.subtract(at(portraits(1), 126), red)).max() <= 4
    assert np.abs(np.subtract(at(portraits(2), 266), red)).max() <= 4
    assert np.abs(np.subtract(at(portraits(1), 266), red)).max() > 40
    assert social.draw(portraits(5), *PLAIN) == social.draw(portraits(3), *PLAIN)
    assert social.draw(None, *PLAIN) == social.draw(b"no picture", *PLAIN) == social.draw(portraits(1)[:400], *PLAIN)


def test_a_portrait_stays_smooth() -> None:
    """Two hundred colours for a picture of thousands: over any eight pixels square they mix to the right one."""
    slope = np.linspace(0, 255, 160)
    colours = np.stack([*np.meshgrid(slope, slope), np.full((160, 160), 128)], axis=2).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(colours).save(file, format="PNG")
    drawn = opened(social.draw(file.getvalue(), *PLAIN).png).convert("RGB").crop((56, 44, 196, 184))
    wanted = Image.fromarray(colours).resize((140, 140), Image.Resampling.LANCZOS)
    one, other = (np.asarray(picture.crop((6, 6, 134, 134)).reduce(8), dtype=float) for picture in (drawn, wanted))
    assert np.abs(one - other).max() < 4


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
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


def test_the_palette_keeps_these_colours() -> None:
    png = social.draw(portraits(2, noisy=True), *PLAIN[:3], "word " * 99, "word " * 99).png
    counted = opened(png).convert("RGB").getcolors(99999)
    assert counted is not None
    there = np.array([colour for number, colour in counted if number > 100])
    for name in ("BACKGROUND", "PANEL", "NAME", "HANDLES", "MARK", "ON_MARK", "INK", "PROMPT", "ARROW"):
        colour = getattr(social, name)
        distance = np.abs(there - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max(axis=1).min()
        assert distance <= 2, name


@pytest.mark.parametrize("script", WRITING)
def test_the_fonts_of_the_installation_draw_this(script: str) -> None:
    text = fonts.one_line(WRITING[script], 100)
    chosen = fonts.choose([text], fonts.at_hand([text]))
    assert (chosen.texts, chosen.missing) == ((text,), ())
    names, shapes = glyphs(chosen.font, text)
    assert names and not any(name.startswith("LastResort") for name in names)
    # The box that stands for a missing glyph is the first glyph of a font.
    assert not any(name.endswith("-0") for name in names)
    assert sum(len(shapes[name][0]) > 0 for name in names) > 0


def glyphs(font: object, text: str) -> tuple[list[str], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """`FontName-index` of each glyph that matplotlib places, and their outlines."""
    placed, shapes, _ = TextToPath().get_glyphs_with_font(font, text)
    return [name for name, *_ in placed], shapes


@pytest.mark.parametrize("text, index", [("日本の灯台", 0), ("灯台 한국", 1), ("灯塔", 2)])
def test_chinese_characters_have_the_shapes_of_their_language(text: str, index: int) -> None:
    families = ["Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK SC"]
    found = [face.font.family_name for face in fonts.at_hand(["@someone", text])]
    assert [family for family in found if "CJK" in family] == [families[index]]


@pytest.mark.parametrize(
    "text, written, missing",
    [
        ("日本 bot 🤖", "·· bot :robot_face:", ("CJK", "emoji")),
        ("灯台守の夢。", "···", ("CJK",)),
        ("🇩🇪 1️⃣ 👩‍👩‍👧!", ":DE: 1 :woman:!", ("emoji",)),
        ("ހދ ‐ ꦲ ᱚ", "·· ‐ · ·", ("Javanese", "Ol Chiki", "Thaana")),
        ("a\ue000b\u0378c", "a·b·c", ("private-use characters", "unassigned characters")),
        ("☝🏽", "☝", ("emoji",)),
        ("𝕳𝖎 · x\U0001D167", "·· · x", ("combining marks", "symbols")),
        ("plain, ελληνικά, русский, שלום, مرحبا", "plain, ελληνικά, русский, שלום, مرحبا", ()),
    ],
)  # fmt: skip
def test_without_its_font_a_character_is_named_and_replaced(text: str, written: str, missing: tuple[str, ...]) -> None:
    chosen = fonts.choose([text], dejavu())
    assert (chosen.texts, chosen.missing) == ((written,), missing)


def test_the_picture_says_what_is_missing() -> None:
    assert social.draw(None, "灯台", "@a", "AI BOT", "私の夢は", "🤖🤖", dejavu()).missing == ("CJK", "emoji")


def test_the_remedy_is_one_line_to_type() -> None:
    assert social.remedy(()) == social.remedy(["private-use characters", "unassigned characters"]) == ""
    assert social.remedy(("CJK", "emoji")) == (
        "To draw CJK, emoji, install fonts: pip install noto-cjk-sans-otc; pip install manimgx-fonts."
    )
    assert social.remedy(("Thaana", "unassigned characters")) == (
        "To draw Thaana, install fonts: a font from your system, e.g. Debian's fonts-noto-core or fonts-noto-extra."
    )


def make_font(path: Path, family: str, characters: dict[int, str]) -> None:
    """A font with a glyph of ink, named "mine", and an empty one, named "blank"."""
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "mine", "blank"])
    builder.setupCharacterMap(characters)
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 900))
    pen.lineTo((900, 0))
    pen.closePath()
    empty = TTGlyphPen(None).glyph()
    builder.setupGlyf({".notdef": empty, "mine": pen.glyph(), "blank": empty})
    builder.setupHorizontalMetrics({name: (1000, 0) for name in (".notdef", "mine", "blank")})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def test_fonts_of_the_system_are_asked_last(tmp_path: Path) -> None:
    """In a process of its own: matplotlib learns at import where this system keeps its fonts."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "broken.ttf").write_bytes(b"no font")
    make_font(folder / "Tiny.ttf", "Tiny", {0xE123: "mine", 0xE124: "blank", ord("a"): "blank"})
    make_font(folder / "Last.ttf", "Last Resort", {0xE123: "blank", 0xE125: "mine"})
    script = """
from hub_publisher.card import fonts
chosen = fonts.choose(["a\\ue123 \\ue124 \\ue125"])
assert (chosen.texts, chosen.missing) == (("a\\ue123 \\u00b7 \\u00b7",), ("private-use characters",)), chosen
assert fonts.choose(["a\\ue123"], fonts.at_hand()).missing == ("private-use characters",)
"""
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, encoding="utf-8",
                          check=False, cwd=Path(__file__).parent.parent)  # fmt: skip
    assert done.returncode == 0, done.stderr


@given(text=anything)
@example("Z" + "\u0334\u0317\u0352" * 200)
@example("م\u200d🤖")
@settings(max_examples=200, deadline=None)
def test_one_line_is_short_and_stays_as_it_is(text: str) -> None:
    line = fonts.one_line(text, 20)
    assert len(fonts.graphemes(line)) <= 20
    assert max(map(len, fonts.graphemes(line)), default=0) <= 20
    assert line == line.strip() and "\n" not in line and "  " not in line
    assert "".join(fonts.graphemes(line)) == line


@pytest.mark.parametrize(
    "text, line",
    [
        ("a\u202eb\u2066c\x00d\te\n\nf", "abcd e f"),
        ("e\u0301", "é"),
        ("\u3164\u200b\u2800", ""),
        ("12345678", "1234…"),
        ("👩‍👩‍👧" * 6, "👩‍👩‍👧" * 4 + "…"),
        ("x" + "\u0301" * 9, "x́" + "\u0301" * 3),
        (" " * 9000 + "far", "far"),
    ],
)
def test_one_line_shows_what_there_is_to_see(text: str, line: str) -> None:
    assert fonts.one_line(text, 5 if len(text) < 9 or "👩" in text else 40) == line


@given(texts=st.tuples(anything, anything, anything, anything, anything), bare=st.booleans())
@example(texts=("A" * 100_000, "\u0301" * 100_000, "🤖" * 100_000, "日" * 100_000, "שלום " * 20_000), bare=False)
@example(texts=("", "", "", "", ""), bare=True)
@settings(max_examples=60, deadline=None)
def test_whatever_strangers_write_a_picture_comes_back(texts: tuple[str, ...], bare: bool) -> None:
    """matplotlib warns where it draws a box in place of a glyph, and a warning is an error in this suite."""
    drawn = social.draw(None, *texts, dejavu() if bare else None)
    assert opened(drawn.png).size == (1200, 630)
    assert visible(drawn.alt, "") and "\n" not in drawn.alt
    assert list(drawn.missing) == sorted(set(drawn.missing)) and all(drawn.missing)


@given(text=anything, width=st.floats(60, 900), height=st.floats(10, 300))
@settings(max_examples=100, deadline=None)
def test_lines_fit_and_no_word_is_lost(text: str, width: float, height: float) -> None:
    line = fonts.one_line(text, 120)
    chosen = fonts.choose([line], fonts.at_hand([line]))
    (written,) = chosen.texts
    block = typeset.fit(chosen.font, written, width, height, range(40, 20, -4), 1.3)
    assert 1 <= len(block.lines) <= max(height / (1.3 * block.size), 1)
    shown, whole = words_without_spaces(block.lines), words_without_spaces([written])
    assert shown == whole or (block.size == 24 and shown[-1] == "…" and whole.startswith(shown.rstrip("…")))
    longest = max(typeset.advance(chosen.font, cluster) for cluster in [*fonts.graphemes(written), "…"])
    for part in block.lines:
        assert typeset.advance(chosen.font, part) * block.size <= max(width, longest * block.size) + 0.5 * block.size


def fitted(text: str, width: float, height: float = 1000) -> typeset.Block:
    chosen = fonts.choose([text], fonts.at_hand([text]))
    return typeset.fit(chosen.font, text, width, height, range(40, 20, -4), 1.3)


def test_lines_break_between_words_and_between_ideographs() -> None:
    assert fitted("the lamp keeper climbs the stairs", 400).lines == ("the lamp keeper", "climbs the stairs")
    assert fitted("明日もきっと晴れるよ。「猫」が言った", 200).lines == (
        "明日もきっ",
        "と晴れる",
        "よ。「猫」",
        "が言った",
    )
    assert fitted("one word or two", 900).lines == ("one word or two",)
    assert fitted("donaudampfschifffahrt", 260).lines == ("donaudampf", "schifffahrt")
    assert fitted("一二三「四五六", 160).lines == ("一二三", "「四五六")
    assert fitted("日本語word日本語", 200).lines == ("日本語", "word", "日本語")


def test_a_text_is_as_large_as_it_can_be_and_is_cut_only_at_the_smallest() -> None:
    assert [fitted("some words " * many, 400, 160).size for many in (1, 4, 5, 8)] == [40, 40, 32, 28]
    cut = fitted("some words, " * 30, 400, 160)
    assert (cut.size, len(cut.lines), cut.lines[-1][-1]) == (24, 5, "…")
    ends = [fitted("a, " * 300, width, 160).lines[-1] for width in range(300, 400, 7)]
    assert {end[-2:] for end in ends} == {"a…"}


@pytest.mark.parametrize(
    "text, answer", [("שלום abc", True), ("12 مرحبا", True), ("abc שלום", False), ("12 :)", False)]
)
def test_the_first_letter_decides_the_direction(text: str, answer: bool) -> None:
    assert typeset.is_right_to_left(text) is answer


def last_ink(text: str, right_to_left: bool, letter: str) -> bool:
    """Whether the outline of `letter`, drawn alone, is the rightmost part of the line."""
    font = fonts.choose([text], fonts.at_hand([text])).font
    line, alone = (typeset.outline(font, part, right_to_left) for part in (text, letter))
    shifted = alone.path.vertices[:-1] + np.array([line.right - alone.right, 0])
    distances = np.abs(line.path.vertices[:, None, :] - shifted[None]).max(axis=2).min(axis=0)
    return bool((distances < 1e-6).mean() > 0.9)


@pytest.mark.parametrize(
    "text, right_to_left, rightmost, not_rightmost",
    [
        ("שלום", True, "ש", "ם"),
        ("hello", False, "o", "h"),
        ("abc שלום", True, "c", "ם"),  # a later line of a Hebrew paragraph, which begins with Latin
        ("ש 12", True, "ש", "2"),
        ("日本שם", True, "本", "ם"),
        ("שם 🤖", True, "ש", "🤖"),
    ],
)
def test_right_to_left_text_begins_at_the_right(
    text: str, right_to_left: bool, rightmost: str, not_rightmost: str
) -> None:
    assert last_ink(text, right_to_left, rightmost)
    assert not last_ink(text, right_to_left, not_rightmost)


def test_numbers_keep_their_order_within_hebrew() -> None:
    assert last_ink("12", True, "2") and last_ink("12 שלום"[:2], True, "2")
    font = fonts.choose(["שלום 12"], fonts.at_hand()).font
    whole, number = (typeset.outline(font, part, True) for part in ("שלום 12", "12"))
    first = whole.path.vertices[: len(number.path.vertices) - 1] - [whole.left, 0]
    assert np.allclose(first[0], number.path.vertices[0] - [number.left, 0])


def test_arabic_letters_are_joined() -> None:
    font = fonts.choose(["مرحبا"], fonts.at_hand()).font
    apart = sum(typeset.advance(font, letter) for letter in "مرحبا")
    assert typeset.advance(font, "مرحبا") < 0.9 * apart


def test_right_to_left_words_stand_at_the_right_with_the_arrow() -> None:
    left_to_right = social.draw(None, *PLAIN[:3], "Yes", "No").png
    right_to_left = social.draw(None, *PLAIN[:3], "כן", "לא").png
    for colour, start in ((social.INK, 180), (social.ARROW, 107), (social.PROMPT, 100)):
        first, *_ = ink(left_to_right, colour)
        *_, last, _ = ink(right_to_left, colour)
        assert start <= first <= start + 4 and 1200 - start - 4 <= last <= 1200 - start, colour
