"""A post's text as the model should see it: the author's words, without links, codes and other people's addresses."""

import re
import unicodedata
from typing import NamedTuple

from hub_publisher.curate.links import cut_links, mark_listed_links
from hub_publisher.text.characters import unescape
from hub_publisher.text.masking import mask_emails, mask_phone_numbers, neutralise_special_tokens


class Cleaned(NamedTuple):
    """The text and how much in it was masked."""

    text: str
    num_emails: int = 0
    num_phone_numbers: int = 0
    num_special_tokens: int = 0


# Joiners (U+200C, U+200D) and the emoji selectors (U+FE0E, U+FE0F) carry meaning and stay; what else is invisible
# goes: controls, soft hyphens, zero-width spaces, direction marks, byte order marks, interlinear marks, tags.
_NEVER_SEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0d\ufeff\ufff9-\ufffb\ufdd1-\ufdef"
)
_INVISIBLE = re.compile(
    f"[{_NEVER_SEEN}]"
    # the joiner that only shapes letters means nothing beside ASCII
    "|(?<![^\x00-\x7f])\u200c|\u200c(?![^\x00-\x7f])"
    # tags spell the flags of England, Scotland and Wales, and elsewhere hide text
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
)
_ENDS_OF_LINES = "\x0b\x0c\r\x85\u2028\u2029"
_ODD_SPACES = "\t\u00a0\u1680\u2000-\u200a\u202f\u205f"
_LINE_END = re.compile(f"\r\n|[{_ENDS_OF_LINES}]")
_ODD_SPACE = re.compile(f"[{_ODD_SPACES}]")
# One look that spares most texts the three substitutions.
_ODD = re.compile(f"[{_NEVER_SEEN}{_ENDS_OF_LINES}{_ODD_SPACES}\u200c\U000e0000-\U000e007f]")
_SPACES = re.compile("  +")
_SPACES_AT_LINE_ENDS = re.compile(" *\n *")
_EMPTY_LINES = re.compile("\n{3,}")
_LEADING_MENTIONS = re.compile(r"\s*(?:@[A-Za-z0-9_]++(?:[.@-][A-Za-z0-9_]++)*+(?!['’])[\s,:]*+)+")
_MAX_PASSES = 10


def clean(text: str, links: tuple[str, ...] = (), is_reply: bool = False, escapes_html: bool = False) -> Cleaned:
    """`text` cleaned. Cleaning what is clean changes nothing: `clean(clean(t).text).text == clean(t).text`.

    `links` are the links as the platform lists them; further ones are found by their look. `is_reply` strips the
    leading names that a reply is addressed to. `escapes_html` unescapes &amp; &lt; &gt; once, in one pass, so that
    a typed `&lt;` (which X sends as `&amp;lt;`) stays as typed.
    """
    text = mark_listed_links(text, links)
    if escapes_html:
        text = unescape(text)
    cleaned = Cleaned(text)
    # What one rule leaves may be work for another (a name behind a link), so the rules run until nothing changes.
    for _ in range(_MAX_PASSES):
        before, cleaned = cleaned, _cleaned_once(cleaned, is_reply)
        if cleaned.text == before.text:
            return cleaned
    return Cleaned("")  # text that never settles was made to break cleaners


def _cleaned_once(before: Cleaned, is_reply: bool) -> Cleaned:
    """Every rule applied once, what it masked added to what was masked before."""
    text = _tidy(cut_links(_normalise(before.text)))
    if is_reply and text.startswith("@"):
        text = _LEADING_MENTIONS.sub("", text, count=1)
    text, num_tokens = neutralise_special_tokens(text)
    text, num_emails = mask_emails(text)
    text, num_phones = mask_phone_numbers(text)
    found = (num_emails, num_phones, num_tokens)
    return Cleaned(text, *map(sum, zip(before[1:], found, strict=True)))


def _normalise(text: str) -> str:
    """NFC, one kind of line end and of space, nothing invisible."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if _ODD.search(text):
        text = _ODD_SPACE.sub(" ", _INVISIBLE.sub("", _LINE_END.sub("\n", text)))
    return text


def _tidy(text: str) -> str:
    """Single spaces, none at the ends of lines, at most one empty line in a row."""
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _EMPTY_LINES.sub("\n\n", _SPACES_AT_LINE_ENDS.sub("\n", text))
    return text.strip()
