"""Which posts are held out: the newest, so that the model is judged on what it could not have seen."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from hub_publisher.records import KeptPost, Post

TRAIN, HELDOUT = "train", "heldout"
_MIN_TIMED = 0.95  # of the posts, for time to decide
_FIRST = datetime.min.replace(tzinfo=UTC)


def by_time(posts: Sequence[Post]) -> list[Post]:
    """`posts` oldest first, ties by id; posts without a time come first, in the order of their source."""
    return sorted(posts, key=_when)


def _when(post: Post) -> tuple[datetime, int, str]:
    if post.created_at is None:
        return _FIRST, 0, ""
    return post.created_at, len(post.id), post.id  # ids are numbers that grow


def split(posts: Sequence[KeptPost], heldout_ratio: float, seed: int) -> tuple[list[KeptPost], str]:
    """`posts` (oldest first) with their split set, and how it was decided: by "time" or by "hash".

    The newest `heldout_ratio` of the posts are held out where at least 95 % have a time. Else a post's text and the
    seed decide, so that a post stays on its side when others come or go. Both sides get one post at least.
    """
    num_timed = sum(post.created_at is not None for post in posts)
    if num_timed >= _MIN_TIMED * len(posts):
        num_heldout = min(max(1, round(heldout_ratio * len(posts))), len(posts) - 1)
        heldout, how = set(range(len(posts) - num_heldout, len(posts))), "time"
    else:
        heldout, how = _by_hash(posts, heldout_ratio, seed), "hash"
    sides = (HELDOUT if i in heldout else TRAIN for i in range(len(posts)))
    return [post.model_copy(update={"split": side}) for post, side in zip(posts, sides, strict=True)], how


def _by_hash(posts: Sequence[KeptPost], heldout_ratio: float, seed: int) -> set[int]:
    places = [_place(post.text, seed) for post in posts]
    heldout = {i for i, place in enumerate(places) if place < heldout_ratio}
    heldout.add(places.index(min(places)))
    if len(heldout) == len(posts) > 1:
        heldout.remove(places.index(max(places)))
    return heldout


def _place(text: str, seed: int) -> float:
    """A number from 0 to 1 that depends on nothing but the text and the seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{text}".encode()).digest()[:7]) / 2**56
