"""Pull requests in a browser's words: their list, their pages, and merging from there, over real HTTP."""

import itertools
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from hub_publisher import localhub
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.changes import MAX_PAGE_LINES, MAX_SHOWN_LINES, MAX_TEXT_BYTES, changes
from hub_publisher.localhub.store import File
from tests.helpers.hub_calls import call

COUNTER = itertools.count()
EVIL = '<script>alert(1)</script> "><img src=x onerror=alert(2)> {{ 7 * 7 }}'
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&gt;&lt;img src=x onerror=alert(2)&gt; {{ 7 * 7 }}"


@pytest.fixture
def repo(api: HfApi) -> str:
    """A fresh repository with a text file and one of bytes."""
    name = f"pulls/model-{next(COUNTER)}"
    api.create_repo(name)
    adds = [CommitOperationAdd("notes.txt", b"one\ntwo\nthree\n"), CommitOperationAdd("raw.dat", b"\0old")]
    api.create_commit(name, adds, commit_message="first")
    return name


def propose(api: HfApi, repo: str, title: str = "Improve", description: str = "", **files: bytes) -> str:
    """Open a pull request that writes `files` (in their names _ stands for a dot) and return the path of its page."""
    adds = [CommitOperationAdd(name.replace("_", "."), data) for name, data in files.items()]
    made = api.create_commit(repo, adds, commit_message=title, commit_description=description, create_pr=True)
    return urlsplit(made.pr_url).path


def logged_in(hub: localhub.LocalHub, token: str = "") -> dict[str, str]:
    """The headers of a form that a browser sends which was given the Hub's token."""
    cookie = call(hub, "GET", f"/login?token={token or hub.token}")[1]["set-cookie"].split(";")[0]
    return {"Cookie": cookie, "Origin": hub.url, "Sec_Fetch_Site": "same-origin"}


def read(hub: localhub.LocalHub, path: str, **headers: str) -> str:
    status, _, body = call(hub, "GET", path, **headers)
    assert status == 200
    return body.decode()


