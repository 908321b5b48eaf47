"""A Hub that answers in odd shapes: one clear error for each, never a traceback, never a secret."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from hub_publisher.config import Config
from hub_publisher.errors import HubError
from hub_publisher.hub.client import HubClient, RetryPolicy
from hub_publisher.hub.repository import File, send
from hub_publisher.hub.target import preflight
from hub_publisher.pipeline.verify import verify

QUICK = RetryPolicy(num_attempts=1, first_wait_seconds=0, answer_seconds=5, request_seconds=10, upload_seconds=10)
TOKEN = "hf_of_nobody"
ME: Any = {"name": "a", "orgs": [], "auth": {}}
REPO: Any = {"id": "a/x1", "sha": "f" * 40, "private": False, "siblings": []}
FINE: Any = {"permissions": 5}

WHO = [None, [], [5], 5, "x", {}, {"name": None}, {"name": 5, "orgs": 5}, {"name": "a", "orgs": [5]},
       {"name": "a", "orgs": [{}]}, {"name": "a", "auth": 5}, {"name": "a", "auth": {"accessToken": 5}},
       {"name": "a", "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"scoped": [FINE]}}}}]  # fmt: skip
INFO = [None, [], 5, {"sha": 5}, {**REPO, "siblings": 5}, {**REPO, "siblings": [5]}]
TREE = [None, 5, [5], [{}], [{"type": "file"}], [{"type": "file", "path": 5, "oid": 1, "size": "x"}],
        [{"type": "file", "path": "../../x", "oid": "a", "size": 1}],
        [{"type": "file", "path": "README.md", "oid": "a" * 40, "size": 1, "lfs": 5}]]  # fmt: skip
COMMIT = [None, {}, 5, [5], {"commitUrl": 5}, {"commitOid": None}]
PREUPLOAD = [None, {}, 5, [5], {"files": 5}, {"files": [{}]}]


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers with the first of `answers` whose name is in the path."""

    answers: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(next(answer for name, answer in self.answers.items() if name in self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def client() -> Iterator[HubClient]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield HubClient(f"http://127.0.0.1:{server.server_port}", TOKEN, QUICK)
        server.shutdown()


def answer(**odd: Any) -> None:
    """Sound answers but for `odd`."""
    files = [{"path": "README.md", "uploadMode": "regular", "shouldIgnore": False}]
    sound = {"whoami": ME, "preupload": {"files": files}, "validate-yaml": {"errors": [], "warnings": []}}
    Odd.answers = {**sound, "tree": [], "commit": {}, "api/models": REPO, **odd}
    Odd.answers["api/models"] = Odd.answers.pop("api/models")  # the last that is looked for


def error_of(client: HubClient, *, sends: bool = False) -> str:
    with pytest.raises(HubError) as error:
        target = preflight(Config(handle="x1", namespace="a"), client, is_local=False)
        if sends:
            send(target, {"README.md": File.of(b"# The lamp\n")}, ())
    assert error.value.message.startswith(f"The Hub at {client.endpoint} ") and TOKEN not in str(error.value)
    return error.value.message


@pytest.mark.parametrize("who", WHO, ids=str)
def test_whose_token_it_is(client: HubClient, who: Any) -> None:
    answer(whoami=who)
    assert "gave an answer that cannot be read: " in error_of(client)


@pytest.mark.parametrize("info", INFO, ids=str)
def test_the_repository(client: HubClient, info: Any) -> None:
    answer(**{"api/models": info})
    assert "gave an answer that cannot be read: " in error_of(client)


@pytest.mark.parametrize("tree", TREE, ids=str)
def test_its_files(client: HubClient, tree: Any) -> None:
    answer(tree=tree)
    assert "gave an answer that cannot be read: " in error_of(client)
    with pytest.raises(HubError, match="gave an answer that cannot be read: "):
        verify(client, "a/x1")


@pytest.mark.parametrize("commit", COMMIT, ids=str)
def test_the_commit(client: HubClient, commit: Any) -> None:
    answer(commit=commit)
    assert "gave an answer that cannot be read: " in error_of(client, sends=True)


@pytest.mark.parametrize("preupload", PREUPLOAD, ids=str)
def test_how_files_are_to_be_sent(client: HubClient, preupload: Any) -> None:
    answer(preupload=preupload)
    error_of(client, sends=True)
