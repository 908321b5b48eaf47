"""The protocol of the local Hub, spoken by the unmodified huggingface_hub: every call and every error it maps."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.numpy import save

from hub_publisher import localhub

COUNTER = itertools.count()
WEIGHTS = save(
    {"a": np.random.default_rng(0).standard_normal((600, 800), dtype=np.float32), "b": np.zeros(9, np.int64)}
)
CARD = b"""---
language: en
license: mit
library_name: transformers
base_model: openai-community/gpt2
tags: [huggingtweets]
widget: [{text: "My dream is"}]
---
# A card
"""


@pytest.fixture
def repo(api: HfApi, request: pytest.FixtureRequest) -> str:
    """A fresh repository with a card, named after the test."""
    name = f"tests/{request.node.originalname[:60]}-{next(COUNTER)}"
    api.create_repo(name)
    api.create_commit(name, [CommitOperationAdd("README.md", CARD)], commit_message="card")
    return name


def test_whoami_names_the_namespaces(api: HfApi, anonymous: HfApi, hub: localhub.LocalHub) -> None:
    me = api.whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("local", "write")
    assert "huggingtweets" in [org["name"] for org in me["orgs"]]
    with pytest.raises(HfHubHTTPError) as error:
        HfApi(endpoint=hub.url, token="hf_wrong").whoami()
    assert error.value.response.status_code == 401


def test_model_info_tells_what_the_card_and_the_weights_say(api: HfApi, anonymous: HfApi, repo: str) -> None:
    api.create_commit(repo, [CommitOperationAdd("model.safetensors", WEIGHTS)], commit_message="weights")
    info = anonymous.model_info(repo)
    assert info.safetensors.parameters == {"F32": 480_000, "I64": 9}
    assert info.card_data.license == "mit"
    assert set(info.tags) >= {
        "transformers", "safetensors", "huggingtweets", "en", "license:mit",
        "base_model:openai-community/gpt2", "base_model:finetune:openai-community/gpt2",
    }  # fmt: skip
    assert info.card_data.widget == [{"text": "My dream is"}]
    assert api.model_info(repo, expand=["sha"]).sha == info.sha


def test_list_models(api: HfApi, anonymous: HfApi) -> None:
    for name in ("lister/alpha-model", "lister/beta-model", "other-lister/alpha"):
        api.create_repo(name)
    api.create_commit("lister/alpha-model", [CommitOperationAdd("README.md", CARD)], commit_message="card")
    api.create_repo("lister/secret-model", private=True)

    def ids(client: HfApi = anonymous, **query: object) -> list[str]:
        return [model.id for model in client.list_models(**query)]

    assert ids(author="lister") == ["lister/alpha-model", "lister/beta-model"], "newest first, by last commit"
    assert ids(api, author="lister")[0] == "lister/secret-model"
    assert ids(search="alpha") == ["lister/alpha-model", "other-lister/alpha"]
    assert ids(search="Model alpha") == ["lister/alpha-model"]
    assert ids(author="lister", limit=1) == ["lister/alpha-model"]
    assert next(iter(anonymous.list_models(author="lister", cardData=True))).card_data.license == "mit"


def test_tree_and_paths(api: HfApi, repo: str) -> None:
    adds = [CommitOperationAdd(path, path.encode()) for path in ("a.txt", "deep/b.txt", "deep/er/c.txt")]
    api.create_commit(repo, adds, commit_message="more files")
    assert [entry.path for entry in api.list_repo_tree(repo)] == [".gitattributes", "README.md", "a.txt", "deep"]
    recursive = [entry.path for entry in api.list_repo_tree(repo, "deep", recursive=True)]
    assert recursive == ["deep/b.txt", "deep/er", "deep/er/c.txt"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "nowhere"))
    found = api.get_paths_info(repo, ["README.md", "deep", "missing"])
    assert [entry.path for entry in found] == ["README.md", "deep"]


def test_tree_in_pages(api: HfApi, repo: str) -> None:
    adds = [CommitOperationAdd(f"many/{index:04}.txt", b"same") for index in range(1005)]
    api.create_commit(repo, adds, commit_message="many")
    paths = [entry.path for entry in api.list_repo_tree(repo, "many")]
    assert paths == [f"many/{index:04}.txt" for index in range(1005)]


def test_delete_copy_and_folder_operations(api: HfApi, repo: str) -> None:
    adds = [CommitOperationAdd(path, WEIGHTS) for path in ("x/1.safetensors", "x/2.safetensors")]
    api.create_commit(repo, [*adds, CommitOperationAdd("notes.txt", b"n")], commit_message="add")
    operations = [
        CommitOperationCopy("x/1.safetensors", "copy.safetensors"), CommitOperationCopy("notes.txt", "notes2.txt"),
        CommitOperationDelete("x/", is_folder=True), CommitOperationDelete("notes.txt"),
    ]  # fmt: skip
    api.create_commit(repo, operations, commit_message="move")
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "README.md", "copy.safetensors", "notes2.txt"]
    with pytest.raises(EntryNotFoundError):
        api.delete_file("notes.txt", repo)
    api.create_commit(repo, [CommitOperationAdd("README.md/inside.txt", b"i")], commit_message="file to folder")
    assert "README.md" not in api.list_repo_files(repo)


def test_stale_parent_commit_is_412(api: HfApi, repo: str) -> None:
    parent = api.model_info(repo).sha
    add = [CommitOperationAdd("a.txt", b"1")]
    head = api.create_commit(repo, add, commit_message="one", parent_commit=parent[:10]).oid
    with pytest.raises(HfHubHTTPError) as error:
        api.create_commit(repo, [CommitOperationAdd("a.txt", b"2")], commit_message="two", parent_commit=parent)
    assert error.value.response.status_code == 412
    message = "The branch was updated since you opened this page. Please refresh and try again."
    assert error.value.server_message == message
    assert api.model_info(repo).sha == head


def test_branches_and_tags(api: HfApi, repo: str) -> None:
    start = api.model_info(repo).sha
    api.create_branch(repo, branch="feature/x")
    api.upload_file(path_or_fileobj=b"1", path_in_repo="f", repo_id=repo, revision="feature/x")
    api.create_tag(repo, tag="v1", revision=start, tag_message="first")
    refs = api.list_repo_refs(repo)
    assert {branch.name for branch in refs.branches} == {"main", "feature/x"}
    assert [(tag.name, tag.target_commit) for tag in refs.tags] == [("v1", start)]
    assert "f" in api.list_repo_files(repo, revision="feature/x")
    assert "f" not in api.list_repo_files(repo, revision="v1")
    api.create_branch(repo, branch="feature/x", exist_ok=True)
    for call, status, text in (
        (lambda: api.create_branch(repo, branch="feature/x"), 409, "Reference refs/heads/feature/x already exists"),
        (lambda: api.create_branch(repo, branch="refs/pr/5"), 400, "Invalid reference for a branch: refs/pr/5"),
        (lambda: api.create_tag(repo, tag="v1"), 409, "Reference refs/tags/v1 already exists"),
        (lambda: api.delete_branch(repo, branch="main"), 403, "Cannot delete refs/heads/main"),
    ):
        with pytest.raises(HfHubHTTPError) as error:
            call()
        assert (error.value.response.status_code, error.value.server_message) == (status, text)
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(repo, tag="v2", revision="nowhere")
    api.delete_tag(repo, tag="v1")
    api.delete_branch(repo, branch="feature/x")
    assert [branch.name for branch in api.list_repo_refs(repo).branches] == ["main"]
    api.delete_repo(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(repo)


def test_pull_request_from_opening_to_merge(api: HfApi, repo: str) -> None:
    add = [CommitOperationAdd("new.txt", b"1")]
    made = api.create_commit(repo, add, commit_message="Add new", commit_description="Why", create_pr=True)
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
    assert [ref.ref for ref in api.list_repo_refs(repo, include_pull_requests=True).pull_requests] == ["refs/pr/1"]
    api.upload_file(path_or_fileobj=b"2", path_in_repo="more.txt", repo_id=repo, revision="refs/pr/1")
    assert "new.txt" not in api.list_repo_files(repo)
    details = api.get_discussion_details(repo, 1)
    assert (details.status, details.is_pull_request, details.conflicting_files) == ("draft", True, [])
    assert [event.content for event in details.events] == ["Why"]
    assert [one.num for one in api.get_repo_discussions(repo, discussion_status="open")] == [1]
    api.merge_pull_request(repo, 1)
    assert list(api.get_repo_discussions(repo, discussion_status="open")) == []
    assert {"new.txt", "more.txt"} <= set(api.list_repo_files(repo))
    assert [d.status for d in api.get_repo_discussions(repo)] == ["merged"]
    with pytest.raises(BadRequestError):
        api.merge_pull_request(repo, 1)


def test_conflicting_pull_request_is_not_merged(api: HfApi, repo: str) -> None:
    api.create_commit(repo, [CommitOperationAdd("a", b"theirs")], commit_message="Add a", create_pr=True)
    api.create_commit(repo, [CommitOperationAdd("a", b"ours")], commit_message="Add a too")
    assert api.get_discussion_details(repo, 1).conflicting_files == ["a"]
    with pytest.raises(HfHubHTTPError, match="conflicts in a"):
        api.merge_pull_request(repo, 1)


def test_private_repositories_do_not_exist_for_outsiders(
    api: HfApi, anonymous: HfApi, repo: str, tmp_path: Path
) -> None:
    api.update_repo_settings(repo, private=True)
    for call in (
        lambda: anonymous.model_info(repo), lambda: anonymous.list_repo_files(repo),
        lambda: hf_hub_download(repo, "README.md", endpoint=anonymous.endpoint, token=False, cache_dir=tmp_path),
        lambda: anonymous.list_repo_refs(repo), lambda: anonymous.get_paths_info(repo, ["README.md"]),
    ):  # fmt: skip
        with pytest.raises(RepositoryNotFoundError):
            call()
    assert api.model_info(repo).private
    api.update_repo_settings(repo, private=False)
    assert not anonymous.model_info(repo).private


def test_a_read_token_may_not_write(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    reader = HfApi(endpoint=hub.url, token=(hub.root / "token-read").read_text().strip())
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    api.update_repo_settings(repo, private=True)
    assert reader.model_info(repo).private
    for call in (
        lambda: reader.create_commit(repo, [CommitOperationAdd("a", b"1")], commit_message="x"),
        lambda: reader.create_repo("tests/forbidden"),
        lambda: reader.delete_repo(repo), lambda: reader.create_tag(repo, tag="t"),
        lambda: reader.update_repo_settings(repo, private=False),
    ):  # fmt: skip
        with pytest.raises(HfHubHTTPError) as error:
            call()
        assert error.value.server_message == "Forbidden: you must use a write token to upload to a repository."
    assert api.repo_exists(repo)


def test_missing_things_raise_the_clients_own_errors(api: HfApi, repo: str, tmp_path: Path) -> None:
    def download(name: str, path: str, revision: str = "main") -> None:
        hf_hub_download(name, path, revision=revision, endpoint=api.endpoint, token=False, cache_dir=tmp_path)

    with pytest.raises(EntryNotFoundError):
        download(repo, "missing.txt")
    with pytest.raises(RevisionNotFoundError):
        download(repo, "README.md", "nowhere")
    for name in ("tests/nothing-here", "gpt2"):
        with pytest.raises(RepositoryNotFoundError):
            download(name, "README.md")
    assert not api.repo_exists("tests/nothing-here")
    assert api.file_exists(repo, "README.md")
    assert not api.file_exists(repo, "missing.txt")
    assert list(tmp_path.glob("**/.no_exist/*/missing.txt")), "X-Repo-Commit lets the client remember a miss"


def test_download_by_short_commit_and_by_tag(api: HfApi, repo: str, tmp_path: Path) -> None:
    api.create_tag(repo, tag="v1.0")
    sha = api.model_info(repo).sha
    for revision in (sha[:8], "v1.0", "refs/heads/main"):
        at = {"endpoint": api.endpoint, "token": False, "cache_dir": tmp_path / revision[:3]}
        assert Path(snapshot_download(repo, revision=revision, **at), "README.md").read_bytes() == CARD


def test_create_repo_twice_and_with_bad_names(api: HfApi, repo: str) -> None:
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo(repo)
    assert error.value.response.status_code == 409
    assert error.value.server_message == "You already created this model repo"
    for name in ("tests/x.git", "api/x", "_cas/x"):
        with pytest.raises((BadRequestError, ValueError)):
            api.create_repo(name)


def test_datasets_are_apart_from_models(api: HfApi, repo: str) -> None:
    api.create_repo(repo, repo_type="dataset")
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="data.safetensors", repo_id=repo, repo_type="dataset")
    assert "data.safetensors" in api.list_repo_files(repo, repo_type="dataset")
    assert "data.safetensors" not in api.list_repo_files(repo)
    assert [d.id for d in api.list_datasets(author="tests") if d.id == repo] == [repo]
