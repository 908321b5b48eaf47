"""Attempts to break into the local Hub, or to break it: none succeeds, and it goes on serving."""

import base64
import json
import os
import subprocess
import threading
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st

from hub_publisher import localhub
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.operations import is_lfs_path, safe_path
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import GIT_ATTRIBUTES, git_hash
from hub_publisher.localhub.xet import Term, XorbStore, _ungroup, decode_chunk, parse_shard, read_chunks
from tests.helpers.hub_calls import call

OPERATIONS = '{"key":"header","value":{"summary":"s"}}\n'


@pytest.fixture(scope="module")
def repo(hub: localhub.LocalHub) -> str:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("safety/model", exist_ok=True)
    return "safety/model"


def commit(hub: localhub.LocalHub, repo: str, body: str | bytes) -> tuple[int, str]:
    status, _, reply = call(hub, "POST", f"/api/models/{repo}/commit/main", body, auth="yes")
    return status, json.loads(reply).get("error", "")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        ".",
        "",
        "a/./b",
        ".git/config",
        "a/.GIT",
        "..\\b",
        "a\nb",
        "x" * 2000,
        7,
        None,
    ],
)
def test_no_path_leaves_the_repository(hub: localhub.LocalHub, repo: str, path: object) -> None:
    for key, more in (
        ("file", {"content": "aGk=", "encoding": "base64"}),
        ("deletedFile", {}),
        ("lfsFile", {"oid": "0" * 64}),
    ):
        operation = json.dumps({"key": key, "value": {"path": path, **more}})
        status, error = commit(hub, repo, OPERATIONS + operation)
        assert status == 422
        assert error.startswith(("Invalid path", "Path is longer"))


