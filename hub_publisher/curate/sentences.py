"""Where sentences end: what a cut post is cut back to, and what a link's last words are told apart by."""

import re
from collections.abc import Iterator

# With quotes, brackets and emoji behind it. What follows on the line is no lower case but a link's: "D.C. today" and "I
# thought... and then" go on.
_CLOSING = "\"'”’»)\\]\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_END = re.compile(
    rf"(?<![.!?…])[.!?…]++[{_CLOSING}]*+(?=[ \t]*+(?:\n|$)|\s++(?:[^a-zà-öø-ÿα-ωа-я]|https?:))"
    r"|(?<![。！？])[。！？]++[」』）]*+"
)
_ABBREVIATION = re.compile(
    r"(?:(?<![^\W_])(?:[A-Z][a-z]?|[a-z]|vs|approx|Mrs|Sgt|Col|Gen|Gov|Hon|Rep|Rev|Sen|Sec|Capt|Prof|Dept|Assoc|Inc|Ltd"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Nos?)|\.[^\W\d_])$"
)
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
