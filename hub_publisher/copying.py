"""What it means that a text copies posts: the one definition, for what is withheld and for what is measured.

A word is what stands between spaces and punctuation, without regard to case; in scripts that put no spaces between
words a character weighs half a word. A text copies posts when it has COPY_WORDS words in a row in common with one of
them, or when it is shorter and one of them consists of exactly its words.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from hub_publisher.records import Memorisation, TextStatistics

COPY_WORDS = 8
NOVELTY_LENGTHS = (2, 3, 4, 5)  # words of a run: from what every writer repeats to what nearly none does
DISTINCT_LENGTHS = (1, 2, 3)

# Kana, Han, Thai, Lao, Burmese, Khmer.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
# Vowel signs and accents that words of Latin, Cyrillic, Hebrew, Arabic and Indic scripts hold and \w does not match.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u096f\u0971-\u0df3"
)
_UNIT = re.compile(f"[{_UNSPACED}]|(?:[^\\W{_UNSPACED}]|[{_MARKS}])+")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_WORD, _CHARACTER = 2, 1  # weights, in half words


class Text(NamedTuple):
    """A text as its reader sees it: what was given to the model, and what it wrote after it."""

    prompt: str
    written: str


def copies(posts: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
    """Those of `texts` that copy one of the posts, which are read once and in one pass."""
    compared = list(dict.fromkeys(texts))
    shared = _SharedRuns([_units(text) for text in compared])
    shared.read(posts)
    return frozenset(text for text, found in zip(compared, shared.overlaps(), strict=True) if found.is_copy)


def statistics(
    train_posts: Iterable[str], tuned: Sequence[Text], base: Sequence[Text], heldout: Sequence[str]
) -> Memorisation:
    """What each of three sets of texts shares with the training posts, which are read once and in one pass.

    A copy is looked for in the whole text, prompt included, as its reader would; novelty (McCoy et al., 2023) and
    distinct-n (Li et al., 2016) are those of the written part alone, because every text of a prompt begins alike. The
    `excess` subtracts the larger of what the base model and the held-out posts, which cannot have copied, reach by
    chance and habit. Takes time in proportion to the posts' words, and memory in proportion to the texts' words.
    """
    sets = (tuned, base, [Text("", post) for post in heldout])
    shared = _SharedRuns([_units(text.prompt + text.written) for texts in sets for text in texts])
    shared.read(train_posts)
    overlaps = iter(shared.overlaps())
    found = [[(next(overlaps), len(_units(text.prompt))) for text in texts] for texts in sets]
    num_words = min(sum(_weight(overlap.units[start:]) for overlap, start in texts) for texts in found) // _WORD
    ours, theirs, posts = (_text_statistics(texts, num_words) for texts in found)
    return Memorisation(
        copy_words=COPY_WORDS,
        num_words=num_words,
        tuned=ours,
        base=theirs,
        heldout=posts,
        excess=_copy_rate(ours) - max(_copy_rate(theirs), _copy_rate(posts)),
    )


class _Overlap(NamedTuple):
    """One text beside the posts."""

    units: list[str]
    runs: list[int]  # for each unit how many units, up to and with it, stand in a row in a post too
    is_a_post: bool  # a whole post has exactly these units

    @property
    def longest(self) -> int:
        """Weight of the heaviest run that stands in a post too, in half words."""
        weights = [0, *accumulate(map(_unit_weight, self.units))]
        return max((weights[end] - weights[end - run] for end, run in enumerate(self.runs, 1)), default=0)

    @property
    def is_copy(self) -> bool:
        return self.is_a_post or self.longest >= COPY_WORDS * _WORD


class _SharedRuns:
    """The suffix automaton of some texts (Blumer et al., 1985), through which posts are streamed.

    Each state stands for runs that end at the same places in the texts: of `_lengths[state]` units down to one more
    than its suffix link has. Reading a post keeps the longest run that ends at each of its units and stands in the
    texts; `_matched` remembers the longest such run for each state. That is enough to know, for every place in every
    text, the longest run that ends there and stands in some post.
    """

    def __init__(self, texts: Sequence[list[str]]) -> None:
        self._texts = texts
        self._whole = {tuple(units): False for units in texts if units}  # units of a text -> are they a whole post
        self._next: list[dict[str, int]] = [{}]
        self._links, self._lengths = [-1], [0]
        self._ends: list[list[int]] = []  # the state of each place in each text
        last = 0
        for number, units in enumerate(texts):
            ends = []
            for unit in units:
                last = self._extend(last, unit)
                ends.append(last)
            self._ends.append(ends)
            last = self._extend(last, f" {number}")  # no run goes on from one text into the next
        self._matched = [0] * len(self._next)

    def _extend(self, last: int, unit: str) -> int:
        state = self._add({}, self._lengths[last] + 1)
        while last >= 0 and unit not in self._next[last]:
            self._next[last][unit] = state
            last = self._links[last]
        self._links[state] = self._split(last, unit) if last >= 0 else 0
        return state

    def _split(self, before: int, unit: str) -> int:
        """The state of the runs of `before` and `unit` after them, parted from longer runs where there are any."""
        found, length = self._next[before][unit], self._lengths[before] + 1
        if self._lengths[found] == length:
            return found
        copy = self._add(dict(self._next[found]), length)
        self._links[copy], self._links[found] = self._links[found], copy
        while before >= 0 and self._next[before].get(unit) == found:
            self._next[before][unit] = copy
            before = self._links[before]
        return copy

    def _add(self, following: dict[str, int], length: int) -> int:
        self._next.append(following)
        self._links.append(-1)
        self._lengths.append(length)
        return len(self._next) - 1

    def read(self, posts: Iterable[str]) -> None:
        """Stream posts through the automaton; may be called again with more of them."""
        following, links, lengths, matched, whole = self._next, self._links, self._lengths, self._matched, self._whole
        for post in posts:
            units = _units(post)
            if (key := tuple(units)) in whole:
                whole[key] = True
            state = length = 0
            for unit in units:
                while state and unit not in following[state]:
                    state = links[state]
                    length = lengths[state]
                if unit in following[state]:
                    state = following[state][unit]
                    length += 1
                    if length > matched[state]:
                        matched[state] = length

    def overlaps(self) -> list[_Overlap]:
        """Each text, in order, beside the posts read so far."""
        runs = list(self._matched)
        by_length = sorted(range(1, len(runs)), key=self._lengths.__getitem__)
        for state in reversed(by_length):  # what ends a run that was matched, was matched
            if runs[state] and self._links[state]:
                runs[self._links[state]] = self._lengths[self._links[state]]
        for state in by_length:  # what was not matched as a whole may end in something that was
            runs[state] = runs[state] or runs[self._links[state]]
        return [
            _Overlap(units, [runs[end] for end in ends], self._whole.get(tuple(units), False))
            for units, ends in zip(self._texts, self._ends, strict=True)
        ]


def _units(text: str) -> list[str]:
    """The words of `text`, case-folded, or characters where words are not spaced."""
    return _UNIT.findall(text.casefold())


def _weight(units: Iterable[str]) -> int:
    return sum(map(_unit_weight, units))


def _unit_weight(unit: str) -> int:
    return _CHARACTER if _UNSPACED_CHARACTER.match(unit) else _WORD


def _text_statistics(texts: Sequence[tuple[_Overlap, int]], num_words: int) -> TextStatistics:
    """The statistics of texts that a model went on writing after so many units of their prompts."""
    return TextStatistics(
        num_texts=len(texts),
        num_copied=sum(overlap.is_copy for overlap, _ in texts),
        longest_copy=max((overlap.longest for overlap, _ in texts), default=0) // _WORD,
        novelty=_novelty(texts),
        distinct=_distinct(_first_words((overlap.units[start:] for overlap, start in texts), num_words)),
    )


def _novelty(texts: Sequence[tuple[_Overlap, int]]) -> dict[int, float]:
    """n -> share of the written n-grams that stand in no post; no entry where there are none."""
    shares = {}
    for n in NOVELTY_LENGTHS:
        # A run as long as n that ends at the last of n units covers them all.
        known = [run >= n for overlap, start in texts for run in overlap.runs[start + n - 1 :]]
        if known:
            shares[n] = 1 - sum(known) / len(known)
    return shares


def _distinct(texts: Sequence[list[str]]) -> dict[int, float]:
    """n -> distinct n-grams / n-grams; no entry where there are none."""
    shares = {}
    for n in DISTINCT_LENGTHS:
        counts = Counter(tuple(units[at : at + n]) for units in texts for at in range(len(units) - n + 1))
        if counts:
            shares[n] = len(counts) / counts.total()
    return shares


def _first_words(texts: Iterable[list[str]], num_words: int) -> list[list[str]]:
    """The texts' first units that weigh no more than `num_words` words together."""
    left = num_words * _WORD
    kept: list[list[str]] = []
    for units in texts:
        for number, unit in enumerate(units):
            left -= _unit_weight(unit)
            if left < 0:
                return [*kept, units[:number]]
        kept.append(units)
    return kept


def _copy_rate(texts: TextStatistics) -> float:
    return texts.num_copied / texts.num_texts if texts.num_texts else 0.0
