"""Where sentences end: what a cut post is cut back to, and what a link's last words are told apart by."""

import re
from collections.abc import Iterator

# What follows is no lower case: "Washington D.C. today" and "I thought... and then" go on.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s++[^a-zà-öø-ÿα-ωа-я]|\s*+$)|(?<![。！？])[。！？]++[」』）]*+")
# Dr., Sec., Dec., U.S., p.m.: a capital with at most two letters after it, a single letter, or what never ends one.
_ABBREVIATION = re.compile(r"(?:(?<![^\W_])(?:[A-Z][a-z]{0,2}|[a-z]|vs|approx)|\.[^\W\d_])$")
_LONGEST = 10  # characters that an abbreviation is looked for in
_MARK = "…"
_TAIL = 40  # characters in which a source's mark and link stand


def sentence_ends(text: str) -> Iterator[int]:
    """Yield the places behind the sentences of `text`; an end that may be an abbreviation's is none."""
    for end in _END.finditer(text):
        if (
            end[0][0] != "."
            or end[0].startswith("..")
            or not _ABBREVIATION.search(text, max(0, end.start() - _LONGEST), end.start())
        ):
            yield end.end()


def whole_sentences(text: str) -> str:
    """Return the whole sentences of a text whose end its source cut off; empty when there is none."""
    mark = text.rfind(_MARK, max(0, len(text) - _TAIL))
    stem = text[:mark] if mark >= 0 else text
    if re.search(r"\d\.$", stem):
        stem = stem[:-1]  # half of a number
    return stem[: max(sentence_ends(stem), default=0)]
