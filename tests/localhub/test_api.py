"""The corners of the Hub's API: what a client is answered there, and in which words."""

import itertools
import json
import socket
from urllib.parse import urlsplit

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import paginate

from hub_publisher import localhub
from tests.helpers.hub_calls import call

COUNTER = itertools.count()


@pytest.fixture
def repo(api: HfApi) -> str:
    """A fresh repository with one text file."""
    name = f"corners/model-{next(COUNTER)}"
    api.create_repo(name)
    api.create_commit(name, [CommitOperationAdd("a/b.txt", b"b")], commit_message="first")
    return name


def test_a_pull_request_against_a_branch_is_merged_there(api: HfApi, repo: str) -> None:
    api.create_branch(repo, branch="next")

    def add() -> list[CommitOperationAdd]:
        return [CommitOperationAdd("new.txt", b"new")]

    made = api.create_commit(repo, add(), commit_message="Add new", revision="next", create_pr=True)
    assert (made.pr_num, api.get_discussion_details(repo, 1).target_branch) == (1, "refs/heads/next")
    api.merge_pull_request(repo, 1)
    assert "new.txt" in api.list_repo_files(repo, revision="next")
    assert "new.txt" not in api.list_repo_files(repo)
    for revision in (api.model_info(repo).sha, "nowhere"):
        with pytest.raises(RevisionNotFoundError):
            api.create_commit(repo, add(), commit_message="Add new", revision=revision, create_pr=True)
    assert len(list(api.get_repo_discussions(repo))) == 1, "what is refused opens nothing"


def test_a_pull_request_outlives_its_branch(api: HfApi, repo: str) -> None:
    api.create_branch(repo, branch="next")
    add = [CommitOperationAdd("new.txt", b"new")]
    api.create_commit(repo, add, commit_message="Add new", revision="next", create_pr=True)
    api.delete_branch(repo, branch="next")
    assert api.get_discussion_details(repo, 1).conflicting_files == []
    api.merge_pull_request(repo, 1)
    assert "new.txt" in api.list_repo_files(repo, revision="next")


def test_a_missing_repository_is_401_without_a_token_and_404_with_one(api: HfApi, anonymous: HfApi) -> None:
    for client, status in ((anonymous, 401), (api, 404)):
        with pytest.raises(RepositoryNotFoundError) as error:
            client.model_info("corners/missing")
        assert error.value.response.status_code == status


def test_deleting_a_folder_needs_no_slash(api: HfApi, repo: str) -> None:
    api.create_commit(repo, [CommitOperationDelete("a")], commit_message="without")
    assert api.list_repo_files(repo) == [".gitattributes"]


def test_lists_come_in_pages(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    for name in ("pager/a", "pager/b", "pager/c"):
        api.create_repo(name)
    headers = {"authorization": f"Bearer {hub.token}"}
    first = paginate(f"{hub.url}/api/models", params={"author": "pager", "limit": 2}, headers=headers)
    assert [model["id"] for model in first] == ["pager/c", "pager/b", "pager/a"]
    _, headers, body = call(hub, "GET", f"/api/models/{repo}/commits/main?limit=1")
    assert (len(json.loads(body)), headers["x-total-count"]) == (1, "2")
    assert headers["link"] == f'<{hub.url}/api/models/{repo}/commits/main?limit=1&cursor=1>; rel="next"'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/collections", 404), ("POST", "/api/settings/webhooks", 404), ("GET", "/api/buckets/local/x", 404),
        ("GET", "/api/daily_papers", 404), ("GET", "/api/jobs/local/hardware", 404), ("PATCH", "/api/models", 405),
        ("GET", "/api/datasets/a/b/leaderboard", 404),
        ("GET", "/api/models/a/b/auth-check", 404), ("POST", "/api/models/a/b/discussions/1/comment", 404),
        ("POST", "/api/repos/move", 404), ("POST", "/api/models/a/b/super-squash/main", 404),
        ("GET", "/api/repos/create", 405), ("PURGE", "/a/b", 405),
    ],
)  # fmt: skip
def test_what_is_not_served_is_refused_as_the_hub_refuses(
    hub: localhub.LocalHub, method: str, path: str, status: int
) -> None:
    text = "Method not allowed"
    if status == 404:
        text = f"Sorry, we can't find the page you are looking for. The local Hub has no {path}"
    found, headers, body = call(hub, method, path, auth="yes")
    assert (found, json.loads(body), headers["x-error-message"]) == (status, {"error": text}, text)


def test_who_may_not_write_is_refused_before_the_body_comes(hub: localhub.LocalHub, repo: str) -> None:
    reader = (hub.root / "token-read").read_text().strip()
    for headers, status in ((b"", b"401"), (f"Authorization: Bearer {reader}\r\n".encode(), b"403")):
        with socket.create_connection((urlsplit(hub.url).hostname, urlsplit(hub.url).port), timeout=20) as connection:
            start = f"POST /api/models/{repo}/commit/main HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000000\r\n"
            connection.sendall(start.encode() + headers + b"\r\n{")
            assert connection.makefile("rb").readline().split()[1] == status


def test_files_come_in_commits(hub: localhub.LocalHub) -> None:
    body = json.dumps({"name": "corners/filled", "files": [{"path": "a", "content": "YQ==", "encoding": "base64"}]})
    status, _, reply = call(hub, "POST", "/api/repos/create", body, auth="yes")
    assert (status, b"takes files in commits" in reply) == (400, True)
    assert call(hub, "GET", "/api/models/corners/filled", auth="yes")[0] == 404


def test_visibility_is_the_one_setting(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    api.update_repo_settings(repo, private=True)
    assert api.model_info(repo).private
    with pytest.raises(HfHubHTTPError, match="one setting of a repository: its visibility"):
        api.update_repo_settings(repo, gated="auto")
    with pytest.raises(HfHubHTTPError, match="pull requests only"):
        api.create_discussion(repo, "A question", description="How?")
