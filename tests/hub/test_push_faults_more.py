"""Faults on the roads that a push takes seldom: uploads as LFS, a Hub whose storage fails for ever, pull requests."""

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from hub_publisher import localhub
from hub_publisher.errors import HubError
from hub_publisher.localhub import LocalHub
from tests.helpers.faults import Fault, FaultProxy, lose_answer, reset, status
from tests.helpers.push import QUICK, Publishing, assert_published_once, push_in_a_process, write_card

LFS_WARNS = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own, of httpx2


@pytest.fixture
def publish(tmp_path: Path, hub: LocalHub, request: pytest.FixtureRequest) -> Publishing:
    return Publishing(tmp_path, hub, request.node.name)


@LFS_WARNS
def test_passing_faults_on_the_lfs_path(hub: LocalHub, publish: Publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", "/objects/batch", status(503), 1)
        proxy.add("PUT", "", reset(), 1)
        proxy.add("PUT", "", status(500), 1)
        proxy.add("PUT", "", status(403), 1)  # an upload address that expired
        commit = publish(proxy.url)
        assert all(rule.times == 0 for rule in proxy.rules), "a fault was not met"
    assert_published_once(hub, publish, commit)


LASTING: dict[str, tuple[bool, str, str, Fault, str]] = {  # over Xet?, method, path, fault, message
    "LFS batch 404": (False, "POST", "/objects/batch", status(404), "failed while publishing"),
    "shard 500 for ever": (True, "POST", "/v1/shards", status(500), "failed while publishing .*: timed out after 2 s"),
    "xet token 404": (True, "GET", "/xet-write-token/", status(404), "failed while publishing"),
    "preupload 401": (True, "POST", "/preupload/", status(401), "rejected the token while publishing"),
}


@LFS_WARNS
@pytest.mark.parametrize("row", LASTING)
def test_lasting_faults_end_in_an_error_and_a_rerun_finishes(
    row: str, hub: LocalHub, publish: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_xet, method, path, fault, message = LASTING[row]
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not over_xet)
    with FaultProxy(hub.url) as proxy:
        proxy.add(method, path, fault)
        started = time.monotonic()
        with pytest.raises(HubError, match=message):
            publish(proxy.url, replace(QUICK, upload_seconds=2, upload_bytes_per_second=1e12))
        assert time.monotonic() - started < 8
        proxy.rules.clear()
        assert_published_once(hub, publish, publish(proxy.url))


def test_a_hub_that_always_fails_is_given_up_in_time(hub: LocalHub, publish: Publishing) -> None:
    """In a process of its own: huggingface_hub, given up, goes on asking until its process ends."""
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", "/preupload/", status(500))
        process = push_in_a_process(
            publish.folder.parent, proxy.url, hub.token, publish.repo_id, 2, stderr=subprocess.PIPE, text=True
        )
        _, words = process.communicate(timeout=30)
    failed = f"The Hub at {proxy.url} failed while publishing {publish.repo_id}: timed out after 2 seconds"
    assert process.returncode == 1
    assert failed in words.splitlines()
    assert_published_once(hub, publish, publish(hub.url))


def edit_by_hand(hub: LocalHub, publish: Publishing) -> None:
    """Change the card on the Hub inside our region, and ours as well: only a pull request can publish it."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    page = (publish.folder / "model" / "README.md").read_text().replace("# A card", "# By hand")
    api.upload_file(path_or_fileobj=page.encode(), path_in_repo="README.md", repo_id=publish.repo_id)
    write_card(publish.config, "# A newer card\n")


@pytest.mark.parametrize("path", ["/discussions$", "/commit/refs"])
def test_a_pull_request_that_loses_its_answer_is_not_opened_twice(
    path: str, hub: LocalHub, publish: Publishing
) -> None:
    publish(hub.url)
    edit_by_hand(hub, publish)
    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", path, lose_answer(), times=1)
        commit = publish(proxy.url, create_pr=True)
        assert proxy.rules[0].times == 0, "the fault was not met"
    api = HfApi(endpoint=hub.url, token=hub.token)
    (pull,) = api.get_repo_discussions(publish.repo_id)
    made = api.list_repo_commits(publish.repo_id, revision=str(pull.git_reference))
    assert [entry.commit_id for entry in made[:1]] == [commit]
    assert len(made) == 4, "created, published, edited by hand, and one commit of the pull request"


def test_reading_the_card_that_is_there_is_tried_again(hub: LocalHub, publish: Publishing) -> None:
    publish(hub.url)
    write_card(publish.config, "# A newer card\n")
    with FaultProxy(hub.url) as proxy:
        for fault in (status(503), reset()):
            proxy.add("GET", "/resolve/.*/README.md", fault, times=1)
        publish(proxy.url)
        assert all(rule.times == 0 for rule in proxy.rules), "a fault was not met"
    back = HfApi(endpoint=hub.url, token=hub.token).hf_hub_download(publish.repo_id, "README.md")
    assert "# A newer card" in Path(back).read_text()


def test_a_hub_that_was_wiped_gets_everything_again(tmp_path: Path) -> None:
    """The client's cache of uploads outlives the Hub; nothing of it may be counted on."""
    with localhub.start(tmp_path / "hub") as first:
        publish = Publishing(tmp_path, first, "wiped")
        publish(first.url)
    shutil.rmtree(tmp_path / "hub")
    with localhub.start(tmp_path / "hub") as second:
        publish.hub = second
        assert_published_once(second, publish, publish(second.url))
