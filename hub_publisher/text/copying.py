"""What it means that a text copies posts: the one definition, for what is withheld and for what is measured.

A word is what stands between spaces and punctuation, without regard to case; in scripts that put no spaces between
words a character weighs half a word. A text copies posts when it has COPY_WORDS words in a row in common with one of
them, or when it is shorter and one of them consists of exactly its words.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from hub_publisher.text.words import UNSPACED, marks

COPY_WORDS = 8
WORD, CHARACTER = 2, 1  # weights of units, in half words

_UNSPACED_CHARACTER = re.compile(f"[{UNSPACED}]")
_FIRST_UNSPACED = UNSPACED[0]

Run = tuple[str, ...]  # units in a row


def copies(posts: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
    """Those of `texts` that copy one of the posts, which are read once and in one pass."""
    found = {text: frozenset(pieces(units(text))) for text in texts}
    copied = frozenset[Run]().union(*found.values()).intersection(run for post in posts for run in pieces(units(post)))
    return frozenset(text for text, runs_of_text in found.items() if runs_of_text & copied)


def units(text: str) -> Run:
    """The words of `text`, case-folded, or characters where words are not spaced."""
    return tuple(_unit().findall(text.casefold()))


def weights(found: Run) -> list[int]:
    """What each unit weighs, in half words."""
    if max(found, default="") < _FIRST_UNSPACED:
        return [WORD] * len(found)
    return [CHARACTER if _UNSPACED_CHARACTER.match(unit) else WORD for unit in found]


def pieces(found: Run) -> Iterable[Run]:
    """What a text and a post have in common exactly when one copies the other.

    These are the runs that weigh COPY_WORDS; of lighter units it is all of them, told from a run by empty ends.
    """
    if sum(weights(found)) >= COPY_WORDS * WORD:
        return runs(found, COPY_WORDS * WORD)
    return [("", *found, "")] if found else []


def runs(found: Run, at_least: int) -> Iterable[Run]:
    """For each unit the shortest run that ends with it and weighs `at_least` so many half words, if there is one."""
    weighed = weights(found)
    return _runs(found, weighed, at_least) if CHARACTER in weighed else grams(found, -(-at_least // WORD))


def grams(found: Run, n: int) -> Iterable[Run]:
    """All runs of n units."""
    return [found[start : start + n] for start in range(len(found) - n + 1)]


def _runs(found: Run, weighed: Sequence[int], at_least: int) -> Iterator[Run]:
    start = total = 0
    for end, weight in enumerate(weighed, 1):
        total += weight
        while total - weighed[start] >= at_least:
            total -= weighed[start]
            start += 1
        if total >= at_least:
            yield found[start:end]


@cache
def _unit() -> re.Pattern[str]:
    return re.compile(rf"[{UNSPACED}]|(?:[^\W{UNSPACED}]|[{marks()}])+")
