"""What the card reads: the posts that belong to the records, which samples copy them, and where the page will be."""

from pathlib import Path
from typing import Any

import card_records
import pytest

from hub_publisher.card.inputs import gather, summarise
from hub_publisher.errors import CardError
from hub_publisher.records import KeptPost, Samples


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Any, ...]:
    return card_records.publication(tmp_path)


def test_posts_must_be_those_of_the_record(arguments: tuple[Any, ...]) -> None:
    (arguments[0].run_dir / "posts.jsonl").write_text("{}\n")
    with pytest.raises(CardError) as caught:
        gather(*arguments[:2], "https://huggingface.co", *arguments[2:])
    assert caught.value.message == "posts.jsonl is missing or is not the file that curation.json describes."
    assert caught.value.remedy == "Make it again: hub-publisher curate tide_clerk"


def copies(posts: list[str], *texts: str) -> set[str]:
    kept = [KeptPost(id=str(number), text=text) for number, text in enumerate(posts)]
    return set(summarise(kept, [Samples(prompt="", tuned=texts, base=())]).copied)


def test_what_counts_as_a_copy() -> None:
    post = "one two three four five six seven eight nine ten"
    eight = "well, ONE two three: four five six seven eight!"
    seven = "one two three four five six seven but not eight"
    assert copies([post], eight, seven) == {eight}
    assert copies(["Good morning, world"], "good morning world!", "good morning world and all") == {
        "good morning world!"
    }
    assert copies([post], "") == set()
    japanese = "港の壁のかもめを全部数えてから潮が変わるのを待つ"
    assert copies([japanese], "昨日は" + japanese[:16], "昨日は" + japanese[:15]) == {"昨日は" + japanese[:16]}


def test_months_without_posts_are_in_between(arguments: tuple[Any, ...]) -> None:
    kept = [card_records.posts()[0], card_records.posts()[-1]]
    months = summarise(kept, ()).per_month
    assert list(months) == [f"2024-0{month}" for month in range(1, 9)]
    assert list(months.values()) == [1, 0, 0, 0, 0, 0, 0, 1]


def test_inputs_know_where_the_page_is(arguments: tuple[Any, ...]) -> None:
    config, repo_id, *records = arguments
    for endpoint, expected in (
        ("https://huggingface.co", True),
        ("http://127.0.0.1:8000", False),
        ("https://huggingface.co.evil.example", False),
    ):
        assert gather(config, repo_id, endpoint, *records).is_on_hugging_face is expected