def test_the_address_that_create_pr_prints_is_a_page(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path = propose(api, repo, "Better notes", "Because of *two*", notes_txt=b"one\n2 < 3\nthree\n")
    page = read(hub, path)
    for text in (
        "Better notes", '<span class="num">#1</span>', "open</span>", "by local", "for main", "Because of *two*",
        '<span class="minus">-two\n', '<span class="plus">+2 &lt; 3\n', 'action="/login"',
    ):  # fmt: skip
        assert text in page
    assert 'method="post"' not in page, "who has no right is offered no button"
    listed = read(hub, f"/{repo}/discussions")
    assert f'<a href="{path}">Better notes</a>' in listed
    card = read(hub, f"/{repo}")
    assert f'<a href="/{repo}/discussions">Pull requests\n    <span class="num">1</span></a>' in card


def test_merging_from_the_page(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path, form = propose(api, repo, notes_txt=b"one\n"), logged_in(hub)
    assert f'<form class="actions" method="post" action="{path}/merge">' in read(hub, path, Cookie=form["Cookie"])
    status, headers, _ = call(hub, "POST", f"{path}/merge", b"", **form)
    assert (status, headers["location"]) == (303, path)
    assert call(hub, "GET", f"/{repo}/resolve/main/notes.txt")[2] == b"one\n"
    page = read(hub, path, Cookie=form["Cookie"])
    assert "merged</span>" in page
    assert f"/{repo}/commit/{api.model_info(repo).sha}" in page
    assert '<span class="minus">-two\n' in page, "what it changed can still be read"
    assert 'method="post"' not in page
    assert '<span class="num">0</span></a>' in page, "merged ones are not counted"
    assert "merged</span>" in read(hub, f"/{repo}/discussions")
    status, _, body = call(hub, "POST", f"{path}/merge", b"", **form)
    assert (status, b"this pull request is merged" in body) == (400, True)


def test_merging_takes_the_right_and_the_page_itself(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path, form = propose(api, repo, notes_txt=b"one\n"), logged_in(hub)
    before = api.model_info(repo).sha
    port = urlsplit(hub.url).port
    reader = logged_in(hub, (hub.root / "token-read").read_text().strip())
    assert 'method="post"' not in read(hub, path, Cookie=reader["Cookie"])
    for headers, expected in (
        ({}, 401), ({"Origin": hub.url}, 401), (reader, 403), ({"Cookie": form["Cookie"]}, 403),
        (form | {"Origin": "https://evil.example"}, 403), (form | {"Origin": "null"}, 403),
        (form | {"Origin": f"http://127.0.0.1:{(port or 0) + 1}"}, 403), (form | {"Sec_Fetch_Site": "cross-site"}, 403),
        (form | {"Authorization": "Bearer hf_wrong"}, 401),
    ):  # fmt: skip
        assert (headers, call(hub, "POST", f"{path}/merge", b"", **headers)[0]) == (headers, expected)
    assert call(hub, "GET", f"{path}/merge", **form)[0] == 405, "no link merges"
    assert api.model_info(repo).sha == before
    assert call(hub, "DELETE", "/api/repos/delete", f'{{"name": "{repo}"}}', **form)[0] == 403, "this form, no other"
    assert call(hub, "POST", f"/api/models/{repo}/discussions/1/merge", b"", **form)[0] == 403
    assert call(hub, "POST", f"{path}/merge", b"", auth="yes")[0] == 303, "a program has its token"


def test_a_conflict_is_shown_and_not_merged(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path, form = propose(api, repo, notes_txt=b"mine\n"), logged_in(hub)
    api.upload_file(path_or_fileobj=b"theirs\n", path_in_repo="notes.txt", repo_id=repo)
    page = read(hub, path, Cookie=form["Cookie"])
    assert "It cannot be merged: main has other changes to\n    notes.txt since." in page
    assert 'method="post"' not in page
    assert '<span class="plus">+mine' in page
    status, _, body = call(hub, "POST", f"{path}/merge", b"", **form, Accept="text/html")
    assert (status, b"conflicts in notes.txt" in body) == (409, True)
    assert call(hub, "GET", f"/{repo}/resolve/main/notes.txt")[2] == b"theirs\n"


def test_what_main_has_by_now_is_no_difference(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path = propose(api, repo, notes_txt=b"same\n", more_txt=b"more\n")
    api.upload_file(path_or_fileobj=b"same\n", path_in_repo="notes.txt", repo_id=repo)
    page = read(hub, path)
    assert "+same" not in page
    assert '<span class="plus">+more' in page


def test_nothing_hostile_comes_through(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    name = "<b onclick=alert(3)>.txt"
    adds = [CommitOperationAdd(name, EVIL.encode()), CommitOperationAdd("notes.txt", f"</pre>{EVIL}".encode())]
    api.create_commit(repo, adds, commit_message=EVIL, commit_description=EVIL, create_pr=True)
    for path in (f"/{repo}/discussions", f"/{repo}/discussions/1"):
        _, headers, body = call(hub, "GET", path)
        page = body.decode()
        assert ESCAPED in page
        for tag in ("<script", "<img src=x", "<b onclick", "</pre><script"):
            assert tag not in page
        assert headers["content-security-policy"].startswith("default-src 'self';")
    assert '<span class="plus">+&lt;/pre&gt;' in page
    assert "&lt;b onclick=alert(3)&gt;.txt" in page


def test_bytes_are_named_by_size_and_hash(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    weights = os.urandom(70_000)
    files = {"raw.dat": b"\0new!", "model.safetensors": weights, "latin.txt": b"caf\xe9", "empty.txt": b""}
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    operations = [*adds, CommitOperationDelete("notes.txt")]
    api.create_commit(repo, operations, commit_message="Replace", create_pr=True)
    page = read(hub, f"/{repo}/discussions/1")
    details = {file.path: file for file in api.list_repo_tree(repo, revision="refs/pr/1")}
    sha256 = details["model.safetensors"].lfs.sha256
    assert f'70.0 kB <code title="SHA-256 {sha256}">{sha256[:7]}</code>' in page
    assert "4 Bytes <code" in page
    assert "→ 5 Bytes <code" in page, "both versions of a changed file"
    assert 'aria-label="Changes to notes.txt"' in page
    for path in files:
        assert f'aria-label="Changes to {path}"' not in page
        assert f"<td>{path}</td>" in page


def test_long_changes_are_cut(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    path = propose(
        api, repo, long_txt=b"".join(b"line %d\n" % number for number in range(3000)), wide_txt=b"w" * 100_000,
        large_txt=b"text\n" * (MAX_TEXT_BYTES // 5 + 1), notes_txt=b"\n" * 4000,
    )  # fmt: skip
    page = read(hub, path)
    assert page.count("+line ") == MAX_SHOWN_LINES - 1, "one line says where"
    assert "There are more changes to this file than are shown here." in page
    assert "w" * 501 not in page
    assert 'aria-label="Changes to large.txt"' not in page
    assert "<td>large.txt</td>" in page
    assert len(page) < 200_000


def test_a_page_has_an_end(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    text = b"line\n" * 2 * MAX_SHOWN_LINES
    files = {name: File(name, name, blobs.add(text), len(text), False) for name in "abcdefgh"}
    found = list(changes({}, files, blobs))
    assert [change.path for change in found] == list("abcdefgh"), "each is named"
    assert sum(len(change.lines) for change in found) == MAX_PAGE_LINES
    assert [change.cut for change in found] == [True] * 5 + [False] * 3
    assert list(changes(files, files, blobs)) == []


@pytest.mark.parametrize("data", [b"one\0two", b"caf\xe9", b"a\n" * 5001, b"a" * (MAX_TEXT_BYTES + 1)])
def test_what_is_no_text_to_read_has_no_lines(tmp_path: Path, data: bytes) -> None:
    blobs = BlobStore(tmp_path)
    old, new = (File("a", sha256, sha256, size, False) for sha256, size in (
        (blobs.add(b"text\n"), 5), (blobs.add(data), len(data))))  # fmt: skip
    (change,) = changes({"a": old}, {"a": new}, blobs)
    assert (change.verb, change.lines, change.old, change.new) == ("changed", [], old, new)


def test_pages_that_are_not_there(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    for num in ("1", "0", "x", "99999999999", "%C2%B2"):
        assert call(hub, "GET", f"/{repo}/discussions/{num}")[0] == 404
        assert call(hub, "POST", f"/{repo}/discussions/{num}/merge", b"", **logged_in(hub))[0] == 404
    assert "Nobody has opened a pull request here." in read(hub, f"/{repo}/discussions")
    path = propose(api, repo, notes_txt=b"1")
    api.update_repo_settings(repo, private=True)
    for hidden in (path, f"/{repo}/discussions"):
        assert call(hub, "GET", hidden, Accept="text/html")[0] == 404
        read(hub, hidden, Cookie=logged_in(hub)["Cookie"])
    assert call(hub, "POST", f"{path}/merge", b"", Accept="text/html")[0] == 404


def test_other_repositories_have_these_pages_too(hub: localhub.LocalHub, api: HfApi, repo: str) -> None:
    api.create_repo("pulls/discussions", exist_ok=True)
    assert "Nobody has opened" not in read(hub, "/pulls/discussions"), "a repository of that name shows its card"
    api.create_repo(repo, repo_type="dataset")
    add = [CommitOperationAdd("a.txt", b"a")]
    made = api.create_commit(repo, add, commit_message="Add a", create_pr=True, repo_type="dataset")
    path = urlsplit(made.pr_url).path
    assert path == f"/datasets/{repo}/discussions/1"
    assert '<span class="plus">+a' in read(hub, path)
    assert call(hub, "POST", f"{path}/merge", b"", **logged_in(hub))[1]["location"] == path
    assert "a.txt" in api.list_repo_files(repo, repo_type="dataset")
    assert "a.txt" not in api.list_repo_files(repo)
