"""How far a figure over posts would move with other posts: the percentile bootstrap (Efron and Tibshirani, 1993).

What is drawn is posts, not tokens: the tokens of a post depend on one another, so drawing tokens would make a handful
of posts look like a large sample.
"""

import numpy as np

from hub_publisher.records import Interval

# The limits then differ from seed to seed by about 2 % of the interval's width, which shows in no figure of a card.
NUM_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)


def resampled_sums(columns: np.ndarray, seed: int, num_resamples: int = NUM_RESAMPLES) -> np.ndarray:
    """Sums of what was measured on each post, over posts drawn with replacement: (N, K) -> (num_resamples, K) float64.

    All columns of a row are sums over the same N posts, so ratios and differences of them are paired. One post gives
    its own values in every row. Takes memory for N posts once, however many resamples there are.
    """
    draw = np.random.default_rng(seed)
    values = np.ascontiguousarray(columns.T, dtype=np.float64)  # (K, N)
    num_columns, num_posts = values.shape
    sums = np.empty((num_resamples, num_columns))
    for row in sums:
        times = np.bincount(draw.integers(num_posts, size=num_posts), minlength=num_posts)  # (N,) how often each post
        row[:] = np.einsum("kn,n->k", values, times.astype(np.float64))  # unlike @, the same however many threads
    return sums


def interval(values: np.ndarray) -> Interval:
    """The middle 95 % of a figure's values over the resamples."""
    low, high = np.quantile(values, _TAILS)
    return Interval(low=float(low), high=float(high))
