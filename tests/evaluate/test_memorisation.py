"""The statistics of texts beside a search that tries everything."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.evaluate.memorisation import DISTINCT_LENGTHS, NOVELTY_LENGTHS, Text, statistics
from hub_publisher.records import Memorisation
from tests.text.test_copying import JAPANESE, TEXTS, brute_is_copy, brute_longest, brute_units, brute_weight


def test_hand_counted_statistics() -> None:
    posts = ["the lamp is lit and the kettle is on again today", "fog"]
    tuned = [
        Text("Today", " the lamp is lit and the kettle is on"),  # 9 words in a row; all 8 pairs stand in the post
        Text("the lamp", " is out"),  # 3 in a row with the prompt; "is out" stands nowhere
        Text("the lamp is", ""),
    ]
    base = [Text("Today", " I I I I")]
    heldout = ["Fog!", "The lamp of the kettle is on"]
    found = statistics(iter(posts), tuned, base, heldout)
    assert (found.copy_words, found.num_words) == (8, 4)
    assert [(s.num_texts, s.num_copied, s.longest_copy) for s in (found.tuned, found.base, found.heldout)] == [
        (3, 1, 9),
        (1, 0, 1),  # "today"
        (2, 1, 4),  # "fog" is a whole post; "the kettle is on"
    ]
    assert found.tuned.novelty == pytest.approx({2: 1 / 9, 3: 0, 4: 0, 5: 0})
    assert found.base.novelty == {2: 1, 3: 1, 4: 1}  # 4 words have no five in a row
    assert found.heldout.novelty == pytest.approx({2: 2 / 6, 3: 3 / 5, 4: 3 / 4, 5: 1})
    assert found.tuned.distinct == {1: 1, 2: 1, 3: 1}  # the first 4 words: the lamp is lit
    assert found.base.distinct == pytest.approx({1: 1 / 4, 2: 1 / 3, 3: 1 / 2})
    assert found.heldout.distinct == {1: 1, 2: 1, 3: 1}  # fog; the lamp of
    assert found.excess == pytest.approx(1 / 3 - 1 / 2)


def test_statistics_of_japanese_count_characters_as_half_words() -> None:
    found = statistics([JAPANESE], [Text("今日は", JAPANESE[:9] + "空")], [Text("今日は", "空")], [JAPANESE])
    assert (found.tuned.longest_copy, found.heldout.longest_copy) == (4, len(JAPANESE) // 2)
    assert (found.tuned.num_copied, found.heldout.num_copied) == (0, 1)
    assert found.tuned.novelty == pytest.approx({n: 1 / (11 - n) for n in NOVELTY_LENGTHS})
    assert found.num_words == 0 and found.tuned.distinct == {}  # the base wrote half a word


def test_nothing_written() -> None:
    found = statistics(["a post of five words"], [Text("x", "")], [], ["held out"])
    assert found.tuned.novelty == found.tuned.distinct == found.base.novelty == found.heldout.distinct == {}
    assert (found.base.num_texts, found.num_words, found.excess) == (0, 0, 0)


_WRITTEN = st.lists(st.builds(Text, TEXTS, TEXTS.map(lambda text: f" {text}")), max_size=4)


def grams(texts: Sequence[Sequence[str]], n: int) -> list[tuple[str, ...]]:
    return [tuple(units[at : at + n]) for units in texts for at in range(len(units) - n + 1)]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5), _WRITTEN, _WRITTEN, st.lists(TEXTS, max_size=4))
def test_statistics_are_those_that_a_search_of_everything_finds(
    posts: list[str], tuned: list[Text], base: list[Text], heldout: list[str]
) -> None:
    found = statistics(iter(posts), tuned, base, heldout)
    sets = {"tuned": tuned, "base": base, "heldout": [Text("", post) for post in heldout]}
    for name, texts in sets.items():
        counted = getattr(found, name)
        whole = [text.prompt + text.written for text in texts]
        assert counted.num_texts == len(texts)
        assert counted.num_copied == sum(brute_is_copy(posts, text) for text in whole)
        assert counted.longest_copy == int(max((brute_longest(posts, text) for text in whole), default=0))
        written = [brute_units(text.written) for text in texts]
        known = {n: set(grams(list(map(brute_units, posts)), n)) for n in NOVELTY_LENGTHS}
        assert counted.novelty == pytest.approx(
            {
                n: sum(g not in known[n] for g in all_) / len(all_)
                for n in NOVELTY_LENGTHS
                if (all_ := grams(written, n))
            }
        )
    assert found.num_words == int(
        min(sum(brute_weight(brute_units(t.written)) for t in texts) for texts in sets.values())
    )
    rates = [s.num_copied / s.num_texts if s.num_texts else 0 for s in (found.tuned, found.base, found.heldout)]
    assert found.excess == pytest.approx(rates[0] - max(rates[1:]))
    check_distinct(found, sets)


def check_distinct(found: Memorisation, sets: dict[str, list[Text]]) -> None:
    """Every set is cut to words that weigh no more than `num_words`, and one more unit would weigh more."""
    for name, texts in sets.items():
        cut, weight = [], 0.0
        for number, unit in ((number, unit) for number, text in enumerate(texts) for unit in brute_units(text.written)):
            weight += brute_weight([unit])
            if weight > found.num_words:
                break
            cut.append((number, unit))
        texts_cut = [[unit for at, unit in cut if at == number] for number in range(len(texts))]
        expected = {n: Counter(grams(texts_cut, n)) for n in DISTINCT_LENGTHS}
        assert getattr(found, name).distinct == {n: len(c) / c.total() for n, c in expected.items() if c}


def test_the_order_of_posts_and_reading_them_twice_change_nothing() -> None:
    draw = random.Random(0)
    posts = [" ".join(draw.choices("abcd", k=draw.randrange(1, 15))) for _ in range(200)]
    tuned = [Text("a b", " " + " ".join(draw.choices("abcd", k=12))) for _ in range(20)]
    first = statistics(posts, tuned, tuned[:5], posts[:5])
    assert first == statistics(posts[::-1] + posts, tuned, tuned[:5], posts[:5])
    assert first.heldout.num_copied == 5 and first.tuned.num_copied > 0
