"""Who serves the model, as the Hub says: the unmodified client, the real local Hub, and a proxy for other answers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_publisher.hub.client import HubClient, RetryPolicy
from hub_publisher.hub.providers import inference_status
from hub_publisher.localhub import LocalHub
from tests.helpers.faults import BlackHole, Fault, FaultProxy, hang, reset, status, unused_url

REPO_ID = "huggingtweets/who-serves-me"
PATH = f"/api/models/{REPO_ID}$"
NOBODY = "No inference provider serves this model, so its page shows the recorded examples instead of a live widget."
UNKNOWN = "Whether an inference provider serves this model could not be asked."
QUICK = RetryPolicy(num_attempts=4, first_wait_seconds=0.01, answer_seconds=1.0, request_seconds=5.0)


@pytest.fixture(scope="module")
def proxy(hub: LocalHub) -> Iterator[FaultProxy]:
    """Before a local Hub on which the model was published."""
    HfApi(endpoint=hub.url, token=hub.token).create_repo(REPO_ID)
    with FaultProxy(hub.url) as running:
        yield running


@pytest.fixture
def asked(proxy: FaultProxy, hub: LocalHub) -> Iterator[Callable[[Fault], str]]:
    """The lines that are printed when the Hub commits this fault on the question."""

    def ask(fault: Fault) -> str:
        proxy.rules.clear()
        proxy.requests.clear()
        proxy.add("GET", PATH, fault)
        return ask_at(proxy.url, hub)

    yield ask
    proxy.rules.clear()


def ask_at(url: str, hub: LocalHub) -> str:
    return inference_status(HubClient(url, hub.token, QUICK), REPO_ID)


def answer(**fields: Any) -> Fault:
    return status(200, json.dumps({"_id": "0", "id": REPO_ID, **fields}).encode())


def entry(state: str) -> dict[str, Any]:
    return {"status": state, "providerId": "p/m", "task": "text-generation", "isModelAuthor": False}


def test_nobody_serves_what_lies_on_the_local_hub(proxy: FaultProxy, hub: LocalHub) -> None:
    assert ask_at(proxy.url, hub) == NOBODY
    question = f"/api/models/{REPO_ID}?expand=inference&expand=inferenceProviderMapping"
    assert proxy.requests[-1] == ("GET", question)


def test_the_unmodified_client_reads_the_local_hubs_answer(proxy: FaultProxy, hub: LocalHub) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    info = api.model_info(REPO_ID, expand=["inference", "inferenceProviderMapping"])
    assert info.inference is None and info.inference_provider_mapping is None


LIVE = {"inference": "warm", "inferenceProviderMapping": {"featherless-ai": entry("live")}}
SEVERAL = {"featherless-ai": entry("live"), "groq": entry("error"), "novita": entry("live"), "x": entry("staging")}


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, NOBODY),
        ({"inferenceProviderMapping": {}}, NOBODY),
        ({"inference": None, "inferenceProviderMapping": []}, NOBODY),
        (LIVE, "Served by featherless-ai (live)."),
        ({"inferenceProviderMapping": [{**entry("live"), "provider": "novita"}]}, "Served by novita (live)."),
        (
            {"inference": "warm", "inferenceProviderMapping": SEVERAL},
            "Served by featherless-ai (live), novita (live).\nListed without serving it: groq (error), x (staging).",
        ),
        (
            {"inferenceProviderMapping": {"together": entry("staging")}},
            f"{NOBODY}\nListed without serving it: together (staging).",
        ),
        ({"inference": "warm"}, "Served by an inference provider that the Hub does not name."),
        (
            {"inferenceProviderMapping": {"a\x1b[2J\nb": entry("live"), "w" * 100: entry("\x07gone")}},
            f"Served by a[2J b (live).\nListed without serving it: {'w' * 79}… (gone).",
        ),
    ],
)
def test_the_lines_say_what_the_hub_says(asked: Callable[[Fault], str], fields: dict[str, Any], lines: str) -> None:
    assert asked(answer(**fields)) == lines


@pytest.mark.parametrize(
    ("fault", "num_requests", "reason"),
    [
        (status(500), 2, "failed while telling who serves {repo}: HTTP 500 fault"),
        (reset(), 2, "failed while telling who serves {repo}: "),
        (status(404), 1, "failed while telling who serves {repo}: HTTP 404 fault"),
        (status(401), 1, "rejected the token while telling who serves {repo}."),
        (status(200, b"<html>gateway</html>"), 2, "failed while telling who serves {repo}: its answer was not JSON, "),
        (status(200, b"[]"), 1, "answered in a shape that huggingface_hub cannot read."),
        (status(200, b"{}"), 1, "answered in a shape that huggingface_hub cannot read."),
        (status(200, b"[" * 100_000), 1, "answered in a shape that huggingface_hub cannot read."),
        (answer(inferenceProviderMapping="soon"), 1, "answered in a shape that huggingface_hub cannot read."),
        (answer(inferenceProviderMapping={"a": {}}), 1, "answered in a shape that huggingface_hub cannot read."),
        (answer(lastModified=7), 1, "answered in a shape that huggingface_hub cannot read."),
    ],
)
def test_a_question_that_fails_is_a_line_too(
    asked: Callable[[Fault], str], proxy: FaultProxy, fault: Fault, num_requests: int, reason: str
) -> None:
    first, second = asked(fault).split("\n")
    assert first == UNKNOWN
    assert second.startswith(f"The Hub at {proxy.url} {reason.format(repo=REPO_ID)}")
    assert len(proxy.requests) == num_requests


def test_one_failure_is_forgiven(asked: Callable[[Fault], str], proxy: FaultProxy, hub: LocalHub) -> None:
    proxy.rules.clear()
    proxy.add("GET", PATH, status(503), times=1)
    assert ask_at(proxy.url, hub) == NOBODY


def test_a_hub_that_is_gone_or_silent_delays_nobody_for_long(hub: LocalHub, asked: Callable[[Fault], str]) -> None:
    with BlackHole() as silent:
        assert ask_at(silent.url, hub).startswith(f"{UNKNOWN}\nThe Hub at {silent.url} failed while telling who serves")
    assert asked(hang(30)).startswith(UNKNOWN)
    url = unused_url()
    assert ask_at(url, hub).startswith(f"{UNKNOWN}\nThe Hub at {url} failed while telling who serves {REPO_ID}: ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries({"status": JSON, "providerId": JSON, "task": JSON}, optional={"provider": JSON})
MAPPINGS = st.lists(ENTRIES) | st.dictionaries(st.text(), ENTRIES) | JSON


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inference=JSON, mapping=MAPPINGS)
def test_whatever_the_hub_says_one_or_two_printable_lines_come_back(
    asked: Callable[[Fault], str], inference: Any, mapping: Any
) -> None:
    lines = asked(answer(inference=inference, inferenceProviderMapping=mapping)).split("\n")
    assert len(lines) <= 2
    assert lines[0] in (NOBODY, UNKNOWN) or lines[0].startswith("Served by ")
    assert all(line.encode() and "\x1b" not in line and len(line.splitlines()) == 1 for line in lines)
