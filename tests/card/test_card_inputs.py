"""What the card reads: the posts that belong to the records, which samples copy them, and where the page will be."""

from pathlib import Path
from typing import Any

import pytest

from hub_publisher.card.inputs import Inputs
from hub_publisher.curate.statistics import summarise
from hub_publisher.records import Output
from tests.helpers import card_records


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Any, ...]:
    return card_records.publication(tmp_path)


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
        assert card_records.gather(config, repo_id, endpoint, *records).is_on_hugging_face is expected


def test_the_settings_are_those_of_the_records_and_name_no_place(arguments: tuple[Any, ...]) -> None:
    config, repo_id, *records, tracking = arguments
    given = ({"min_posts": 20}, {"base_model": "/a/folder", "learning_rate": 0.01}, {"num_samples": 3}, {"dtype": "x"})
    output = {"/a/file": Output(size=1, sha256="0" * 64, mtime_ns=1)}
    records = [
        record.model_copy(update={"settings": settings, "outputs": output})
        for record, settings in zip(records, given, strict=True)
    ]
    inputs = card_records.gather(config, repo_id, "https://huggingface.co", *records, tracking)
    assert inputs.settings == {"min_posts": 20, "learning_rate": 0.01, "num_samples": 3}
    for record in (inputs.curation, inputs.training, inputs.evaluation, inputs.snippet):
        assert not (record.settings or record.outputs)


def test_what_a_run_left_of_this_very_card_is_not_on_it(arguments: tuple[Any, ...]) -> None:
    config, repo_id, *records, tracking = arguments
    train = tracking.runs["train"].model_copy(update={"artifacts": {"tide_clerk-card": "v0"}})
    later = tracking.model_copy(update={"runs": {**tracking.runs, "train": train}})
    runs = card_records.gather(config, repo_id, "https://huggingface.co", *records, later).runs
    assert runs["train"].artifacts == {}
    assert runs["preprocess"].artifacts == {"tide_clerk-train-dataset": "v3"}


def test_a_manifest_of_before_the_first_release_is_read(arguments: tuple[Any, ...]) -> None:
    config, repo_id, *records = arguments
    inputs = card_records.gather(config, repo_id, "https://huggingface.co", *records)
    early = inputs.model_dump(mode="json")
    early["posts"] = early["curation"].pop("posts")
    del early["training"]["max_new_tokens"]
    assert Inputs.model_validate(early) == inputs