@pytest.mark.parametrize(
    "target",
    [
        "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/safety/model/resolve/main/../../../../token",
        "/safety/model/resolve/main/%2e%2e%2f%2e%2e%2ftoken", "/_static/../../errors.py",
        "/_static/..%2f..%2ferrors.py",
        "/safety/model/resolve/..%2f..%2f..%2ftoken/x", "//etc/passwd", "/_lfs/..%2f..%2ftoken/1/9.x",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_folder(hub: localhub.LocalHub, repo: str, target: str) -> None:
    for method in ("GET", "HEAD", "PUT"):
        status, _, body = call(hub, method, target)
        assert status in (400, 401, 403, 404, 405)
        assert hub.token.encode() not in body
        assert b"PublisherError" not in body


def test_foreign_hosts_and_origins_are_refused(hub: localhub.LocalHub, repo: str) -> None:
    body = json.dumps({"name": "evil"})
    port = urlsplit(hub.url).port
    assert call(hub, "GET", "/api/models", Host=f"evil.example:{port}")[0] == 403
    assert call(hub, "GET", "/api/models", Host="a b")[0] == 400
    for name in (f"localhost:{port}", "LOCALHOST", f"[::1]:{port}"):
        assert call(hub, "GET", "/api/models", Host=name)[0] == 200
    assert call(hub, "POST", "/api/repos/create", body, auth="yes", Origin="https://evil.example")[0] == 403
    assert call(hub, "POST", "/api/repos/create", body, auth="yes", Origin=f"http://127.0.0.1:{port + 1}")[0] == 403
    assert call(hub, "POST", "/api/repos/create", body, auth="yes", Sec_Fetch_Site="cross-site")[0] == 403
    assert call(hub, "POST", "/api/repos/create", body, auth="yes", Origin="null")[0] == 403
    assert not HfApi(endpoint=hub.url, token=hub.token).repo_exists("local/evil")


def test_nothing_is_written_without_a_token(hub: localhub.LocalHub, repo: str) -> None:
    for method, path in (
        ("POST", "/api/repos/create"), ("DELETE", "/api/repos/delete"),
        ("PUT", f"/api/models/{repo}/settings"), ("POST", f"/api/models/{repo}/preupload/main"),
        ("POST", f"/api/models/{repo}/commit/main"), ("POST", f"/{repo}.git/info/lfs/objects/batch"),
        ("GET", f"/api/models/{repo}/xet-write-token/main"), ("POST", f"/api/models/{repo}/branch/b"),
        ("POST", f"/api/models/{repo}/tag/main"), ("POST", f"/api/models/{repo}/discussions"),
        ("DELETE", f"/api/models/{repo}/branch/b"),
    ):  # fmt: skip
        body = json.dumps({"name": "safety/x", "title": "title", "tag": "t"})
        status, headers, _ = call(hub, method, path, body)
        assert (path, status, headers["x-error-message"]) == (path, 401, "Invalid username or password.")


def test_a_browser_cookie_reads_private_models_and_writes_nothing(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("safety/hidden", private=True)
    assert call(hub, "GET", "/login?token=wrong")[0] == 401
    status, headers, _ = call(hub, "GET", f"/login?token={hub.token}")
    cookie = headers["set-cookie"]
    assert (status, headers["location"]) == (303, "/")
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    sent = {"Cookie": cookie.split(";")[0]}
    assert call(hub, "GET", "/safety/hidden", **sent)[0] == 200
    assert b'href="/safety/hidden"' in call(hub, "GET", "/", **sent)[2]
    assert call(hub, "GET", "/safety/hidden", Accept="text/html")[0] == 404
    assert b"/safety/hidden" not in call(hub, "GET", "/")[2]
    assert call(hub, "DELETE", "/api/repos/delete", '{"name":"safety/hidden"}', **sent)[0] == 403


def test_sizes_have_limits(hub: localhub.LocalHub, repo: str) -> None:
    assert call(hub, "GET", "/" + "a" * 9000)[0] == 414
    assert call(hub, "POST", "/api/validate-yaml", b'{"content": "' + b"a" * (17 * 2**20) + b'"}')[0] == 413
    large = base64.b64encode(b"x" * (10 * 2**20 + 1)).decode()
    operation = json.dumps({"key": "file", "value": {"path": "a.txt", "content": large, "encoding": "base64"}})
    assert commit(hub, repo, OPERATIONS + operation) == (400, "a.txt is larger than 10 MiB: upload it through LFS")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"key":1,"value":{}}', b'{"key":"header","value":[]}',
        b'{"key":"header","value":{"summary":7}}', b'{"key":"header","value":{"summary":"\\ud800"}}',
        OPERATIONS.encode() + b'{"key":"file","value":{"path":"a","content":"%%%","encoding":"base64"}}',
        OPERATIONS.encode() + b'{"key":"file","value":{"path":"a","content":7}}',
        OPERATIONS.encode() + b'{"key":"rename","value":{"path":"a"}}', b"[" * 100_000,
        OPERATIONS.encode() + b'{"key":"lfsFile","value":{"path":"a","oid":"../../token"}}',
        b'{"key":"header","value":{"summary":"s","parentCommit":"zz"}}',
    ],
)  # fmt: skip
def test_malformed_commits_are_refused_whole(hub: localhub.LocalHub, repo: str, body: bytes) -> None:
    status, error = commit(hub, repo, body)
    assert status == 400
    assert error


@given(st.text(max_size=40))
def test_a_safe_path_stays_inside(path: str) -> None:
    try:
        safe = safe_path(path)
    except Refusal as refusal:
        assert refusal.status == 422
        return
    root = os.path.normpath("/srv/repo")
    assert os.path.normpath(f"{root}/{safe}").startswith(f"{root}/")
    assert ".git" not in safe.lower().split("/")


def bg4(data: bytes) -> bytes:
    return b"".join(data[lane::4] for lane in range(4))


@given(st.binary(max_size=99))
def test_byte_grouping_is_undone(data: bytes) -> None:
    assert _ungroup(bg4(data)) == data


@given(st.binary(max_size=300))
def test_malformed_xet_objects_are_refused(data: bytes) -> None:
    for read in (
        lambda: parse_shard(data),
        lambda: list(read_chunks(BytesIO(data))),
        lambda: decode_chunk(data.ljust(8)),
    ):
        try:
            read()
        except Refusal as refusal:
            assert refusal.status == 400


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\1\3\0\0\0\3\0\0one", "bad or truncated chunk"), (b"\0\3\0\0\0\3\0\0on", "bad or truncated chunk"),
        (b"\0\3\0\0\0", "bad or truncated chunk"), (b"\0\3\0\0\3\3\0\0one", "bad chunk header"),
        (b"\0\3\0\0\0\0\0\xffone", "bad chunk header"), (b"\0\3\0\0\1\3\0\0one", "Malformed xorb: "),
        (b"\0\3\0\0\0\4\0\0one", "a chunk has another size than its header says"),
    ],
)  # fmt: skip
def test_a_chunk_is_what_its_header_says(data: bytes, text: str) -> None:
    with pytest.raises(Refusal, match=text):
        list(read_chunks(BytesIO(b"\0\3\0\0\0\3\0\0two" + data)))
    assert list(read_chunks(BytesIO(b"\0\3\0\0\0\3\0\0twoXETBLOB and more"))) == [b"two"]


