"""The front matter when it is published again: a person's keys and tags stay, changes to ours are noticed."""

import json
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.parse import read_page
from hub_publisher.readme.regions import seal
from hub_publisher.readme.validate import _RULES, find_problems
from hub_publisher.text.characters import well_formed
from tests.helpers.merge import METADATA, NEW, OLD, PUBLISHED, card, hashes, merged_text, settled
from tests.readme.test_escape import texts


def test_a_front_matter_alone_gives_its_keys() -> None:
    merged = merge(b"---\nlicense: gpl\ndatasets: a/b\n---\n", NEW)
    assert merged.content.decode() == card("new", metadata=METADATA | {"datasets": "a/b"})
    assert merged.kept == ("front matter: the key datasets",)


def with_metadata(**changes: Any) -> str:
    """The old card after a person changed its front matter; None takes a key out."""
    return card("old", metadata={key: value for key, value in (METADATA | changes).items() if value is not None})


PERPLEXITY = json.loads(json.dumps(METADATA["model-index"]))
PERPLEXITY[0]["results"][0]["metrics"][0]["value"] = 30


@pytest.mark.parametrize(
    ("remote", "conflict"),
    [
        (with_metadata(license="gpl"), 'license was changed by hand from "mit" to "gpl"'),
        (with_metadata(license=None), 'license was removed by hand, which was "mit"'),
        (with_metadata(tags=["hub-publisher", "my own"]), 'the tag "generated-posts" was removed by hand'),
        (with_metadata(tags="hub-publisher"), 'the tag "generated-posts" was removed by hand'),
        (with_metadata(widget=[{"text": "Hi"}]), 'widget[0].text was changed by hand from "My dream is" to "Hi"'),
        (with_metadata(widget=[{"text": "My dream is"}]), 'widget[1].text was removed by hand, which was "no"'),
        (with_metadata(widget="Hi"), 'widget[0].text was removed by hand, which was "My dream is"'),
        (with_metadata(widget=[{"text": "My dream is"}, {"text": "no", "group": "x"}]),
         'widget[1].group was added by hand, as "x"'),
        (OLD.replace('"no"', "yes"), 'widget[1].text was changed by hand from "no" to "yes"'),
        (OLD.replace('license: "mit"', "license:"), 'license was changed by hand from "mit" to null'),
        (with_metadata(**{"model-index": PERPLEXITY}),
         "model-index[0].results[0].metrics[0].value was changed by hand from 49.9 to 30"),
    ],
)  # fmt: skip
def test_a_changed_key_is_a_conflict_if_we_know_what_we_published(remote: str, conflict: str) -> None:
    merged = merge(remote.encode(), NEW, *PUBLISHED)
    assert merged.conflicts == (f"front matter: {conflict}",)
    assert {**read_page(merged.content.decode()).metadata, "tags": METADATA["tags"]} == METADATA
    settled(merged)
    assert merge(remote.encode(), NEW, None, hashes()).conflicts == ()


def test_a_number_is_no_boolean_and_has_one_kind() -> None:
    metadata = METADATA | {"inference": True, "co2_eq_emissions": 1.0}
    old, ours = card("old", metadata=metadata), card("new", metadata=metadata)
    assert merged_text(old.replace(": 1.0", ": 1"), ours, (metadata, hashes())) == ours
    merged = merge(old.replace(": true", ": 1").encode(), ours, metadata, hashes())
    assert merged.conflicts == ("front matter: inference was changed by hand from true to 1",)


def test_a_change_to_what_we_write_now_is_none() -> None:
    ours = card("new", metadata=METADATA | {"license": "gpl"})
    assert merged_text(with_metadata(license="gpl"), ours) == ours
    assert merged_text(OLD, ours) == ours


def test_a_key_that_we_write_no_more_goes_unless_it_was_changed() -> None:
    ours = card("new", metadata={key: value for key, value in METADATA.items() if key != "license"})
    assert merged_text(OLD, ours) == ours
    assert merged_text(with_metadata(license=None), ours) == ours
    merged = merge(with_metadata(license="gpl").encode(), ours, *PUBLISHED)
    assert merged.conflicts == ('front matter: license was changed by hand from "mit" to "gpl"',)
    assert merged.content.decode() == ours


def test_a_key_that_a_person_had_before_we_write_it() -> None:
    ours = card("new", metadata=METADATA | {"datasets": ["a/b"]})
    assert merged_text(with_metadata(datasets=["a/b"]), ours) == ours
    merged = merge(with_metadata(datasets=["c/d"]).encode(), ours, *PUBLISHED)
    assert merged.conflicts == ('front matter: datasets[0] was added by hand, as "c/d"',)


def test_tags_and_keys_of_others_stay_behind_ours() -> None:
    tags = ["my own", *METADATA["tags"], "gone", "my own"]
    remote = with_metadata(tags=tags, new_version="a/b", extra_gated_fields={"I agree, and am 18+:": "checkbox"})
    published = ({**METADATA, "tags": [*METADATA["tags"], "gone"]}, hashes())
    merged = merge(remote.encode(), NEW, *published)
    metadata = METADATA | {"tags": [*METADATA["tags"], "my own"], "new_version": "a/b"}
    expected = card("new", metadata=metadata | {"extra_gated_fields": {"I agree, and am 18+:": "checkbox"}})
    assert merged == Merged(
        expected.encode(),
        kept=('front matter: the tag "my own"', "front matter: the key new_version",
              "front matter: the key extra_gated_fields"),
    )  # fmt: skip
    settled(merged, published=published)


