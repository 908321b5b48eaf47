"""The front matter: read alike by every YAML parser, true to the records, and taken by the Hub."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.card import check_early
from hub_publisher.card.metadata import build
from hub_publisher.config import Config
from hub_publisher.errors import CardError
from hub_publisher.readme import frontmatter
from hub_publisher.readme.validate import find_problems
from hub_publisher.text.characters import well_formed
from tests.helpers import card_records
from tests.readme.test_escape import texts

keys = st.from_regex("[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda key: frontmatter._KEY.fullmatch(key) and key.lower() not in frontmatter._NOT_TEXT
)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def parsed(front_matter: str) -> dict:
    lines = front_matter.split("\n")
    assert lines[0] == lines[-2] == "---"
    assert lines[-1] == ""
    return yaml.safe_load("\n".join(lines[1:-2])) or {}


@given(metadata=st.dictionaries(keys, values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_front_matter_reads_back_equal(metadata: dict) -> None:
    written = frontmatter.dump(metadata)
    assert same(parsed(written), with_encodable_text(metadata))
    # huggingface_hub and the Hub look for a line of three dashes.
    assert [line for line in written.split("\n") if line.startswith("---")] == ["---", "---"]


def with_encodable_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: with_encodable_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_encodable_text(item) for item in value]
    return well_formed(value) if isinstance(value, str) else value


def same(one: object, other: object) -> bool:
    """Equal in value and kind; 1.0 is not 1, and -0.0 is not 0.0."""
    return repr(one) == repr(other)


@given(text=texts)
@settings(max_examples=400, deadline=None)
def test_a_scalar_stays_on_one_line_for_every_notion_of_a_line(text: str) -> None:
    assert len(frontmatter.scalar(text).splitlines()) == 1


@pytest.mark.parametrize("value", [None, np.float32(1), b"x", math.nan, math.inf])
def test_what_has_no_place_in_yaml_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot stand in the front matter"):
        frontmatter.dump({"key": value})


def test_a_key_is_a_plain_word() -> None:
    for key in ("a: b", "no", "", "e8", "E-1"):
        with pytest.raises(ValueError, match=f"'{key}' cannot be a key"):
            frontmatter.dump({key: 1})


def test_a_numpy_float_is_written_as_a_number() -> None:
    assert frontmatter.scalar(np.float64(0.5)) == "0.5"


@pytest.fixture
def inputs(tmp_path: Path):
    config, repo_id, *records = card_records.publication(tmp_path)
    return card_records.gather(config, repo_id, "https://huggingface.co", *records)


def changed(inputs, **records):
    return inputs.model_copy(update=records)


def with_base(inputs, **facts):
    return changed(inputs, training=card_records.training(base_model=card_records.base_model(**facts)))


def test_every_key_comes_from_a_record(inputs) -> None:
    metadata = build(inputs)
    index = metadata.pop("model-index")
    assert metadata == {
        "language": ["en"],
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["hub-publisher", "text-generation", "generated-posts"],
        "base_model": "HuggingFaceTB/SmolLM2-135M",
        "base_model_relation": "finetune",
        "widget": [
            {"text": prompt, "example_title": prompt, "output": {"text": text}}
            for prompt, text in (
                ("My dream is", " a ledger\nwith room for every wave"),
                ("Today I", " weighed the fog again"),
            )
        ],
        "inference": {"parameters": card_records.SAMPLING},
        "thumbnail": "https://huggingface.co/huggingtweets/tide_clerk/resolve/main/figures/social.png",
    }
    assert index[0]["name"] == "tide_clerk"
    assert [(metric["type"], metric["value"]) for metric in index[0]["results"][0]["metrics"]] == [
        ("perplexity", round(math.exp(3.91), 4)),
        ("bits_per_byte", round(3.91 / 2.9, 4)),
    ]
    assert index[0]["results"][0]["dataset"]["revision"] == inputs.curation.posts_sha256


def test_the_thumbnail_needs_a_public_address(inputs) -> None:
    assert "thumbnail" not in build(changed(inputs, is_on_hugging_face=False))


def test_a_data_set_is_named_when_it_is_one_of_the_hub(inputs) -> None:
    assert "datasets" not in build(inputs)
    assert build(changed(inputs, dataset="tide/posts"))["datasets"] == ["tide/posts"]
    with pytest.raises(CardError, match="'/var/posts' is not the id of a data set on the Hub"):
        check_early(Config(handle="t", dataset="/var/posts"), "ns/t", card_records.base_model(), {"en": 10})


def test_emissions_are_measured_energy_times_a_stated_intensity(inputs) -> None:
    measured = card_records.training(energy_joules=7.2e6, energy_source="Intel RAPL (package-0)")
    assert "co2_eq_emissions" not in build(changed(inputs, training=measured))
    assert "co2_eq_emissions" not in build(changed(inputs, grid_intensity=50.0))
    assert build(changed(inputs, training=measured, grid_intensity=50.0))["co2_eq_emissions"] == {
        "emissions": 100.0,
        "source": "Intel RAPL (package-0), times the grid intensity that the publisher states",
        "training_type": "fine-tuning",
        "hardware_used": "2 CPU cores (AMD EPYC 7B13)",
    }
    third = build(changed(inputs, training=measured, grid_intensity=100 / 3))
    assert third["co2_eq_emissions"]["emissions"] == 66.667


def test_a_local_base_model_is_not_named(inputs) -> None:
    metadata = build(with_base(inputs, requested="a local folder", hub_id=None, revision=None, license=None))
    assert not {"base_model", "base_model_relation", "license"} & set(metadata)


def test_a_licence_without_an_id_on_the_hub_is_named_and_linked(inputs) -> None:
    for known, name in (("qwen-research", "qwen-research"), ("other", "base-model-license")):
        metadata = build(with_base(inputs, license=known))
        assert (metadata["license"], metadata["license_name"]) == ("other", name)
        assert metadata["license_link"] == "https://huggingface.co/HuggingFaceTB/SmolLM2-135M"
        assert find_problems(metadata) == []


def test_a_first_text_that_is_withheld_is_no_example(inputs) -> None:
    first, *others = inputs.evaluation.samples
    withheld = first.model_copy(update={"tuned": (None, " and another")})
    evaluation = inputs.evaluation.model_copy(update={"samples": (withheld, *others)})
    widget = build(changed(inputs, evaluation=evaluation))["widget"]
    assert "output" not in widget[0]
    assert "output" in widget[1]


def test_the_title_of_an_example_is_a_short_line(inputs) -> None:
    prompt = "Fog\nand " + "tide " * 20
    group = inputs.evaluation.samples[0].model_copy(update={"prompt": prompt})
    [example] = build(changed(inputs, evaluation=card_records.evaluation(samples=(group,))))["widget"]
    assert example["text"] == prompt
    assert example["example_title"] == "Fog and " + "tide " * 10 + "t…"


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ({"en": 90, "de": 10}, ["en", "de"]),
        ({"en": 91, "de": 9}, ["en"]),
        ({"he": 50, "ckb": 40, "xx": 10}, ["he", "ckb"]),
        ({"und": 80, "no": 20}, ["no"]),
        ({"und": 100}, None),
        ({}, None),
    ],
)
def test_languages_are_those_of_a_tenth_of_the_posts(inputs, languages: dict, expected: list | None) -> None:
    curation = inputs.curation.model_copy(update={"languages": languages})
    metadata = build(changed(inputs, curation=curation))
    assert metadata.get("language") == expected
    assert parsed(frontmatter.dump(metadata)).get("language") == expected  # "no" is not False


def test_what_is_known_early_is_checked_early() -> None:
    base = card_records.base_model()
    check_early(Config(handle="tide_clerk"), "ns/tide_clerk", base, {"en": 10})
    with pytest.raises(CardError, match=r"model-index\[0\].name: 'tide--clerk' is not a model's name"):
        check_early(Config(handle="tide_clerk"), "ns/tide--clerk", base, {"en": 10})
