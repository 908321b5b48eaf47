"""Publishing through a Hub that fails: published once and correctly, or a clear error and a rerun that finishes.

The rows are those of the faults that huggingface_hub 2.4 was seen to handle badly. All over real HTTP: the
real client, a proxy that commits the fault, the real local Hub.
"""

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hub_publisher.errors import HubError
from hub_publisher.hub.client import HubClient
from hub_publisher.hub.push import remote_is_current
from hub_publisher.hub.target import preflight
from hub_publisher.localhub import LocalHub
from tests.helpers.faults import (
    BlackHole,
    Fault,
    FaultProxy,
    first_do,
    hang,
    instead,
    lose_answer,
    reset,
    rewrite,
    status,
    unused_url,
)
from tests.helpers.push import (
    QUICK,
    Publishing,
    assert_published_once,
    commits,
    make_publication,
    push,
    push_in_a_process,
    wait_for,
)

REPO = "/api/models/huggingtweets/[^/]+"
HTML = b"<html><h1>502 Bad Gateway</h1></html>"


@pytest.fixture
def publish(tmp_path: Path, hub: LocalHub, request: pytest.FixtureRequest) -> Publishing:
    return Publishing(tmp_path, hub, request.node.name)


BUSY = status(409, b'{"error":"Cannot create repo: another conflicting operation is in progress"}')
LOOK, CREATE, CHECK, COMMIT = REPO + "$", "/api/repos/create", "/api/validate-yaml", "/commit/"
# Each publication meets all faults of its row, one after the other: (method, path, fault, how often).
SURVIVED: dict[str, list[tuple[str, str, Fault, int]]] = {
    "server errors of the Hub": [
        ("GET", LOOK, status(503), 2),
        ("GET", "/tree/", status(500), 1),
        ("POST", CREATE, status(503), 2),
        ("POST", CREATE, BUSY, 3),  # another repository of the same owner is being created
        ("POST", CHECK, status(502, HTML), 1),
        ("POST", "/preupload/", status(503), 1),
        ("POST", COMMIT, status(503), 2),
    ],
    "server errors of its storage": [
        ("GET", "/xet-write-token/", status(503), 1),
        ("POST", "/v1/xorbs/", status(503), 1),
        ("POST", "/v1/shards", status(500), 1),
    ],
    "cut connections": [
        ("GET", LOOK, reset(), 2),
        ("POST", CREATE, reset(), 1),
        ("POST", CHECK, reset(), 1),
        ("POST", "/preupload/", reset(), 1),
        ("POST", "/v1/xorbs/", reset(), 1),
        ("POST", COMMIT, reset(), 2),
    ],
    "answers that are lost": [("POST", CREATE, lose_answer(), 1), ("POST", COMMIT, lose_answer(), 1)],
    "a commit applied and answered by a gateway": [("POST", COMMIT, instead(status(502, HTML)), 1)],
    "rate limits": [
        ("GET", LOOK, status(429, Retry_After="1"), 1),
        ("POST", CREATE, status(429), 1),
        ("POST", COMMIT, status(429, Retry_After="1"), 1),
    ],
    "silence": [("GET", LOOK, hang(20), 1), ("POST", COMMIT, hang(20), 1)],
}