def test_a_date_is_its_text() -> None:
    merged = merge(OLD.replace("---\n", "---\nreleased: 2024-01-01\n", 1).encode(), NEW, *PUBLISHED)
    assert merged.content.decode() == card("new", metadata=METADATA | {"released": "2024-01-01"})


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("new_version:", "new_version was dropped: a NoneType has no place in a card"),
        ("x: .inf", "x was dropped: inf is not a finite number"),
        ("no: x", "no was dropped: 'no' cannot be a key of the front matter"),
        ("datasets: [/var/posts]", "datasets was dropped: '/var/posts' is not the id of a data set on the Hub"),
        ("base_model_relation: finetune", "base_model_relation was dropped: there is no base_model to relate to"),
    ],
)
def test_a_key_that_the_hub_or_yaml_would_not_take_is_dropped(line: str, fault: str) -> None:
    merged = merge(OLD.replace("---\n", f"---\n{line}\n", 1).encode(), NEW, *PUBLISHED)
    assert merged == Merged(NEW.encode(), repairs=(f"front matter: the key {fault}",))


def test_a_key_that_yaml_could_not_read_again_is_dropped() -> None:
    key = "\u200e" * 900
    merged = merge(OLD.replace("---\n", f'---\nx: {{"{key}": 1}}\n', 1).encode(), NEW, *PUBLISHED)
    fault = "a key of 5402 characters is too long for the front matter"
    assert merged == Merged(NEW.encode(), repairs=(f"front matter: the key x was dropped: {fault}",))


def test_a_key_goes_with_the_one_that_it_needs() -> None:
    merged = merge(b"---\nbase_model: ./gpt2\nbase_model_relation: finetune\nx: 1\n---\n", NEW)
    assert merged.repairs == (
        "front matter: the key base_model was dropped: './gpt2' is not the id of a model on the Hub",
        "front matter: the key base_model_relation was dropped: there is no base_model to relate to",
    )
    assert merged.content.decode() == card("new", metadata=METADATA | {"x": 1})


def test_tags_that_are_no_text_are_dropped() -> None:
    merged = merge(b"---\ntags: [2024, true, null, '', {a: b}, [], x]\n---\n", NEW)
    assert merged.repairs == (
        'front matter: of the tags [2024, true, null, {"a": "b"}, []] were dropped, which are no text',
    )
    assert read_page(merged.content.decode()).metadata["tags"] == [*METADATA["tags"], "x"]
    assert merge(b"---\ntags: x\n---\n", NEW).content == merged.content


def test_two_texts_that_differ_only_at_their_ends_are_not_the_same() -> None:
    metadata = METADATA | {"widget": [{"text": f"{'long ' * 40}{end}"} for end in ("a", "b")]}
    merged = merge(card("old", metadata=metadata).encode(), NEW, metadata | {"widget": metadata["widget"][:1] * 2})
    assert merged.conflicts[0].startswith('front matter: widget[1].text was changed by hand from "long long ')


def test_what_other_tools_of_the_hub_write_is_no_conflict() -> None:
    there = ModelCard(OLD)
    there.data.tags.append("region:us")
    metadata = {**METADATA, "tags": [*METADATA["tags"], "region:us"]}
    assert str(there) != card("old", metadata=metadata)  # its YAML is written in another way
    assert merged_text(str(there)) == card("new", metadata=metadata)


keys = (
    st.sampled_from(sorted({rule[0].split("[")[0].split()[0] for rule in _RULES} | {"x-mine", "no", "my key", ""}))
    | texts
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["mit", "en", "a/b", "LICENSE"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@example(metadata={"license": [["mit"]], "model-index": [{"name": "b", "results": 5}]})
@given(metadata=st.dictionaries(keys, values, max_size=6))
@settings(max_examples=120, deadline=None)
def test_the_rules_have_a_verdict_on_any_values(metadata: dict) -> None:
    assert all(isinstance(problem.fault, str) for problem in find_problems(metadata))


@given(
    theirs=st.dictionaries(keys, values, max_size=6), published=st.none() | st.dictionaries(keys, values, max_size=4)
)
@settings(max_examples=120, deadline=None)
def test_whatever_front_matter_is_there_ours_is_valid(theirs: dict, published: dict | None) -> None:
    remote = f"---\n{json.dumps({well_formed(key): value for key, value in theirs.items()})}\n---\n"
    merged = merge(remote.encode(), NEW, published)
    metadata, body, _ = read_page(merged.content.decode())
    assert find_problems(metadata) == []
    assert list(metadata)[: len(METADATA)] == list(METADATA)
    assert {**metadata, "tags": metadata["tags"][:2]} == {**metadata, **METADATA}
    assert seal(body) == body.removeprefix("\n")
    settled(merged, published=(published, None))
