"""What the kept posts say as a whole, so that later stages need not read them for it."""

from collections import Counter
from collections.abc import Iterable
from statistics import median

from hub_publisher.records import KeptPost, PostStatistics

_MAX_BINS = 40


def summarise(posts: Iterable[KeptPost]) -> PostStatistics:
    """One pass over the posts: months and lengths."""
    found = [(len(post.text), post.created_at) for post in posts]
    lengths = sorted(length for length, _ in found)
    months = Counter(moment.year * 12 + moment.month - 1 for _, moment in found if moment)
    all_months = range(min(months, default=0), max(months, default=-1) + 1)
    first, width, bins = _bins(lengths)
    return PostStatistics(
        per_month={f"{month // 12:04d}-{month % 12 + 1:02d}": months[month] for month in all_months},
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
    counts = Counter((min(length, limit) - first) // width for length in lengths)
    return first, width, tuple(counts[i] for i in range((limit - first) // width + 1))
