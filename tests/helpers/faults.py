"""A proxy that stands between a real client and a real server and commits faults on request.

    with FaultProxy(hub.url) as proxy:
        proxy.add("POST", r"/commit/main$", lose_answer(), times=1)
        HfApi(endpoint=proxy.url, ...)

Everything that no fault matches passes through untouched, the Host header included, so that absolute
addresses in answers lead through the proxy as well.
"""

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, list[tuple[str, str]], bytes]
Fault = Callable[["_Handler", Callable[[], Answer]], Answer | None]  # None: the connection is cut


def status(code: int, body: bytes = b'{"error":"fault"}', **headers: str) -> Fault:
    """Answer with `code`; the request never reaches the server."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda handler, forward: (code, named, body)


def reset() -> Fault:
    """Cut the connection before the request reaches the server."""
    return lambda handler, forward: None


def instead(other: Fault) -> Fault:
    """Let the server do the work, then commit the other fault in place of the answer."""

    def fault(handler: "_Handler", forward: Callable[[], Answer]) -> Answer | None:
        forward()
        return other(handler, forward)

    return fault


def lose_answer() -> Fault:
    """Let the server do the work, then cut the connection in place of the answer."""
    return instead(reset())


def hang(seconds: float) -> Fault:
    """Say nothing for a while, then cut the connection; the request never reaches the server."""

    def fault(handler: "_Handler", forward: Callable[[], Answer]) -> Answer | None:
        handler.server.closing.wait(seconds)
        return None

    return fault


def first_do(action: Callable[[], object]) -> Fault:
    """Do something else just before the request is let through."""

    def fault(handler: "_Handler", forward: Callable[[], Answer]) -> Answer | None:
        action()
        return forward()

    return fault


def rewrite(change: Callable[[bytes], bytes]) -> Fault:
    """Let the request through and change the body of the answer."""

    def fault(handler: "_Handler", forward: Callable[[], Answer]) -> Answer | None:
        code, headers, body = forward()
        return code, headers, change(body)

    return fault


@dataclass
class _Rule:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int
    after: int


@dataclass
class FaultProxy:
    """`requests` holds (method, path with query) of every request that arrived, in order; `num_bytes` their bodies."""

    upstream: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    rules: list[_Rule] = field(default_factory=list)
    num_bytes: int = 0

    def add(self, method: str, path: str, fault: Fault, times: int = 10**9, after: int = 0) -> None:
        """Commit `fault` on the next `times` requests whose method and path (searched) match, `after` some."""
        self.rules.append(_Rule(method, re.compile(path), fault, times, after))

    def count(self, method: str, path: str) -> int:
        """How many requests matched."""
        return sum(seen == method and bool(re.search(path, where)) for seen, where in self.requests)

    def fault_for(self, method: str, path: str, num_bytes: int) -> Fault | None:
        """Note the request; the fault to commit on it, if any."""
        with self._lock:
            self.requests.append((method, path))
            self.num_bytes += num_bytes
            for rule in self.rules:
                if rule.method == method and rule.path.search(path.split("?")[0]) and rule.times:
                    if rule.after:
                        rule.after -= 1
                        continue
                    rule.times -= 1
                    return rule.fault
        return None

    def __enter__(self) -> "FaultProxy":
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: FaultProxy

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self._body()
        fault = self.server.proxy.fault_for(self.command, self.path, len(body))
        answer = fault(self, lambda: self._forward(body)) if fault else self._forward(body)
        if answer is None:
            self._cut()
        else:
            self._reply(answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> Answer:
        upstream = http.client.HTTPConnection(urlsplit(self.server.proxy.upstream).netloc, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "expect"):
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)
        response = upstream.getresponse()
        answer = response.status, response.getheaders(), response.read()
        upstream.close()
        return answer

    def _reply(self, answer: Answer) -> None:
        code, headers, body = answer
        self.send_response_only(code)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = next((v for n, v in headers if n.lower() == "content-length"), None)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class BlackHole:
    """A port that accepts connections and never says a word. `url` is where."""

    def __enter__(self) -> "BlackHole":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def unused_url() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
