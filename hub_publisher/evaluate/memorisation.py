"""How much of what models write stands in the training posts, and how varied it is."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from hub_publisher.records import Memorisation, TextStatistics
from hub_publisher.text.copying import COPY_WORDS, WORD, Run, grams, pieces, runs, units, weights

NOVELTY_LENGTHS = (2, 3, 4, 5)  # words of a run: from what every writer repeats to what nearly none does
DISTINCT_LENGTHS = (1, 2, 3)


class Text(NamedTuple):
    """A text as its reader sees it: what was given to the model, and what it wrote after it."""

    prompt: str
    written: str


def statistics(
    train_posts: Iterable[str], tuned: Sequence[Text], base: Sequence[Text], heldout: Sequence[str]
) -> Memorisation:
    """What each of three sets of texts shares with the training posts, which are read once and in one pass.

    A copy is looked for in the whole text, prompt included, as its reader would; novelty (McCoy et al., 2023) and
    distinct-n (Li et al., 2016) are those of the written part alone, because every text of a prompt begins alike. The
    `excess` subtracts the larger of what the base model and the held-out posts, which cannot have copied, reach by
    chance and habit. Takes time in proportion to the posts' words, and memory in proportion to the texts' words.
    """
    sets = [_Texts(texts) for texts in (tuned, base, [Text("", post) for post in heldout])]
    shared = _shared(sets, train_posts)
    num_words = min(sum(weights(tuple(chain(*texts.written)))) for texts in sets) // WORD
    ours, theirs, posts = (_text_statistics(texts, shared, num_words) for texts in sets)
    return Memorisation(
        copy_words=COPY_WORDS,
        num_words=num_words,
        tuned=ours,
        base=theirs,
        heldout=posts,
        excess=_copy_rate(ours) - max(_copy_rate(theirs), _copy_rate(posts)),
    )


class _Texts:
    """The units of a set of texts, and the heaviest run that posts were found to have in common with any of them."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.whole = [units(text.prompt + text.written) for text in texts]
        self.written = [units(text.written) for text in texts]
        self.longest = 0  # half words
        self._heavier = self._runs(1)

    def compare(self, post: Run) -> None:
        """Raise `longest` to the weight of the heaviest run that this post has in common with a text."""
        while not self._heavier.isdisjoint(runs(post, self.longest + 1)):  # what shares a run shares lighter ones too
            self.longest += 1
            self._heavier = self._runs(self.longest + 1)

    def _runs(self, at_least: int) -> set[Run]:
        return {run for text in self.whole for run in runs(text, at_least)}


def _shared(sets: Sequence[_Texts], posts: Iterable[str]) -> set[Run]:
    """Those pieces and n-grams of the texts that posts have too; compares every post with every set on the way."""
    of_texts = {run for texts in sets for text in texts.whole for run in chain(pieces(text), _novelty_grams(text))}
    shared: set[Run] = set()
    for post in map(units, posts):
        shared |= of_texts.intersection(chain(pieces(post), _novelty_grams(post)))
        for texts in sets:
            texts.compare(post)
    return shared


def _novelty_grams(found: Run) -> Iterable[Run]:
    return chain.from_iterable(grams(found, n) for n in NOVELTY_LENGTHS)


def _text_statistics(texts: _Texts, shared: set[Run], num_words: int) -> TextStatistics:
    written = _grams(texts.written, NOVELTY_LENGTHS)
    first = _grams(_first_words(texts.written, num_words), DISTINCT_LENGTHS)
    return TextStatistics(
        num_texts=len(texts.whole),
        num_copied=sum(not shared.isdisjoint(pieces(text)) for text in texts.whole),
        longest_copy=texts.longest // WORD,
        novelty={n: sum(gram not in shared for gram in found) / len(found) for n, found in written.items()},
        distinct={n: len(set(found)) / len(found) for n, found in first.items()},
    )


def _grams(texts: Sequence[Run], lengths: Sequence[int]) -> dict[int, list[Run]]:
    """n -> the n-grams of all texts; no entry where there are none."""
    written = {n: [gram for text in texts for gram in grams(text, n)] for n in lengths}
    return {n: found for n, found in written.items() if found}


def _first_words(texts: Iterable[Run], num_words: int) -> list[Run]:
    """The texts' first units that weigh no more than `num_words` words together."""
    left = num_words * WORD
    kept: list[Run] = []
    for text in texts:
        for number, weight in enumerate(weights(text)):
            left -= weight
            if left < 0:
                return [*kept, text[:number]]
        kept.append(text)
    return kept


def _copy_rate(texts: TextStatistics) -> float:
    return texts.num_copied / texts.num_texts if texts.num_texts else 0.0