def test_a_chunk_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    import lz4.frame

    packed = lz4.frame.compress(bytes(2**26))
    header = bytes([0]) + len(packed).to_bytes(3, "little") + bytes([1]) + (2**20).to_bytes(3, "little")
    assert len(decode_chunk(header + packed)) == 2**20, "what the header promises is the most that is ever inflated"


def test_a_file_is_made_of_known_chunks_alone(tmp_path: Path) -> None:
    xorbs, blobs, packed = XorbStore(tmp_path), BlobStore(tmp_path), tmp_path / "packed"
    packed.write_bytes(b"".join(b"\0\3\0\0\0\3\0\0" + text for text in (b"one", b"two", b"six")))
    assert (xorbs.add("0" * 64, packed), xorbs.add("0" * 64, packed)) == (True, False)
    rebuilt = xorbs.rebuild([Term("0" * 64, 6, 1, 3), Term("0" * 64, 3, 0, 1)], blobs)
    assert blobs.read(rebuilt) == b"twosixone"
    wrong = [("1" * 64, 3, 0, 1), ("0" * 64, 3, 3, 4), ("0" * 64, 4, 0, 1), ("0" * 64, 0, 1, 1), ("0" * 64, 0, 1, 0)]
    for term in wrong:
        with pytest.raises(Refusal, match="Unknown xorb or wrong range"):
            xorbs.rebuild([Term(*term)], blobs)
    with pytest.raises(Refusal, match="Invalid xorb hash"):
        xorbs.add("../token", packed)


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = ["git", "-c", "core.excludesFile=/dev/null", *arguments]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True).stdout


def test_lfs_paths_agree_with_git(tmp_path: Path) -> None:
    paths = ["m.bin", "sub/m.bin", "bin", "m.bin.txt", "saved_model/a", "saved_model/a/b", "sub/saved_model/a",
             "x.tar.gz", "tar", "x.lfs.txt", "events.out.tfevents.1", "README.md", "M.BIN", "m.bin/inside"]  # fmt: skip
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_bytes(GIT_ATTRIBUTES)
    found = git(tmp_path, "check-attr", "filter", "--", *paths).splitlines()
    assert [path for path in paths if is_lfs_path(path)] == [
        line.split(":")[0] for line in found if line.endswith(": lfs")
    ]


def test_git_hashes_agree_with_git(tmp_path: Path) -> None:
    for text in ("", "hello\n", "é" * 1000):
        assert git(tmp_path, "hash-object", "--stdin", stdin=text).strip() == git_hash(text.encode())


def test_the_server_is_still_there(hub: localhub.LocalHub, repo: str) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(call(hub, "GET", f"/{repo}")[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 8
    assert "request failed" not in (hub.root / "server.log").read_text(), "what the edge of the server catches and logs"


def test_whatever_a_client_sends_comes_back_in_a_short_header(hub: localhub.LocalHub) -> None:
    body = json.dumps({"name": "x" * 200_000, "organization": "safety"})
    status, headers, _ = call(hub, "POST", "/api/repos/create", body, auth="yes")
    assert status == 400 and len(headers["x-error-message"]) == 1000


def test_who_is_refused_while_sending_still_sees_why(hub: localhub.LocalHub) -> None:
    """A connection that is closed with bytes unread may be reset, and the answer be lost with it."""
    for _ in range(20):
        status, _, reply = call(hub, "POST", "/api/models/safety/none/commit/main", b"x" * 2**20)
        assert status == 401 and b"Invalid username or password" in reply


@pytest.mark.parametrize("tag", ["", " ", "\t", "a\x7f", "\x85", "\u2028", "x\r\ny: z"])
def test_no_word_of_a_client_breaks_the_header_that_repeats_it(hub: localhub.LocalHub, tag: str) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("safety/words", exist_ok=True)
    status, headers, _ = call(hub, "POST", "/api/models/safety/words/tag/main", json.dumps({"tag": tag}), auth="yes")
    assert status == 400 and headers["x-error-message"].startswith("Invalid reference for a tag:")
    assert "y" not in headers
