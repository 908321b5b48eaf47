"""The bootstrap beside a plain loop over the same draws, and what its intervals must do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.evaluate.bootstrap import NUM_RESAMPLES, interval, resampled_sums
from hub_publisher.records import Interval


def lengths_and_nats(num_posts: int, seed: int = 0) -> np.ndarray:
    """(N, 2): tokens of each post, and nats that grow with them, as losses do."""
    draw = np.random.default_rng(seed)
    tokens = draw.integers(3, 60, size=num_posts)
    return np.column_stack([tokens * draw.gamma(8, 0.5, size=num_posts), tokens])


@pytest.mark.parametrize("num_posts", [1, 2, 9, 50])
def test_the_sums_are_those_of_a_plain_loop(num_posts: int) -> None:
    columns = lengths_and_nats(num_posts)
    draw = np.random.default_rng(7)
    expected = []
    for _ in range(30):
        chosen = [columns[index] for index in draw.integers(num_posts, size=num_posts)]
        expected.append([sum(row[0] for row in chosen), sum(row[1] for row in chosen)])
    np.testing.assert_allclose(resampled_sums(columns, 7, 30), expected, rtol=1e-12)


def test_one_seed_gives_one_result_and_another_gives_another() -> None:
    columns = lengths_and_nats(40)
    first = resampled_sums(columns, 1)
    assert first.shape == (NUM_RESAMPLES, 2)
    assert (first == resampled_sums(columns, 1)).all() and (first != resampled_sums(columns, 2)).any()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(1, 500)), min_size=1, max_size=30), st.integers(0, 2**32 - 1)
)
def test_a_ratio_stays_within_those_of_single_posts(posts: list[tuple[float, int]], seed: int) -> None:
    columns = np.array(posts, dtype=float)
    ratios = (sums := resampled_sums(columns, seed, 50))[:, 0] / sums[:, 1]
    bounds, single = interval(ratios), columns[:, 0] / columns[:, 1]
    assert single.min() * (1 - 1e-12) <= bounds.low <= bounds.high <= single.max() * (1 + 1e-12)


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.integers(1, 500), st.integers(0, 2**32 - 1))
def test_one_post_gives_its_own_value(nats: float, num_tokens: int, seed: int) -> None:
    sums = resampled_sums(np.array([[nats, num_tokens]]), seed, 20)
    assert interval(sums[:, 0] / sums[:, 1]) == Interval(low=nats / num_tokens, high=nats / num_tokens)


def test_intervals_hold_the_figure_and_shrink_as_posts_are_added() -> None:
    widths = []
    for num_posts in (20, 80, 320, 1280):
        columns = lengths_and_nats(num_posts)
        bounds = interval((sums := resampled_sums(columns, 0))[:, 0] / sums[:, 1])
        nats, num_tokens = columns.sum(0)
        assert bounds.low < nats / num_tokens < bounds.high
        widths.append(bounds.high - bounds.low)
    for wide, narrow in pairwise(widths):  # by about the square root of four
        assert 1.5 < wide / narrow < 2.8


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """For a mean of independent normal values the percentile interval is close to the textbook's."""
    draw, held = np.random.default_rng(3), 0
    for seed in range(200):
        bounds = interval(resampled_sums(draw.normal(size=(100, 1)), seed, 400)[:, 0] / 100)
        held += bounds.low <= 0 <= bounds.high
    assert 180 <= held <= 199


def test_the_middle_95_percent() -> None:
    assert interval(np.arange(201.0)) == Interval(low=5, high=195)
