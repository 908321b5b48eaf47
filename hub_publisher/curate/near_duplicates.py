"""Posts that say nearly the same as an earlier one: Jaccard similarity of their sets of words of at least 0.8.

Comparing all with all would take quadratic time. Two sets that similar differ in few words only, so if the words are
dealt out to one more piece than they may differ in, at least one piece is the same in both (Arasu, Ganti, Kaushik:
Efficient exact set-similarity joins, VLDB 2006). Posts are compared only where they share a piece, and within one
piece with the newest 32 at most, which keeps the cost linear: the one place where a pair could be missed.
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hub_publisher.curate.words import shingles

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.8
MAX_COMPARED = 32
# Of two sets with n and m words and similarity t or more, at most (1 - t) / (1 + t) * (n + m) words are in one only.
_MAX_DIFFERENCE = 1 / 9
_CHUNK = 100_000  # posts dealt out at once, to bound the memory


class WordSets:
    """The sets of words of many posts, as numbers in one flat array. An empty text counts as one empty word."""

    def __init__(self, texts: Iterable[str]) -> None:
        vocabulary: dict[str, int] = {}
        self.numbers = array("I")
        self.starts = array("Q", [0])
        for text in texts:
            found = shingles(text) or [""]
            self.numbers.extend([vocabulary.setdefault(word, len(vocabulary)) for word in found])
            self.starts.append(len(self.numbers))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def similarity(self, i: int, j: int) -> float:
        """Jaccard similarity of two posts' sets."""
        first, second = (set(self.numbers[self.starts[k] : self.starts[k + 1]]) for k in (i, j))
        return len(first & second) / len(first | second)


def near_duplicates(texts: Iterable[str]) -> list[bool]:
    """For each text whether it says nearly the same as an earlier one that was not such a duplicate itself."""
    import numpy as np

    sets = WordSets(texts)
    starts = np.frombuffer(sets.starts, dtype=np.uint64).astype(np.int64)
    hashes = _mixed(np.frombuffer(sets.numbers, dtype=np.uint32).astype(np.uint64))
    if not len(sets):
        return []
    sizes = np.diff(starts)
    # Words that two posts share cancel out, so two sketches differ in no more bits than the sets do in words.
    sketches = np.bitwise_xor.reduceat(np.uint64(1) << (hashes & np.uint64(63)), starts[:-1])
    groups = _groups(*_piece_keys(starts, hashes), len(sets))
    return _compare(sets, sizes.tolist(), sketches.tolist(), groups)


def _compare(sets: WordSets, sizes: list[int], sketches: list[int], groups: Iterable[list[int]]) -> list[bool]:
    kept: defaultdict[int, deque[int]] = defaultdict(lambda: deque(maxlen=MAX_COMPARED))
    flags = []
    for i, pieces in enumerate(groups):
        size, sketch = sizes[i], sketches[i]
        is_duplicate = any(
            (sketch ^ sketches[j]).bit_count() <= (size + sizes[j]) * _MAX_DIFFERENCE
            and sets.similarity(i, j) >= THRESHOLD
            for piece in pieces
            for j in kept[piece]
        )
        flags.append(is_duplicate)
        if not is_duplicate:
            for piece in pieces:
                kept[piece].append(i)
    return flags


def _size_classes(largest: int) -> list[tuple[int, int]]:
    """(smallest size, number of pieces) of each class; sets as similar as the threshold lie in the same or the next."""
    classes, size = [], 1
    while size <= largest * 2 + 2:
        last = int(size / THRESHOLD + 1e-9)
        classes.append((size, int(2 * last * _MAX_DIFFERENCE + 1e-9) + 1))
        size = last + 1
    return classes


def _piece_keys(starts: "np.ndarray", hashes: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """One number for the content of each piece of each set, and the set it belongs to.

    Every set is dealt out twice, as a member of its size class and of the next: a similar larger one may be there.
    """
    import numpy as np

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
    hashes: "np.ndarray", sizes: "np.ndarray", classes: "np.ndarray", num_pieces: "np.ndarray"
) -> tuple["np.ndarray", "np.ndarray"]:
    """The sets' words, `sizes` of them each, dealt out by hash to `num_pieces` pieces each: keys and owners."""
    import numpy as np

    owners = np.repeat(np.arange(len(sizes)), num_pieces)  # (pieces,)
    offsets = np.cumsum(num_pieces) - num_pieces
    piece = np.arange(len(owners)) - np.repeat(offsets, num_pieces)
    keys = _mixed((classes[owners] * 65_536 + piece).astype(np.uint64))
    dealt = (hashes >> np.uint64(8)) % np.repeat(num_pieces, sizes).astype(np.uint64)
    np.add.at(keys, np.repeat(offsets, sizes) + dealt.astype(np.int64), _mixed(hashes))
    return keys, owners


def _groups(keys: "np.ndarray", owners: "np.ndarray", num_sets: int) -> Iterator[list[int]]:
    """For each set the pieces that it shares with another, as numbers of groups."""
    import numpy as np

    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[group] > 1
    owners, group = owners[shared], group[shared]
    order = np.argsort(owners, kind="stable")
    group, bounds = group[order], np.searchsorted(owners[order], np.arange(num_sets + 1))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield group[first:last].tolist()


def _mixed(numbers: "np.ndarray") -> "np.ndarray":
    """Numbers scattered over 64 bits (the finaliser of SplitMix64, Steele, Lea, Flood 2014)."""
    import numpy as np

    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
