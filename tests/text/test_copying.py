"""What counts as a copy, beside a search that tries everything."""

import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.text.copying import COPY_WORDS, copies

JAPANESE = "港の壁のかもめを全部数えてから潮が変わるのを待つ"


def test_what_counts_as_a_copy() -> None:
    post = "one two three four five six seven eight nine ten"
    eight = "well, ONE two three: four five six seven eight!"
    seven = "one two three four five six seven but not eight"
    assert copies([post], [eight, seven, eight]) == {eight}
    assert copies([seven, post], [post]) == {post}
    assert copies([post], [""]) == copies([], [post]) == copies([post], []) == frozenset()


def test_a_short_text_copies_only_a_whole_post() -> None:
    posts = ["Good morning, world", "one two three four five six seven eight nine"]
    assert copies(posts, ["good morning world!", "good morning world and all", "good morning", "one two three"]) == {
        "good morning world!"
    }
    assert copies([""], ["", "..."]) == frozenset()


def test_a_character_of_a_script_without_spaces_is_half_a_word() -> None:
    assert copies([JAPANESE], ["昨日は" + JAPANESE[:16], "昨日は" + JAPANESE[:15]]) == {"昨日は" + JAPANESE[:16]}
    mixed = JAPANESE[:4] + " one two three four five six"  # 4 / 2 + 6 words
    assert copies([f"また {mixed} また"], [f"です {mixed}", f"です {mixed[1:]}"]) == {f"です {mixed}"}


@pytest.mark.parametrize("word", ["हिन्दी", "français", "français", "עִבְרִית", "العَرَبِيَّة", "தமிழ்"])
def test_marks_do_not_part_a_word(word: str) -> None:
    seven, eight = (" ".join([word] * number) for number in (7, 8))
    assert copies([f"{eight} x"], [f"y {eight}", f"y {seven}"]) == {f"y {eight}"}


def test_runs_do_not_go_on_from_one_text_or_post_into_the_next() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    first, second = " ".join(["a", *words[:4]]), " ".join([*words[4:], "b"])
    assert copies([" ".join(words)], [first, second]) == frozenset()
    assert copies([" ".join(words[:4]), " ".join(words[4:])], [f"a {' '.join(words)} b"]) == frozenset()


WORDS = ["a", "bb", "空"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)


def brute_units(text: str) -> list[str]:
    return re.findall("[ab]+|空", text)


def brute_weight(units: Sequence[str]) -> float:
    return sum(0.5 if unit == "空" else 1 for unit in units)


def runs(units: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(units)):
        for end in range(start + 1, len(units) + 1):
            yield tuple(units[start:end])


def brute_longest(posts: Sequence[str], text: str) -> float:
    known = {run for post in posts for run in runs(brute_units(post))}
    return max((brute_weight(run) for run in runs(brute_units(text)) if run in known), default=0)


def brute_is_copy(posts: Sequence[str], text: str) -> bool:
    units = brute_units(text)
    if brute_longest(posts, text) >= COPY_WORDS:
        return True
    return 0 < brute_weight(units) < COPY_WORDS and units in [brute_units(post) for post in posts]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_copies_are_those_that_a_search_of_everything_finds(posts: list[str], texts: list[str]) -> None:
    assert copies(iter(posts), iter(texts)) == {text for text in texts if brute_is_copy(posts, text)}
