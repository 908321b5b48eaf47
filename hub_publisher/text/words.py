"""What counts as a word: for the shortest posts to keep, and for telling when texts say the same."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

MIN_WORDS = 3
# Three words take about ten letters in scripts that do not put spaces between them.
MIN_UNSPACED_LETTERS = 10

# Thai and Lao, Tibetan, Burmese, Khmer, kana, Han and the half-width kana. Korean does use spaces.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_UNSPACED_LETTER = re.compile(rf"[{UNSPACED}](?<=[^\W\d_])")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_MASKS = re.compile(r"\[(?:e-mail|phone)\]")


def is_too_short(text: str) -> bool:
    """Whether `text` has fewer than 3 words, and fewer than 10 letters of a script without spaces.

    Numbers, #hashtags, @mentions and the marks of masked addresses are no words.
    """
    if "[" in text:
        text = _MASKS.sub(" ", text)
    if _has_at_least(MIN_WORDS, _counted_word().finditer(text)):
        return False
    if text.isascii():
        return True
    without_tags = _tag().sub(" ", text)
    return not _has_at_least(MIN_UNSPACED_LETTERS, _UNSPACED_LETTER.finditer(without_tags))


def words(text: str) -> list[str]:
    """The words of `text` without case and punctuation: two texts with the same words are exact duplicates."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _word().findall(unicodedata.normalize("NFC", text.casefold()))


def shingles(found: list[str]) -> Iterable[str]:
    """What near duplicates share most of, each once: the words, or pairs of letters where words are not spaced."""
    if _UNSPACED_LETTER.search("".join(found)):
        found = [shingle for word in found for shingle in _pairs(word)]
    return dict.fromkeys(found)


def is_unspaced(char: str) -> bool:
    """Whether `char` is a letter of a script that does not separate words by spaces."""
    return bool(_UNSPACED_LETTER.match(char))


def _pairs(word: str) -> Iterator[str]:
    if not _UNSPACED_LETTER.search(word) or len(word) == 1:
        return iter((word,))
    return (word[i : i + 2] for i in range(len(word) - 1))


def _has_at_least(number: int, matches: Iterator[re.Match[str]]) -> bool:
    return next(islice(matches, number - 1, None), None) is not None


@cache
def marks() -> str:
    """All combining marks, for a class of characters: Indic and Thai words hold them, and \\w does not match them."""
    skipped = {*range(0xFE00, 0xFE10), *range(0x20D0, 0x2100)}  # emoji selectors, key caps
    chars = (chr(code) for code in range(0x0300, 0xFFFF) if code not in skipped)
    return "".join(char for char in chars if unicodedata.category(char)[0] == "M")


@cache
def _word() -> re.Pattern[str]:
    return re.compile(rf"[\w{marks()}]+")


@cache
def _counted_word() -> re.Pattern[str]:
    """A run of letters, digits, marks, apostrophes and hyphens with a letter in it, no hashtag and no mention."""
    inside = rf"\w{marks()}'’\-"
    return re.compile(rf"(?<![{inside}#＃@＠])(?=[{inside}]*?[^\W\d_])[{inside}]+")


@cache
def _tag() -> re.Pattern[str]:
    return re.compile(rf"[#＃@＠][\w{marks()}]+")
