"""The local Hub as a process and as a store: it starts, stops, is killed, and keeps what it was given."""

import hashlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hub_publisher import localhub
from hub_publisher.errors import PublisherError
from hub_publisher.localhub.operations import apply_changes
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.server import bind
from hub_publisher.localhub.store import GIT_ATTRIBUTES, Draft, Store, git_hash, lfs_pointer, regular_file
from tests.helpers.hub_calls import call

DATA = os.urandom(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def upload_address(hub: localhub.LocalHub, repo: str, sha256: str = SHA256, size: int = len(DATA)) -> str:
    """Ask the LFS batch API where to PUT an object; return the path."""
    body = json.dumps({"operation": "upload", "objects": [{"oid": sha256, "size": size}]})
    _, _, reply = call(hub, "POST", f"/{repo}.git/info/lfs/objects/batch", body, auth="yes")
    return urlsplit(json.loads(reply)["objects"][0]["actions"]["upload"]["href"]).path


def push(hub: localhub.LocalHub, repo: str, path: str, data: bytes) -> str:
    add = [CommitOperationAdd(path, data)]
    return HfApi(endpoint=hub.url, token=hub.token).create_commit(repo, add, commit_message=f"add {path}").oid


def test_starting_twice_at_once_ends_with_one_server_and_a_restart_keeps_everything(tmp_path: Path) -> None:
    hubs: list[localhub.LocalHub] = []
    threads = [threading.Thread(target=lambda: hubs.append(localhub.start(tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, joined = sorted(hubs, key=lambda running: running.process is None)
    assert (first.url, first.process is None, joined.process) == (joined.url, False, None)
    with first:
        token = first.token
        api = HfApi(endpoint=first.url, token=first.token)
        api.create_repo("a/model")
        api.create_repo("a/secret", private=True)
        oid = push(first, "a/model", "model.safetensors", DATA)
        tree = list(api.list_repo_tree("a/model", recursive=True))
    assert localhub.find_running(tmp_path) is None
    with localhub.start(tmp_path) as second:
        assert (second.url, second.token) == (first.url, token)
        api = HfApi(endpoint=second.url, token=second.token)
        assert api.model_info("a/model").sha == oid
        assert list(api.list_repo_tree("a/model", recursive=True)) == tree
        assert call(second, "GET", "/a/model/resolve/main/model.safetensors")[2] == DATA
        assert api.model_info("a/secret").private
        # The clients' cache remembers xorbs by address: the address must be another one now.
        assert push(second, "a/secret", "model.safetensors", DATA)


def test_tokens_are_for_their_owner_alone(hub: localhub.LocalHub) -> None:
    for name in ("token", "token-read"):
        assert (hub.root / name).stat().st_mode & 0o777 == 0o600
    assert hub.token.startswith("hf_local_")


def test_a_second_start_joins_the_first(hub: localhub.LocalHub) -> None:
    with localhub.start(hub.root) as joined:
        assert (joined.url, joined.process) == (hub.url, None)
    assert localhub.find_running(hub.root) == hub.url


def test_another_port_when_the_remembered_one_is_taken(tmp_path: Path) -> None:
    with bind(tmp_path, "127.0.0.1", None) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PublisherError, match=f"Cannot listen on 127.0.0.1:{port}: Address already in use"):
            bind(tmp_path, "127.0.0.1", port)
        with bind(tmp_path, "127.0.0.1", None) as other:
            remembered = other.getsockname()[1]
    assert remembered != port
    with bind(tmp_path, "127.0.0.1", None) as again:
        assert again.getsockname()[1] == remembered


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from hub_publisher import localhub
        print(localhub.start(Path(sys.argv[1])).process.pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert localhub.find_running(tmp_path)
        parent.kill()
    deadline = time.monotonic() + 15
    while localhub.find_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert localhub.find_running(tmp_path) is None, f"process {server} is an orphan"


def test_a_failing_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").write_bytes(b"this is no database, and never was one" * 99)
    with pytest.raises(PublisherError) as error:
        localhub.start(tmp_path)
    assert error.value.message.splitlines()[0] == (
        f"The local Hub did not start: {tmp_path}/hub.sqlite3 is damaged: file is not a database."
    )
    assert f"Move {tmp_path} away" in error.value.message and "Traceback" not in error.value.message


def test_only_its_owner_may_look_into_it_and_no_token_is_empty(tmp_path: Path) -> None:
    root = tmp_path / "runs" / ".hub"
    with localhub.start(root) as hub:
        assert root.stat().st_mode & 0o777 == 0o700
        assert (root / "token").stat().st_mode & 0o777 == 0o600
        token = hub.token
    (root / "token").write_text("\n")
    with localhub.start(root) as hub:
        assert len(hub.token) == len(token) and hub.token != token


def test_killed_in_the_middle_of_an_upload_leaves_nothing_half(tmp_path: Path) -> None:
    hub = localhub.start(tmp_path)
    HfApi(endpoint=hub.url, token=hub.token).create_repo("a/model")
    before = push(hub, "a/model", "one.txt", b"1")
    path = upload_address(hub, "a/model")
    with socket.create_connection((urlsplit(hub.url).hostname, urlsplit(hub.url).port)) as upload:
        upload.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(DATA)}\r\n\r\n".encode())
        upload.sendall(DATA[:200_000])
        while not any(file.stat().st_size for file in (tmp_path / "incoming").iterdir()):
            time.sleep(0.01)
        assert hub.process is not None
        hub.process.send_signal(signal.SIGKILL)
        hub.process.wait()
    assert list((tmp_path / "incoming").iterdir())
    store = Store(tmp_path)
    assert not list((tmp_path / "incoming").iterdir())
    head = store.resolve(store.repo("model", "a/model"), "main")
    assert (head, set(store.files(head))) == (before, {".gitattributes", "one.txt"})
    assert not store.blobs.has(SHA256)
    hub.stop()


def test_killed_again_and_again_while_committing(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for round_number in range(3):
        hub = localhub.start(tmp_path)
        HfApi(endpoint=hub.url, token=hub.token).create_repo("a/model", exist_ok=True)
        assert hub.process is not None
        killer = threading.Timer(0.15 + 0.1 * round_number, hub.process.kill)
        killer.start()
        for index in range(1000):
            line = {
                "path": f"{round_number}-{index}.txt",
                "content": f"text {round_number} {index}",
                "encoding": "utf-8",
            }
            body = b'{"key":"header","value":{"summary":"s"}}\n' + json.dumps({"key": "file", "value": line}).encode()
            try:
                status, _, _ = call(hub, "POST", "/api/models/a/model/commit/main", body, auth="yes")
            except (OSError, http.client.HTTPException):
                break
            assert status == 200
            acknowledged.append(line["path"])
        killer.join()
        hub.stop()
    store = Store(tmp_path)
    files = store.files(store.resolve(store.repo("model", "a/model"), "main"))
    assert acknowledged
    assert set(acknowledged) <= set(files), "a commit that was acknowledged is gone"
    assert len(files) <= len(acknowledged) + 1 + 3, "at most the one in flight at each kill"
    for file in files.values():
        data = store.blobs.read(file.sha256)
        assert (hashlib.sha256(data).hexdigest(), git_hash(data)) == (file.sha256, file.oid)


def test_who_listens_at_the_address_of_a_dead_server_gets_no_secret(tmp_path: Path) -> None:
    class Impostor(http.server.BaseHTTPRequestHandler):
        heard: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.heard.append(f"{self.path} {self.headers}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"name": "local", "proof": "ab"}')

        def log_message(self, *words: object) -> None:
            pass

    with localhub.start(tmp_path) as hub:
        assert hub.process is not None
        hub.process.kill()
        hub.process.wait()
        with http.server.HTTPServer(("127.0.0.1", urlsplit(hub.url).port or 0), Impostor) as impostor:
            threading.Thread(target=impostor.serve_forever, daemon=True).start()
            assert localhub.find_running(tmp_path) is None
            with localhub.start(tmp_path) as other:
                assert other.url != hub.url
            impostor.shutdown()
    assert Impostor.heard and not any(hub.token in request for request in Impostor.heard)


def test_concurrent_writers_lose_nothing(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("a/shared")
    threads = [
        threading.Thread(target=lambda n=n: [push(hub, "a/shared", f"{n}-{i}.bin", os.urandom(999)) for i in range(4)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api = HfApi(endpoint=hub.url, token=hub.token)
    assert len(api.list_repo_files("a/shared")) == 17
    assert len(api.list_repo_commits("a/shared")) == 17


def test_deleting_frees_only_what_nothing_else_needs(hub: localhub.LocalHub) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    own = os.urandom(5000)
    for name in ("a/one", "a/two"):
        api.create_repo(name)
        push(hub, name, "shared.bin", DATA)
    push(hub, "a/one", "own.bin", own)
    blob = hub.root / "blobs" / hashlib.sha256(own).hexdigest()[:2] / hashlib.sha256(own).hexdigest()
    assert blob.read_bytes() == own
    api.delete_repo("a/one")
    assert not blob.exists()
    assert call(hub, "GET", "/a/two/resolve/main/shared.bin")[2] == DATA
    api.delete_repo("a/two")


def test_a_start_clears_what_no_commit_names_for_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create_repo("model", "a/model", private=False)
    named, old, new = (store.blobs.add(data) for data in (GIT_ATTRIBUTES, b"old", b"new"))
    for sha256 in (named, old):
        os.utime(store.blobs.path(sha256), (0, 0))
    Store(tmp_path)
    assert [store.blobs.has(sha256) for sha256 in (named, old, new)] == [True, False, True]


def test_what_a_commit_makes_of_a_tree(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = regular_file("a.txt", store.blobs.add(b"a"), b"a")._replace(since="first")
    new = regular_file("b.txt", store.blobs.add(b"b"), b"b")
    files = apply_changes(store, {"a.txt": old}, [("a.txt", old._replace(since="")), ("b.txt", new)], "head")
    assert files == {"a.txt": old, "b.txt": new}, "what is the same is not of this commit"
    gone = regular_file("c.txt", hashlib.sha256(b"c").hexdigest(), b"c")
    with pytest.raises(Refusal, match=r"^The content of c\.txt is gone: upload it again$"):
        apply_changes(store, {}, [("c.txt", gone)], "head")


def test_a_short_commit_id_must_be_of_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    repo = store.create_repo("model", "a/model", private=False)
    for oid in ("abcdefabc1", "abcdefabc2"):
        monkeypatch.setattr("secrets.token_hex", lambda size, oid=oid: oid.ljust(2 * size, "0"))
        with store.transaction() as database:
            store.add_commit(database, repo.id, Draft("refs/heads/main", None, "commit"), {})
    assert store.resolve(repo, "abcdefabc1") == "abcdefabc1".ljust(40, "0")
    with pytest.raises(Refusal, match="Invalid rev id: abcdefabc"):
        store.resolve(repo, "abcdefabc")


def test_an_upload_must_be_what_it_promised(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("a/uploads")
    path = upload_address(hub, "a/uploads")
    wrong = DATA[:-1] + bytes([DATA[-1] ^ 1])
    assert call(hub, "PUT", path, wrong)[0] == 400
    assert call(hub, "PUT", path, DATA[:-1])[0] == 400
    assert call(hub, "PUT", path, DATA + b"x")[0] == 413
    assert call(hub, "PUT", path[:-1] + ("0" if path[-1] != "0" else "1"), DATA)[0] == 403
    assert call(hub, "PUT", path.replace(SHA256, "0" * 64), DATA)[0] == 403
    line = json.dumps(
        {"key": "lfsFile", "value": {"path": "m.bin", "algo": "sha256", "oid": SHA256, "size": len(DATA)}}
    )
    body = '{"key":"header","value":{"summary":"s"}}\n' + line
    status, _, reply = call(hub, "POST", "/api/models/a/uploads/commit/main", body, auth="yes")
    assert (status, json.loads(reply)["error"]) == (400, f"The LFS object of m.bin was not uploaded: {SHA256}")
    assert call(hub, "PUT", path, DATA)[0] == 200
    wrong_size = body.replace(str(len(DATA)), "7")
    status, _, reply = call(hub, "POST", "/api/models/a/uploads/commit/main", wrong_size, auth="yes")
    assert (status, json.loads(reply)["error"]) == (400, f"The LFS object of m.bin has {len(DATA)} bytes, not 7")
    assert call(hub, "POST", "/api/models/a/uploads/commit/main", body, auth="yes")[0] == 200


def test_downloads_have_ranges_and_etags(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("a/ranges")
    oid = push(hub, "a/ranges", "m.safetensors", DATA)
    path = "/a/ranges/resolve/main/m.safetensors"
    status, headers, body = call(hub, "HEAD", path)
    assert (status, body) == (200, b"")
    assert headers["x-repo-commit"] == oid
    assert headers["etag"] == headers["x-linked-etag"] == f'"{SHA256}"'
    assert headers["content-length"] == headers["x-linked-size"] == str(len(DATA))
    assert not {"x-xet-hash", "content-encoding", "location"} & set(headers)
    status, headers, body = call(hub, "GET", path, Range="bytes=1000-1999")
    assert (status, body, headers["content-range"]) == (206, DATA[1000:2000], f"bytes 1000-1999/{len(DATA)}")
    assert call(hub, "GET", path, Range="bytes=299990-")[2] == DATA[299_990:]
    assert call(hub, "GET", path, Range="bytes=300000-")[0] == 416
    assert call(hub, "GET", path, If_None_Match=f'"{SHA256}"')[0] == 304
    pointer = lfs_pointer(SHA256, len(DATA))
    assert call(hub, "GET", "/a/ranges/raw/main/m.safetensors")[::2] == (200, pointer)
    status, headers, body = call(hub, "GET", "/a/ranges/raw/main/m.safetensors", Range="bytes=8-11")
    assert (status, body, headers["content-range"]) == (206, pointer[8:12], f"bytes 8-11/{len(pointer)}")
    assert call(hub, "GET", "/a/ranges/raw/main/.gitattributes")[2] == GIT_ATTRIBUTES
    assert call(hub, "GET", "/a/ranges/raw/main/missing")[0] == 404
    _, headers, body = call(hub, "GET", "/a/ranges/resolve/main/.gitattributes")
    assert headers["etag"] == f'"{git_hash(body)}"'


def test_an_unknown_cas_is_refused(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("a/cas")
    status, headers, reply = call(hub, "GET", "/api/models/a/cas/xet-write-token/main", auth="yes")
    given = json.loads(reply)
    assert (status, given["casUrl"]) == (200, headers["x-xet-cas-url"])
    path, bearer = urlsplit(given["casUrl"]).path, f"Bearer {given['accessToken']}"
    assert call(hub, "POST", f"{path}/v1/shards", b"", Authorization="Bearer 9999999999.x")[0] == 403
    assert call(hub, "POST", "/_cas/0123456789abcdef/v1/shards", b"", Authorization=bearer)[0] == 404
    assert call(hub, "POST", f"{path}/v1/shards", b"too short", Authorization=bearer)[0] == 400
    assert call(hub, "POST", f"{path}/v1/xorbs/default/{'0' * 64}", b"\1" * 99, Authorization=bearer)[0] == 400
    assert call(hub, "GET", "/api/models/a/cas/xet-write-token/main")[0] == 401


def test_a_read_of_the_wrong_kind_names_the_rule(hub: localhub.LocalHub) -> None:
    api = HfApi(endpoint=hub.url, token="hf_from_elsewhere")
    with pytest.raises(HfHubHTTPError) as error:
        api.list_repo_files("a/model")
    assert error.value.response.headers["X-Error-Message"] == "Invalid credentials in Authorization header"
