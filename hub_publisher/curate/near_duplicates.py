"""Posts that say nearly the same as an earlier one: Jaccard similarity of their sets of words of at least 0.8.

Comparing all with all would take quadratic time. Two sets that similar differ in few words only, so if the words are
dealt out to one more piece than they may differ in, at least one piece is the same in both (Arasu, Ganti, Kaushik:
Efficient exact set-similarity joins, VLDB 2006). Posts are compared only where they share a piece, and with at most
32 others for each, which keeps the cost linear: the one place where a pair could be missed.
"""

from array import array
from collections.abc import Iterator

import numpy as np

from hub_publisher.text.words import shingles

THRESHOLD = 0.8
MAX_COMPARED = 32
# Of two sets with n and m words and similarity t or more, at most (1 - t) / (1 + t) * (n + m) words are in one only.
_MAX_DIFFERENCE = 1 / 9
_CHUNK = 50_000  # posts handled at once, to bound the memory


class WordSets:
    """The sets of words of many posts, oldest first, as numbers in one flat array."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self.numbers = array("I")
        self.starts = array("Q", [0])

    def add(self, words: list[str]) -> None:
        """Append a post that has these words (see `words.words`). No words count as one empty word."""
        vocabulary = self._vocabulary
        found = shingles(words) if words else [""]
        self.numbers.extend([vocabulary.setdefault(word, len(vocabulary)) for word in found])
        self.starts.append(len(self.numbers))

    def similarity(self, i: int, j: int) -> float:
        """Jaccard similarity of two posts' sets."""
        first, second = (set(self.numbers[self.starts[k] : self.starts[k + 1]]) for k in (i, j))
        return len(first & second) / len(first | second)


def near_duplicates(sets: WordSets) -> list[bool]:
    """For each post whether it says nearly the same as an earlier one that was not such a duplicate itself."""
    starts = np.frombuffer(sets.starts, dtype=np.uint64).astype(np.int64)
    if len(starts) == 1:
        return []
    hashes = _mixed(np.frombuffer(sets.numbers, dtype=np.uint32).astype(np.uint64))
    # Words that two posts share cancel out, so two sketches differ in no more bits than the sets do in words.
    sketches = np.bitwise_xor.reduceat(np.uint64(1) << (hashes & np.uint64(63)), starts[:-1])
    original = list(range(len(starts) - 1))  # for each post the earlier one that it repeats, or itself
    for i, j in _candidates(*_piece_keys(starts, hashes), sketches, np.diff(starts)):
        if original[i] != i:
            continue
        # an earlier post that is a duplicate stands for its original, which may be out of reach
        if sets.similarity(i, original[j]) >= THRESHOLD:
            original[i] = original[j]
    return [i != first for i, first in enumerate(original)]


def _candidates(
    keys: np.ndarray, owners: np.ndarray, sketches: np.ndarray, sizes: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Pairs (post, earlier post) that share a piece and whose sketches allow them to be similar, in order of posts."""
    order = np.lexsort((owners, keys))
    keys, owners = keys[order], owners[order]
    for first in range(0, len(sizes), _CHUNK):
        places = np.flatnonzero((owners >= first) & (owners < first + _CHUNK))
        pairs = []
        for lag in range(1, MAX_COMPARED + 1):
            places = places[places >= lag]
            places = places[keys[places] == keys[places - lag]]
            later, earlier = owners[places], owners[places - lag]
            differing = np.bitwise_count(sketches[later] ^ sketches[earlier])
            alike = differing <= (sizes[later] + sizes[earlier]) * _MAX_DIFFERENCE
            pairs.append(later[alike] * len(sizes) + earlier[alike])
        for pair in np.unique(np.concatenate(pairs)).tolist():
            yield divmod(pair, len(sizes))


def _size_classes(largest: int) -> list[tuple[int, int]]:
    """(smallest size, number of pieces) of each class; sets as similar as the threshold lie in the same or the next."""
    classes, size = [], 1
    while size <= largest * 2 + 2:
        last = int(size / THRESHOLD + 1e-9)
        classes.append((size, int(2 * last * _MAX_DIFFERENCE + 1e-9) + 1))
        size = last + 1
    return classes


def _piece_keys(starts: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One number for the content of each piece of each set, and the set it belongs to.

    Every set is dealt out twice, as a member of its size class and of the next: a similar larger one may be there.
    """
    sizes = np.diff(starts)
    smallest, num_pieces = map(np.array, zip(*_size_classes(int(sizes.max())), strict=True))
    classes = np.searchsorted(smallest, sizes, side="right") - 1
    found = []
    for first in range(0, len(sizes), _CHUNK):
        last = min(first + _CHUNK, len(sizes))
        part = hashes[starts[first] : starts[last]]
        for step in (0, 1):
            own = classes[first:last] + step
            keys, owners = _deal(part, sizes[first:last], own, num_pieces[own])
            found.append((keys, owners + first))
    return np.concatenate([keys for keys, _ in found]), np.concatenate([owners for _, owners in found])


def _deal(
    hashes: np.ndarray, sizes: np.ndarray, classes: np.ndarray, num_pieces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sets' words, `sizes` of them each, dealt out by hash to `num_pieces` pieces each: keys and owners."""
    owners = np.repeat(np.arange(len(sizes)), num_pieces)  # (pieces,)
    offsets = np.cumsum(num_pieces) - num_pieces
    piece = np.arange(len(owners)) - np.repeat(offsets, num_pieces)
    keys = _mixed((classes[owners] * 65_536 + piece).astype(np.uint64))
    dealt = (hashes >> np.uint64(8)) % np.repeat(num_pieces, sizes).astype(np.uint64)
    np.add.at(keys, np.repeat(offsets, sizes) + dealt.astype(np.int64), _mixed(hashes))
    return keys, owners


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers scattered over 64 bits (the finaliser of SplitMix64, Steele, Lea, Flood 2014)."""
    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
