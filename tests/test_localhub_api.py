"""The corners of the Hub's API that its clients' own test suites reach: what they are answered, and in which words."""

import hashlib
import itertools
import json
import sqlite3
from pathlib import Path

import pytest
from hub_calls import call
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import paginate

from hub_publisher import localhub
from hub_publisher.localhub.store import Store

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


def test_comments_are_edited_and_hidden(api: HfApi, repo: str) -> None:
    api.create_discussion(repo, "A question", description="How?")
    (comment,) = api.get_discussion_details(repo, 1).events
    edited = api.edit_discussion_comment(repo, 1, comment.id, "How, *please*?")
    assert (edited.content, edited.edited, edited.hidden) == ("How, *please*?", True, False)
    assert [text["raw"] for text in edited.edit_history] == ["How?"]
    assert api.get_discussion_details(repo, 1).events == [edited]
    with pytest.warns(UserWarning, match="Hiding a comment is irreversible"):
        hidden = api.hide_discussion_comment(repo, 1, comment.id)
    assert (hidden.content, hidden.hidden) == ("This comment has been hidden", True)
    with pytest.raises(HfHubHTTPError, match="Comment not found"):
        api.edit_discussion_comment(repo, 1, "0" * 24, "nothing")


def test_a_renamed_repository_is_read_under_its_old_name(
    api: HfApi, anonymous: HfApi, repo: str, tmp_path: Path
) -> None:
    api.update_repo_settings(repo, private=True)
    api.move_repo(repo, f"{repo}-renamed")
    path = hf_hub_download(repo, "a/b.txt", endpoint=api.endpoint, token=api.token, cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"b"
    assert api.model_info(repo).id == f"{repo}-renamed"
    for refused in (
        lambda: anonymous.model_info(repo), lambda: api.delete_repo(repo),
        lambda: api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo),
    ):  # fmt: skip
        with pytest.raises(RepositoryNotFoundError):
            refused()
    api.create_repo(repo)
    assert api.model_info(repo).id == repo, "who takes the name owns it"
    with pytest.raises(HfHubHTTPError, match=f"A model repository called {repo} already exists"):
        api.move_repo(f"{repo}-renamed", repo)


def test_a_missing_repository_is_401_without_a_token_and_404_with_one(api: HfApi, anonymous: HfApi) -> None:
    for client, status in ((anonymous, 401), (api, 404)):
        with pytest.raises(RepositoryNotFoundError) as error:
            client.model_info("corners/missing")
        assert error.value.response.status_code == status


def test_a_licence_makes_a_card(hub: localhub.LocalHub, api: HfApi) -> None:
    for body in ({"name": "corners/licensed", "license": "mit"}, {"name": "corners/odd", "license": 'x"\n'}):
        call(hub, "POST", "/api/repos/create", json.dumps(body), auth="yes")
    assert api.model_info("corners/licensed").card_data.license == "mit"
    assert not api.repo_exists("corners/odd"), "a card that the Hub would refuse"


def test_deleting_a_folder_needs_no_slash(api: HfApi, repo: str) -> None:
    api.create_commit(repo, [CommitOperationDelete("a")], commit_message="without")
    assert api.list_repo_files(repo) == [".gitattributes"]


