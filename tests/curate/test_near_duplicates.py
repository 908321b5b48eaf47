"""Near duplicates: what a slow comparison of all with all finds, in time that grows with the number of posts only."""

import random
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.curate.near_duplicates import THRESHOLD, WordSets, near_duplicates
from hub_publisher.text.words import words

VOCABULARY = [f"word{n}" for n in range(40)]


def found(texts):
    sets = WordSets()
    for text in texts:
        sets.add(words(text))
    return near_duplicates(sets)


def found_slowly(texts):
    """The definition: compare each text with every one kept before it."""
    kept, flags = [], []
    for text in texts:
        mine = set(words(text))
        flags.append(any(len(mine & other) >= THRESHOLD * len(mine | other) for other in kept))
        if not flags[-1]:
            kept.append(mine)
    return flags


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=30).map(" ".join), max_size=25))
def test_random_sets(texts):
    assert found(texts) == found_slowly(texts)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 6), st.integers(0, 6), st.randoms(use_true_random=False))
def test_two_sets_that_differ_by_a_little(size, num_removed, num_added, rng):
    first = [f"w{rng.random()}" for _ in range(size)]
    second = first[min(num_removed, size - 1) :] + [f"n{n}" for n in range(num_added)]
    rng.shuffle(second)
    texts = [" ".join(first), " ".join(second)]
    assert found(texts) == found_slowly(texts)


def test_families_of_similar_posts():
    rng = random.Random(5)
    texts = []
    for family in range(40):
        base = [f"f{family}w{n}" for n in range(rng.randint(4, 40))]
        for _ in range(10):
            texts.append(" ".join(f"x{rng.random()}" if rng.random() < 0.08 else word for word in base))
    rng.shuffle(texts)
    expected = found_slowly(texts)
    assert found(texts) == expected
    assert 50 < sum(expected) < 350


def test_scripts_without_spaces():
    assert found(
        ["今日は朝から霧がとても深いですね", "今日は朝から霧がとても深いです", "明日は晴れるでしょうか、灯台より"]
    ) == [False, True, False]


def test_a_template_of_thousands_of_posts_takes_no_quadratic_time():
    texts = [f"good morning from the pier, day {n}, wind {n * 7 % 97} knots, tide {n * 3 % 89}" for n in range(20_000)]
    start = process_time()
    flags = found(texts)
    assert process_time() - start < 20  # some 2 s; comparing all with all takes half an hour
    assert flags[0] is False
    assert len(flags) == len(texts)


def test_nothing_and_texts_without_words():
    assert found([]) == []
    assert found(["", "...", "fog"]) == [False, True, False]
