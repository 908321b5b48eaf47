"""Links cut out of a text, with what they leave behind: empty brackets, a colon or a `via` that leads nowhere."""

import re

from hub_publisher.curate.sentences import sentence_ends
from hub_publisher.text.words import is_unspaced

# Stands where a link was until the text around it is tidied; a noncharacter, so it is in no text.
_MARK = "\ufdd0"
_MARKS = re.compile(f"{_MARK}(?:[ \t]*{_MARK})+")

# Only ASCII counts as part of a link: in 見てhttps://t.co/abcです the last two letters are the author's. A link does
# not end in punctuation, and holds brackets in pairs only. X's own short forms end in an ellipsis.
_CHARS = r"[A-Za-z0-9_~:/?#@!$&*+,;=%.|'-]*"
_TAIL = rf"(?:{_CHARS}[A-Za-z0-9_~/#&=%$*+-]|{_CHARS}\({_CHARS}\))*…?"
# Hosts that are written without https:// and mean a link. Other bare domains are words as often as links.
_BARE_HOSTS = (
    r"t\.co|pic\.twitter\.com|pic\.x\.com|bit\.ly|youtu\.be|goo\.gl|ow\.ly|buff\.ly|dlvr\.it|tinyurl\.com|is\.gd"
    r"|fb\.me|instagr\.am|lnkd\.in|amzn\.to|wp\.me|j\.mp|ift\.tt"
)
# Each begins with a set of letters: that lets the search skip through text without them.
_LINK = re.compile(rf"[hHfF](?i:ttps?|tp)://{_TAIL}|[hH](?i:ttps?):?/?…")
_BARE_LINK = re.compile(
    rf"(?:(?<![A-Za-z0-9@._/-])(?:{_BARE_HOSTS})/|(?<![A-Za-z0-9@_])www\.[A-Za-z0-9-]+\.){_TAIL}", re.IGNORECASE
)

_CLOSING = {
    "(": ")", "[": "]", "{": "}", "<": ">", "（": "）", "【": "】", "「": "」", "『": "』", "«": "»", "»": "«",
    "“": "”", "„": "“”", "‘": "’", '"': '"', "'": "'",
}  # fmt: skip
_POINTERS = ":：→➡▶►👉⬇↓➜⇒»|–—-\ufe0f \t"
_LEADS = ("via", "at", "from")
# Words that only point at a link, "Tickets", "Get the details": one behind a sentence, up to four with a colon.
_STUB = re.compile(r"[A-ZÀ-ÖØ-ÞΑ-ΩА-Я][^\W\d_]{0,15}")
_POINTING_STUB = re.compile(rf"{_STUB.pattern}(?: (?:&|(?:[^\W\d_]|-)+)){{0,3}}")
_GLUED_BEFORE = ",.;:!?)]}…、。，！？）"


def mark_listed_links(text: str, links: tuple[str, ...]) -> str:
    """`text` with the links that the platform lists marked for `cut_links`; no link is cut out of a longer word."""
    text = text.replace(_MARK, "")
    for link in sorted(filter(None, links), key=len, reverse=True):
        first, *rest = text.split(link)
        goes_on = (part[:1].isascii() and part[:1].isalnum() for part in rest)
        text = first + "".join((link if on else _MARK) + part for part, on in zip(rest, goes_on, strict=True))
    return text


def cut_links(text: str) -> str:
    """`text` without links."""
    if "/" in text or "…" in text:
        text = _LINK.sub(_MARK, text)
    if "/" in text or "www." in text.lower():
        text = _BARE_LINK.sub(_MARK, text)
    if _MARK not in text:
        return text
    first, *rest = _MARKS.sub(_MARK, text).split(_MARK)
    parts = [first]
    for right in rest:
        left, right = _without_leftovers(parts.pop().rstrip(" \t"), right.lstrip(" \t"))
        parts += [left, _glue(left, right), right]
    return "".join(parts)


def _without_leftovers(left: str, right: str) -> tuple[str, str]:
    """What stood before and after a link, without the brackets around it and the words that only point at it."""
    while left and right and right[0] in _CLOSING.get(left[-1], ""):
        left, right = left[:-1].rstrip(" \t"), right[1:].lstrip(" \t")
    if not right or right[0] == "\n":
        end = _end_without_pointers(left)
        left = _without_stub(left[:end], _POINTING_STUB if end < len(left) else _STUB)
    else:
        left = left[: _end_without_lead(left, len(left))].rstrip(" \t")
    return left, right


def _end_without_pointers(text: str) -> int:
    """Where `text` ends without the colons, arrows and words that point at what follows; in linear time."""
    end = len(text)
    while True:
        while end and text[end - 1] in _POINTERS:
            end -= 1
        shorter = _end_without_lead(text, end)
        if shorter == end:
            return end
        end = shorter


def _end_without_lead(text: str, end: int) -> int:
    """Where `text`, as far as `end`, ends without a last word that leads to a link."""
    for word in _LEADS:
        start = end - len(word)
        if start >= 0 and text[start:end].lower() == word and (not start or text[start - 1].isspace()):
            return start
    return end


def _without_stub(left: str, stub: re.Pattern[str]) -> str:
    """`left` without the words between its last sentence, or its last line, and the link that they point at."""
    line = left.rfind("\n") + 1
    start = max((line + end for end in sentence_ends(left[line:]) if line + end < len(left)), default=line)
    return left[:start].rstrip() if start and stub.fullmatch(left[start:].strip()) else left


def _glue(left: str, right: str) -> str:
    """What goes where the link stood: a space between words of scripts that have it."""
    if not left or not right or left[-1] == "\n" or right[0] == "\n" or right[0] in _GLUED_BEFORE:
        return ""
    return "" if is_unspaced(left[-1]) and is_unspaced(right[0]) else " "