def test_lists_come_in_pages(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    for name in ("pager/a", "pager/b", "pager/c"):
        api.create_repo(name)
    api.update_repo_settings("pager/b", gated="auto")
    headers = {"authorization": f"Bearer {hub.token}"}
    first = paginate(f"{hub.url}/api/models", params={"author": "pager", "limit": 2}, headers=headers)
    assert [model["id"] for model in first] == ["pager/c", "pager/b", "pager/a"]
    assert [model.id for model in api.list_models(author="pager", gated=True)] == ["pager/b"]
    assert [model.id for model in api.list_models(author="pager", gated=False)] == ["pager/c", "pager/a"]
    _, headers, body = call(hub, "GET", f"/api/models/{repo}/commits/main?limit=1")
    assert (len(json.loads(body)), headers["x-total-count"]) == (1, "2")
    assert headers["link"] == f'<{hub.url}/api/models/{repo}/commits/main?limit=1&cursor=1>; rel="next"'


def test_what_cannot_be_expanded_is_named(api: HfApi, repo: str) -> None:
    for asked in (lambda: list(api.list_models(expand=["foo"])), lambda: api.model_info(repo, expand=["sha", "foo"])):
        with pytest.raises(HfHubHTTPError, match=r'expected one of "author"\|.*at expand\[[01]\]') as error:
            asked()
        assert error.value.response.status_code == 400
    assert api.model_info(repo, expand=["downloadsAllTime", "gguf", "evalResults"]).sha is None


def test_history_as_html_and_squashed(api: HfApi, repo: str) -> None:
    add = [CommitOperationAdd("c.txt", b"c")]
    api.create_commit(repo, add, commit_message="a < b", commit_description="d & e", create_pr=True)
    newest = api.list_repo_commits(repo, revision="refs/pr/1", formatted=True)[0]
    assert (newest.formatted_title, newest.formatted_message) == ("a &lt; b", "d &amp; e")
    assert api.list_repo_commits(repo)[0].formatted_title is None
    api.super_squash_history(repo, branch="refs/pr/1")
    assert len(api.list_repo_commits(repo, revision="refs/pr/1")) == 1
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: refs/heads/nowhere"):
        api.delete_branch(repo, branch="nowhere")


def test_lfs_files_are_deleted_from_the_whole_history(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    def blob(data: bytes) -> Path:
        sha256 = hashlib.sha256(data).hexdigest()
        return hub.root / "blobs" / sha256[:2] / sha256

    old, new, side = (f"{repo} {name}".encode() for name in ("old", "new", "side"))
    for data in (old, new):
        api.upload_file(path_or_fileobj=data, path_in_repo="model.bin", repo_id=repo)
    api.create_branch(repo, branch="side")
    api.upload_file(path_or_fileobj=side, path_in_repo="side.bin", repo_id=repo, revision="side")
    found = {file.oid: file for file in api.list_lfs_files(repo)}
    assert {file.filename: file.ref for file in found.values() if file.ref} == {
        "model.bin": "refs/heads/main", "side.bin": "refs/heads/side",
    }  # fmt: skip
    forgotten = found[hashlib.sha256(old).hexdigest()]
    assert (forgotten.filename, forgotten.ref, forgotten.size) == ("model.bin", None, len(old))
    api.permanently_delete_lfs_files(repo, [forgotten, found[hashlib.sha256(new).hexdigest()]])
    assert not blob(old).exists()
    assert not blob(new).exists()
    assert blob(side).read_bytes() == side
    assert api.list_repo_files(repo) == [".gitattributes", "a/b.txt"]
    with pytest.raises(EntryNotFoundError):
        api.get_hf_file_metadata(url=f"{hub.url}/{repo}/resolve/main/model.bin")


def test_people_and_what_they_store(hub: localhub.LocalHub, api: HfApi, anonymous: HfApi, repo: str) -> None:
    api.create_repo("corners/hidden", private=True, exist_ok=True)
    with_token, without = (c.get_organization_overview("corners").num_models for c in (api, anonymous))
    assert with_token > without > 0
    assert api.get_user_overview("local").user_type == "user"
    assert list(api.list_organization_members("corners")) == []
    with pytest.raises(HfHubHTTPError, match="There is no user or organization nobody here"):
        api.get_user_overview("nobody")
    stored = {item.id: item for item in api.list_user_repos("corners")}
    assert stored[repo].storage == sum(
        file.size for file in api.list_repo_tree(repo, recursive=True) if "size" in vars(file)
    )
    assert stored["corners/hidden"].visibility == "private"
    assert set(stored) <= {item.id for item in api.list_user_repos()}
    assert call(hub, "GET", "/api/settings/repositories")[0] == 401
    assert (api.list_liked_repos().total, list(api.list_repo_likers(repo))) == (0, [])
    api.unlike(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.unlike("corners/missing")


def test_the_callers_request_id_is_kept(hub: localhub.LocalHub) -> None:
    for sent, expected in (
        ({"X_Request_Id": "mine-1"}, "mine-1"), ({"X_Amzn_Trace_Id": "trace-1"}, "trace-1"),
        ({"X_Request_Id": "a b"}, "local-"), ({}, "local-"),
    ):  # fmt: skip
        assert call(hub, "GET", "/api/models", **sent)[1]["x-request-id"].startswith(expected)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/collections", 404), ("POST", "/api/settings/webhooks", 404), ("GET", "/api/buckets/local/x", 404),
        ("GET", "/api/daily_papers", 404), ("GET", "/api/jobs/local/hardware", 404), ("PATCH", "/api/models", 405),
        ("GET", "/api/datasets/a/b/leaderboard", 404), ("GET", "/api/repos/create", 405), ("PURGE", "/a/b", 405),
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


def test_a_folder_of_an_older_version_is_served(tmp_path: Path) -> None:
    store = Store(tmp_path)
    repo = store.create_repo("model", "a/model", False)
    with store.transaction() as database:
        database.execute("ALTER TABLE discussions DROP COLUMN target")
        values = (repo.id, store.resolve(repo, "main"))
        columns = "repo, num, title, status, base, created_at"
        database.execute(f"INSERT INTO discussions ({columns}) VALUES (?, 1, 'old', 'open', ?, '')", values)
    assert Store(tmp_path).rows("SELECT target FROM discussions") == [("refs/heads/main",)]
    with pytest.raises(sqlite3.IntegrityError):
        Store(tmp_path).rows("INSERT INTO repos VALUES (7, 'model', 'A/MODEL', 0, NULL, '')")
