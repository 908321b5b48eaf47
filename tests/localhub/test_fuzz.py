"""Requests that no client would send, thrown at a running local Hub: none makes it fail."""

import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_publisher import localhub
from tests.helpers.hub_calls import call


@pytest.fixture(scope="module")
def fuzzed(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("safety/fuzz", exist_ok=True)


LITTLE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "organization", "files", "path", "sample", "size", "objects", "oid", "operation", "visibility",
         "gated", "title", "content", "key", "value", "type", "tag", "startingPoint", "pullRequest", "paths",
         "private", "inputs", "parameters", "stop", "seed", "stream"]),
        inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
REQUESTS = [
    ("POST", "/api/repos/create"), ("DELETE", "/api/repos/delete"),
    ("PUT", "/api/models/safety/fuzz/settings"), ("POST", "/api/models/safety/fuzz/preupload/main"),
    ("POST", "/api/models/safety/fuzz/commit/main"), ("POST", "/safety/fuzz.git/info/lfs/objects/batch"),
    ("POST", "/api/models/safety/fuzz/paths-info/main"), ("POST", "/api/models/safety/fuzz/branch/x"),
    ("POST", "/api/models/safety/fuzz/tag/main"), ("POST", "/api/models/safety/fuzz/discussions"),
    ("POST", "/api/validate-yaml"),
    ("POST", "/models/safety/fuzz"),
    ("POST", "/safety/fuzz/discussions/1/merge"),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@example(request=("POST", "/api/repos/create"), body={"name": None, "type": [None]})
@example(request=("POST", "/api/repos/create"), body={"name": "fuzzed", "files": 5})
@example(request=("POST", "/api/models/safety/fuzz/paths-info/main"), body={"paths": True})
@example(request=("POST", "/api/models/safety/fuzz/preupload/main"), body={"files": [{"path": "a"}], "gitIgnore": 5})
@example(request=("POST", "/models/safety/fuzz"), body={"inputs": "a", "parameters": {"stop": [{}], "seed": None}})
@given(request=st.sampled_from(REQUESTS), body=LITTLE_JSON)
def test_no_body_makes_the_server_fail(
    hub: localhub.LocalHub, fuzzed: None, request: tuple[str, str], body: object
) -> None:
    status, _, reply = call(hub, *request, json.dumps(body), auth="yes", Content_Type="application/json")
    assert status < 500, reply


@settings(max_examples=100, deadline=None)
@given(target=st.text(st.sampled_from("abc/%.2eF0?&=:@~ é\\'\"<>"), max_size=40))
def test_no_address_makes_the_server_fail(hub: localhub.LocalHub, target: str) -> None:
    raw = f"GET /{target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection((urlsplit(hub.url).hostname, urlsplit(hub.url).port)) as connection:
        connection.sendall(raw)
        reply = connection.makefile("rb").readline()
    assert reply.split()[1] in (b"200", b"400", b"401", b"404", b"405"), reply


SEGMENTS = st.sampled_from(
    ["api", "models", "datasets", "safety", "fuzz", "safety%2Ffuzz", "main", "refs%2Fpr%2F1", "tree", "resolve", "raw",
     "blob", "commit", "commits", "revision", "paths-info", "preupload", "xet-write-token", "branch", "tag", "settings",
     "discussions", "1", "merge", "batch", "verify", "lfs", "_lfs", "_cas", "v1", "xorbs",
     "default", "shards", "_static", "hub.css", "login", "README.md", ".gitattributes", "..", "%2e%2e", "%00", "%ff",
     "users", "repos", "create", "fuzz.git", "info", "objects", "0" * 64, ""]
) | st.text(st.sampled_from("aZ0._-%~'\"<>{}\\"), max_size=6)  # fmt: skip
HEADERS = st.sampled_from(
    ["Range: bytes=0-", "Range: bytes=9-3", "Range: bytes=-0", "Range: x", "Range: bytes=0-1,2-3,-1",
     "If-Range: x", "If-None-Match: *", "Origin: http://[", "Origin: null", "Referer: http://[",
     "Content-Type: application/json", "Accept: text/html", "Content-Type: multipart/form-data",
     "Cookie: a=b; \xff=\xfe", "Authorization: Bearer", "Authorization: Basic e=",
     "Authorization: Bearer \xff", "Transfer-Encoding: chunked", "Content-Encoding: gzip", "Expect: 100-continue",
     "Content-Length: 7", "Content-Length: -1", "X-Request-Id: \xe9", "Sec-Fetch-Site: cross-site",
     "Host: [", "Host: \xff", "Upgrade: websocket", "Connection: upgrade", "X-Http-Method-Override: DELETE"]
)  # fmt: skip
QUERIES = ["", "?", "?limit=0&cursor=-1", "?cursor=99999999999", "?p=\xb2", "?recursive=1&expand=true", "?expand=x",
           "?filter=a,b&sort=id", "?token=%ff", "?create_pr=1", "?q=%00%ff&author=%", "?%"]  # fmt: skip
BODIES = [b"", b"{}", b"[]", b"\xff", b'{"paths":["a","a/b",""]}', b"paths=%ff&paths=a", b"5\r\nhello\r\n0\r\n\r\n",
          b"zz\r\n", b'{"name":"fuzzed/x"}', b"MDB_TOO_FEW_BYTES" * 9, bytes(2000)]  # fmt: skip


@settings(max_examples=250, deadline=None)
@example("POST", ["api", "models", "safety", "fuzz", "commit", "main"], "", ["Origin: http://["], b"{}")
@example("GET", ["safety", "fuzz", "resolve", "main", ".gitattributes"], "", ["Range: bytes=0-1,2-3,-1"], b"")
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get"]),
    st.lists(SEGMENTS, max_size=8), st.sampled_from(QUERIES), st.lists(HEADERS, max_size=4), st.sampled_from(BODIES),
)  # fmt: skip
def test_no_request_makes_the_server_fail(
    hub: localhub.LocalHub, fuzzed: None, method: str, segments: list[str], query: str, headers: list[str], body: bytes
) -> None:
    around = set(hub.root.parent.iterdir())
    lines = [f"{method} /{'/'.join(segments)}{query} HTTP/1.1", f"Authorization: Bearer {hub.token}", *headers]
    if not any(line.startswith("Host:") for line in headers):
        lines.append(f"Host: {urlsplit(hub.url).netloc}")
    if not any(line.startswith(("Content-Length:", "Transfer-Encoding:")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    raw = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body
    with socket.create_connection((urlsplit(hub.url).hostname, urlsplit(hub.url).port), timeout=20) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        reply = connection.makefile("rb").read()
    assert not re.search(rb"^HTTP/1\.1 5", reply, re.MULTILINE), reply
    assert set(hub.root.parent.iterdir()) == around, "nothing is ever written beside the storage folder"


def test_the_server_is_still_there(hub: localhub.LocalHub, fuzzed: None) -> None:
    assert call(hub, "GET", "/api/models")[0] == 200
    assert "request failed" not in (hub.root / "server.log").read_text(), "what the edge of the server catches and logs"