@pytest.mark.parametrize("row", SURVIVED)
def test_passing_faults_are_survived(row: str, hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        for rule in SURVIVED[row]:
            proxy.add(*rule)
        commit = publish(proxy.url, replace(QUICK, num_attempts=8))
        assert all(rule.times == 0 for rule in proxy.rules), "a fault was not met"
    assert_published_once(hub, publish, commit)


def test_reading_back_is_tried_again(hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        proxy.add("GET", "/tree/", status(503), times=1, after=1)  # the second listing is the one after the commit
        commit = publish(proxy.url)
        assert proxy.count("GET", "/tree/") == 3
    assert_published_once(hub, publish, commit)


NO_SUCH_REPO = status(404, X_Error_Code="RepoNotFound")


def test_a_repository_that_is_there_and_was_not_seen(hub: LocalHub, publish: Publishing) -> None:
    """Somebody made it meanwhile: a refusal to create it is an error with a remedy, and no second one is made."""
    HfApi(endpoint=hub.url, token=hub.token).create_repo(publish.repo_id)
    with FaultProxy(hub.url) as proxy:
        proxy.add("GET", LOOK, NO_SUCH_REPO, times=2)
        proxy.add("POST", CREATE, status(401), times=1)
        with pytest.raises(HubError, match="rejected the token while creating") as error:
            publish(proxy.url)
        assert "hf auth login" in error.value.remedy
        commit = publish(proxy.url)
        assert proxy.count("POST", CREATE) == 2
    assert_published_once(hub, publish, commit)


def test_a_repository_that_is_created_under_an_address_of_the_hubs_own(hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", CREATE, rewrite(lambda body: b'{"url": "https://inside.example/a/b/c"}'))
        commit = publish(proxy.url)
    assert_published_once(hub, publish, commit)


@pytest.mark.parametrize(
    ("fault", "times", "words"),
    [
        (status(400), 1, "HTTP 400"),
        (status(403), 1, "HTTP 403"),
        (status(500), QUICK.num_attempts, "HTTP 500"),
        (BUSY, QUICK.num_attempts, "another repository is being created for the same owner"),
    ],
)
def test_only_what_may_pass_is_asked_again(
    fault: Fault, times: int, words: str, hub: LocalHub, publish: Publishing
) -> None:
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", CREATE, fault)
        with pytest.raises(HubError, match=f"failed while creating .*: {words}"):
            publish(proxy.url)
        assert proxy.count("POST", CREATE) == times


# One after the other in one publication: each run goes on from where the one before it ended.
FATAL: dict[str, list[tuple[str, str, Fault, str]]] = {
    "there is no repository yet": [
        (
            "POST",
            CREATE,
            status(400, b'{"error":"Invalid repo name"}', Content_Type="application/json"),
            "failed while creating .*: HTTP 400 Invalid repo name",
        )
    ],
    "files are on their way": [
        (
            "POST",
            "/preupload/",
            status(429, Retry_After="3600"),
            r"failed while publishing .*: HTTP 429, rate limited \(retry after 3600 s\)",
        ),
        (
            "POST",
            "/preupload/",
            status(429, ratelimit='"api";r=0;t=600'),
            r"failed while publishing .*: HTTP 429, rate limited \(retry after 600 s\)",
        ),
        ("GET", "/xet-write-token/", status(403), "failed while publishing .*"),
        ("POST", "/v1/xorbs/", status(400), "failed while publishing .*"),
    ],
    "everything but the commit is there": [
        ("POST", COMMIT, status(401), "rejected the token while publishing"),
        ("POST", COMMIT, status(403), "failed while publishing .*: HTTP 403"),
        ("POST", COMMIT, status(500), "failed while publishing .*: HTTP 500"),
    ],
}


@pytest.mark.parametrize("when", FATAL)
def test_lasting_faults_end_in_an_error_and_a_rerun_finishes(when: str, hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        for method, path, fault, message in FATAL[when]:
            proxy.rules.clear()
            proxy.add(method, path, fault)
            started = time.monotonic()
            with pytest.raises(HubError, match=message) as error:
                publish(proxy.url)
            assert time.monotonic() - started < QUICK.upload_seconds + 3
            assert proxy.url in error.value.message and error.value.remedy
            assert hub.token not in str(error.value)
            assert not (publish.folder / "receipt.json").exists()
        proxy.rules.clear()
        commit = publish(proxy.url)
    assert_published_once(hub, publish, commit)


def test_a_push_that_ends_at_any_write_is_finished_by_a_rerun(hub: LocalHub, publish: Publishing) -> None:
    """The Hub did as it was told each time, and all that is heard is a refusal: as if killed at that very write."""
    with FaultProxy(hub.url) as proxy:
        for path in ("/preupload/", CHECK, COMMIT):
            proxy.rules.clear()
            proxy.add("POST", path, instead(status(401)))
            with pytest.raises(HubError, match="rejected the token"):
                publish(proxy.url)
            assert proxy.count("POST", path)
            assert not (publish.folder / "receipt.json").exists()
    (commit,) = commits(hub, publish.repo_id)
    assert publish(hub.url) == commit
    assert_published_once(hub, publish, commit)


def test_a_hub_that_is_down_then_up(hub: LocalHub, publish: Publishing) -> None:
    url = unused_url()
    with pytest.raises(HubError) as error:
        publish(url)
    assert error.value.message.startswith(f"The Hub at {url} failed while looking at {publish.repo_id}: ")
    assert error.value.remedy == "Nothing is lost: the same command, run again, finishes the job."
    assert_published_once(hub, publish, publish(hub.url))


def test_a_hub_that_never_answers(publish: Publishing) -> None:
    with BlackHole() as hole:
        started = time.monotonic()
        with pytest.raises(HubError, match="timed out"):
            publish(hole.url, replace(QUICK, answer_seconds=0.5))
        assert time.monotonic() - started < 10


def test_a_request_that_is_never_answered(hub: LocalHub, publish: Publishing) -> None:
    """huggingface_hub gives this one no time limit."""
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", CREATE, hang(60))
        started = time.monotonic()
        with pytest.raises(HubError, match=r"failed while creating .*timed out"):
            publish(proxy.url, replace(QUICK, answer_seconds=0.5))
        assert time.monotonic() - started < 10 < QUICK.request_seconds


def test_a_request_longer_than_all_patience_is_given_up(hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", "/commit/", hang(20))
        with pytest.raises(HubError, match=r"failed while publishing .*: timed out after 3 seconds"):
            publish(proxy.url, replace(QUICK, answer_seconds=15, upload_seconds=3, upload_bytes_per_second=1e12))


def test_somebody_else_commits_at_the_same_time(hub: LocalHub, publish: Publishing) -> None:
    publish(hub.url)
    (publish.folder / "model" / "README.md").write_text("---\nlicense: mit\n---\n# New\n")
    api = HfApi(endpoint=hub.url, token=hub.token)

    def commit_a_note() -> None:
        api.create_commit(
            publish.repo_id, [CommitOperationAdd("notes.txt", b"by hand")], commit_message="A note by hand"
        )

    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", "/commit/", first_do(commit_a_note), times=1)
        commit = publish(proxy.url)
        assert proxy.count("POST", "/commit/") == 2  # the first was refused with 412
    titles = [entry.title for entry in api.list_repo_commits(publish.repo_id)]
    assert titles[:3] == ["Update the card", "A note by hand", "Publish the model and its card"]
    assert commits(hub, publish.repo_id)[0] == commit
    assert "notes.txt" in api.list_repo_files(publish.repo_id)


def test_what_the_hub_holds_is_compared(hub: LocalHub, publish: Publishing) -> None:
    sha256 = "0" * 64

    def corrupt(body: bytes) -> bytes:
        import json

        entries = json.loads(body)
        for entry in entries:
            if entry["path"] == "model.safetensors":
                entry["lfs"]["oid"] = sha256
        return json.dumps(entries).encode()

    with FaultProxy(hub.url) as proxy:
        proxy.add("GET", "/tree/", rewrite(corrupt), after=1)
        with pytest.raises(HubError) as error:
            publish(proxy.url)
    assert error.value.message == (
        f"{proxy.url}/{publish.repo_id} does not hold what was sent: model.safetensors differs from the local file."
    )
    assert not (publish.folder / "receipt.json").exists()


def test_killed_while_publishing(hub: LocalHub, publish: Publishing) -> None:
    """SIGKILL after the commit with no answer heard: the rerun leaves one commit all the same."""
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", COMMIT, instead(hang(30)))
        process = push_in_a_process(publish.folder.parent, proxy.url, hub.token, publish.repo_id)
        wait_for(proxy, "POST", COMMIT, process)
        give_up_at = time.monotonic() + 10
        while not commits(hub, publish.repo_id):
            assert time.monotonic() < give_up_at
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (publish.folder / "receipt.json").exists()
    assert_published_once(hub, publish, publish(hub.url))


def test_interrupted_by_the_keyboard_ends_at_once(hub: LocalHub, publish: Publishing) -> None:
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", "/v1/xorbs/", hang(60))
        process = push_in_a_process(publish.folder.parent, proxy.url, hub.token, publish.repo_id)
        wait_for(proxy, "POST", "/v1/xorbs/", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_remote_is_current_says_when_the_hub_cannot_be_asked(
    hub: LocalHub, publish: Publishing, tmp_path: Path
) -> None:
    config = make_publication(tmp_path / "more", "asked")
    target = preflight(config, HubClient(hub.url, hub.token, QUICK), is_local=True)
    receipt = push(config, target)
    with pytest.raises(HubError, match="failed while looking at huggingtweets/asked"):
        remote_is_current(replace(target, hub=HubClient(unused_url(), hub.token, QUICK)), receipt)
