"""The Hub's rules for metadata: every one that is broken is named by its key, with what to do."""

import math

import numpy as np
import pytest

from hub_publisher.errors import CardError
from hub_publisher.readme.hub_rules import is_language, is_model_id
from hub_publisher.readme.validate import check_metadata, find_problems

GOOD = {
    "license": "mit",
    "language": ["en"],
    "tags": ["a"],
    "base_model": "a/b",
    "widget": [{"text": "Hi"}],
    "model-index": [
        {
            "name": "b",
            "results": [
                {
                    "task": {"type": "text-generation"},
                    "dataset": {"type": "posts", "name": "Posts"},
                    "metrics": [{"type": "perplexity", "value": 1.5}],
                }
            ],
        }
    ],
}


def result_with(**parts: object) -> dict:
    return {"model-index": [{"name": "b", "results": [{**GOOD["model-index"][0]["results"][0], **parts}]}]}


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"license": "Apache 2.0"}, "license"),
        ({"license": "other"}, "license"),
        ({"license_link": "the file"}, "license_link"),
        ({"language": ["es-ES"]}, "language[0]"),
        ({"language": ["en", "noinfo"]}, "language[1]"),
        ({"language": "und"}, "language"),
        ({"language": [False]}, "language[0]"),
        ({"base_model": "/home/someone/model"}, "base_model"),
        ({"base_model": "C:\\models\\gpt2"}, "base_model"),
        ({"base_model": "~/gpt2"}, "base_model"),
        ({"base_model": "./gpt2"}, "base_model"),
        ({"base_model": "models--org--name/snapshots/abc"}, "base_model"),
        ({"base_model_relation": "child"}, "base_model_relation"),
        ({"datasets": ["/var/posts.jsonl"]}, "datasets[0]"),
        ({"datasets": "./posts"}, "datasets"),
        ({"datasets": [None]}, "datasets[0]"),
        ({"tags": "one"}, "tags"),
        ({"widget": {"text": "x"}}, "widget"),
        ({"widget": [{"text": ""}]}, "widget[0].text"),
        ({"widget": [{"text": 8}]}, "widget[0].text"),
        ({"widget": [{"text": "x", "example_title": 1}]}, "widget[0].example_title"),
        ({"widget": [{"text": "x", "output": "y"}]}, "widget[0].output"),
        ({"inference": {"temperature": 1.0}}, "inference"),
        ({"thumbnail": "figures/avatar.png"}, "thumbnail"),
        ({"co2_eq_emissions": {"source": "x"}}, "co2_eq_emissions"),
        ({"model-index": []}, "model-index"),
        ({"model-index": [{"name": "runs/x/model", "results": []}]}, "model-index[0].name"),
        ({"model-index": [{"name": "/runs/x", "results": []}]}, "model-index[0].name"),
        (result_with(task={}), "model-index[0].results[0].task.type"),
        (result_with(dataset={"type": "x"}), "model-index[0].results[0].dataset.name"),
        (
            result_with(dataset={"type": "x", "name": "x", "revision": 1234567}),
            "model-index[0].results[0].dataset.revision",
        ),
        (result_with(dataset={"type": "x", "name": "x", "config": None}), "model-index[0].results[0].dataset.config"),
        (result_with(metrics=[{"type": "perplexity"}]), "model-index[0].results[0].metrics[0].value"),
        (result_with(metrics=[{"value": 1.5}]), "model-index[0].results[0].metrics[0].type"),
        (result_with(metrics=[]), "model-index[0].results[0].metrics"),
        (result_with(source={"name": "x"}), "model-index[0].results[0].source"),
        (
            result_with(metrics=[{"type": "perplexity", "value": math.nan}]),
            "model-index[0].results[0].metrics[0].value",
        ),
        (
            result_with(metrics=[{"type": "perplexity", "value": np.float64(1.5)}]),
            "model-index[0].results[0].metrics[0].value",
        ),
    ],
)
def test_the_validator_names_the_key(wrong: dict, key: str) -> None:
    assert find_problems(GOOD) == []
    found = find_problems({**GOOD, **wrong})
    assert any(problem.key == key for problem in found), found


def test_a_refusal_says_what_and_what_to_do() -> None:
    with pytest.raises(CardError) as caught:
        check_metadata({**GOOD, "base_model": "./gpt2", "widget": [{"text": ""}]})
    assert caught.value.message == (
        "The Hub would refuse this card. base_model: './gpt2' is not the id of a model on the Hub; "
        "widget[0].text: every example needs a text."
    )
    assert caught.value.remedy == (
        "Name the base model as namespace/name with --base-model.\nGive --prompt a text that is not empty."
    )


def test_ids_of_the_hub() -> None:
    assert is_model_id("gpt2")
    assert is_model_id("openai-community/gpt2")
    assert not is_model_id("a/b/c")
    assert not is_model_id("a--b/c")
    assert not is_model_id("a/b.ipynb")
    assert [code for code in ("en", "fil", "quy", "code", "qht", "und", "xx", "EN") if is_language(code)] == [
        "en", "fil", "quy", "code"
    ]  # fmt: skip


def test_a_fault_shows_no_more_than_the_beginning_of_a_value() -> None:
    (problem,) = find_problems({"license_link": "x" * 10_000})
    assert problem.fault.startswith("'xxx") and len(problem.fault) < 80
