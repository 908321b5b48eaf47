"""What the card reads: the posts that belong to the records, which samples copy them, and where the page will be."""

from pathlib import Path
from typing import Any

import card_records
import pytest

from hub_publisher.card.inputs import gather, summarise
from hub_publisher.errors import CardError


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Any, ...]:
    return card_records.publication(tmp_path)


def test_posts_must_be_those_of_the_record(arguments: tuple[Any, ...]) -> None:
    (arguments[0].run_dir / "posts.jsonl").write_text("{}\n")
    with pytest.raises(CardError) as caught:
        gather(*arguments[:2], "https://huggingface.co", *arguments[2:])
    assert caught.value.message == "posts.jsonl is missing or is not the file that curation.json describes."
    assert caught.value.remedy == "Make it again: hub-publisher curate tide_clerk"


def test_months_without_posts_are_in_between(arguments: tuple[Any, ...]) -> None:
    kept = [card_records.posts()[0], card_records.posts()[-1]]
    months = summarise(kept).per_month
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


def test_a_prompt_that_repeats_a_post_is_refused(arguments: tuple[Any, ...]) -> None:
    config, repo_id, curation, training, evaluation, *rest = arguments
    post = card_records.posts()[7].text
    samples = (evaluation.samples[0].model_copy(update={"prompt": post}),)
    changed = evaluation.model_copy(update={"samples": samples})
    with pytest.raises(CardError) as caught:
        gather(config, repo_id, "https://huggingface.co", curation, training, changed, *rest)
    assert caught.value.message == f"The prompt {post!r} repeats a post, and no post is published."
    assert caught.value.remedy == "Choose another, or only its first words, with --prompts."
