"""What the kept posts say as a whole, so that later stages need not read them for it."""

from collections import Counter
from collections.abc import Iterable
from statistics import median

from hub_publisher.records import KeptPost, PostStatistics

_MAX_BINS = 40


def summarise(posts: Iterable[KeptPost]) -> PostStatistics:
    """One pass over the posts: months and lengths."""
    months: Counter[str] = Counter()
    lengths = []
    for post in posts:
        lengths.append(len(post.text))
        if post.created_at is not None:
            months[post.created_at.strftime("%Y-%m")] += 1
    lengths.sort()
    first, width, bins = _bins(lengths)
    return PostStatistics(
        per_month=_without_gaps(months),
        shortest=lengths[0],
        median=round(median(lengths)),
        longest=lengths[-1],
        first_bin=first,
        bin_width=width,
        bins=bins,
    )


def _bins(lengths: list[int]) -> tuple[int, int, tuple[int, ...]]:
    """Bins as wide as a whole number of characters: no bar is higher because it spans one more."""
    # The longest hundredth would squeeze the rest into a corner.
    first, limit = lengths[0], lengths[int(0.99 * (len(lengths) - 1))]
    width = -(-(limit + 1 - first) // _MAX_BINS)
    counts = [0] * ((limit - first) // width + 1)
    for length in lengths:
        counts[(min(length, limit) - first) // width] += 1
    return first, width, tuple(counts)


def _without_gaps(months: Counter[str]) -> dict[str, int]:
    """Month -> posts from the first to the last month, in order, silent months with 0."""
    if not months:
        return {}
    (year, month), last = map(int, min(months).split("-")), max(months)
    filled = {}
    while (name := f"{year:04d}-{month:02d}") <= last:
        filled[name] = months[name]
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return filled
