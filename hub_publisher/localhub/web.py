"""Requests in, responses out: routes on the raw path, and what is refused before a handler runs."""

import asyncio
import errno
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from hub_publisher.localhub.access import Access
from hub_publisher.localhub.refusal import Refusal, no_repo
from hub_publisher.localhub.runner import Runner
from hub_publisher.localhub.store import Repo, Store
from hub_publisher.localhub.xet import XorbStore

log = logging.getLogger(__name__)

JSON_LIMIT = 16 * 2**20  # bytes; the largest legitimate one is a batch of thousands of file names
REFUSED_SECONDS = 2.0  # for the rest of a body that nobody wants
PAGE_SIZE = 1000  # entries of a listing
MAX_TARGET = 8192  # bytes of a path with its query

# {kind}: datasets/, spaces/ or nothing. {repo}: one or two segments. {path}: the rest, slashes and all.
_PARTS = {
    "type": "model|dataset|space",
    "kind": "(?:datasets/|spaces/)?",
    "repo": "(?!api/)[^/]+(?:/[^/]+)?",
    "group": "branch|tag",
    "tab": "tree|commits",
    "path": ".+",
}

Handler = Callable[["Call"], object]


@dataclass
class Hub:
    """What every handler needs: the store, the xorbs of this run, what runs models, and who may do what."""

    store: Store
    xorbs: XorbStore
    runner: Runner
    access: Access


@dataclass
class Call:
    """One request on its way through a handler. `values` are the parts of its path, `role` read, write or None."""

    hub: Hub
    request: Request
    values: dict[str, str]
    role: str | None
    body: bytes = b""

    @property
    def store(self) -> Store:
        return self.hub.store

    @property
    def base_url(self) -> str:
        """Return the address under which the caller reached us, without a final slash."""
        return f"http://{self.request.headers['host']}"

    def query(self, name: str) -> str:
        """Return one value of the query string, empty when there is none."""
        return self.request.query_params.get(name, "")

    def flag(self, name: str) -> bool:
        """Return whether the query string says true."""
        return self.query(name).lower() in ("1", "true")

    def number(self, name: str) -> int:
        """Return a count in the query string, 0 where there is none that can be read."""
        text = self.query(name)
        return int(text) if text.isdecimal() and len(text) < 10 else 0

    def paged(self, items: list, **headers: str) -> Response:
        """Return the page of `items` that `cursor` and `limit` ask for; the Link header leads to the next one."""
        start, limit = self.number("cursor"), min(self.number("limit") or PAGE_SIZE, PAGE_SIZE)
        if start + limit < len(items):
            here = URL(f"{self.base_url}{raw_path(self.request)}?{self.request.url.query}")
            headers["Link"] = f'<{here.include_query_params(cursor=start + limit)}>; rel="next"'
        return JSONResponse(items[start : start + limit], headers=headers)

    def json(self) -> dict:
        """Return the body as an object; Refusal(400) for anything else."""
        try:
            data = from_json(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, "Invalid JSON body") from error
        if not isinstance(data, dict):
            raise Refusal(400, "Invalid JSON body: expected an object")
        return data

    def must_write(self) -> None:
        """Return when the caller may write; Refusal(401) without a token, Refusal(403) with a read token."""
        if self.role is None:
            raise Refusal(401, "Invalid username or password.")
        if self.role != "write":
            raise Refusal(403, "Forbidden: you must use a write token to upload to a repository.")

    def repo(self, write: bool = False) -> Repo:
        """Return the repository in the path; a private one is not there for callers without a token."""
        kind = self.values.get("kind") or f"{self.values.get('type', 'model')}s/"
        repo = self.store.find_repo(kind.rstrip("/").removesuffix("s"), self.values["repo"])
        if repo is None or (repo.private and self.role is None):
            raise no_repo(anonymous=self.role is None)
        if write:
            self.must_write()
        return repo


@dataclass(frozen=True)
class Route:
    """Where a handler is to be found. Handlers run in a thread, except `streaming` ones, which read the body.

    What changes something takes a token that may write, unless the route `is_open`; asked for before the body is read.
    """

    method: str
    pattern: re.Pattern
    handler: Handler
    limit: int
    streaming: bool
    is_open: bool


class Routes:
    """A table of routes, tried in order against the path as it came: `refs%2Fpr%2F1` is one segment."""

    def __init__(self, parts: Iterable["Routes"] = ()) -> None:
        self.table: list[Route] = [route for part in parts for route in part.table]

    def on(
        self, method: str, path: str, limit: int = JSON_LIMIT, streaming: bool = False, is_open: bool = False
    ) -> Callable:
        """Return a decorator that puts a handler at `method` and `path`, e.g. `/api/{type}s/{repo}/tree/{rev}`."""
        pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{_PARTS.get(m[1], '[^/]+')})", re.escape(path))

        def register(handler: Handler) -> Handler:
            self.table.append(Route(method, re.compile(pattern), handler, limit, streaming, is_open))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the decoded parts of the path; Refusal(404) or Refusal(405) when there is none."""
        method = "GET" if method == "HEAD" else method
        allowed = set()
        for route in self.table:
            if match := route.pattern.fullmatch(path):
                if route.method == method:
                    return route, {name: unquote(value) for name, value in match.groupdict().items()}
                allowed.add(route.method)
        if allowed:
            raise Refusal(405, "Method not allowed", headers={"Allow": ", ".join(sorted(allowed))})
        missing = "Sorry, we can't find the page you are looking for."
        raise Refusal(404, f"{missing} The local Hub has no {path[:200]}")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body; Refusal(413) as soon as it is longer than `limit` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Refusal(413, "Payload too large")
    return bytes(body)


async def throw_away(request: Request) -> None:
    """Take in what is left of a refused body, within bounds: who is still sending when it is closed sees no answer."""
    left = JSON_LIMIT
    with suppress(ClientDisconnect, TimeoutError, RuntimeError):  # RuntimeError: it is read already
        async with asyncio.timeout(REFUSED_SECONDS):
            async for piece in request.stream():
                left -= len(piece)
                if left < 0:
                    return


def raw_path(request: Request) -> str:
    """Return the path as it came, nothing in it decoded."""
    return request.scope.get("raw_path", b"").split(b"?")[0].decode("latin-1")


async def answer(hub: Hub, request: Request, routes: Routes) -> Response:
    """Return the response to a request, whatever happens on the way."""
    hub.access.check_origin(request)
    path = raw_path(request)
    if len(path) + len(request.scope["query_string"]) > MAX_TARGET:
        raise Refusal(414, "URI too long")
    route, values = routes.find(request.method, path)
    # An upload address and a CAS address carry their own signature instead of a user's token.
    is_signed = path.startswith("/_")
    call = Call(hub, request, values, None if is_signed else hub.access.role_of(request))
    if route.streaming:
        result = route.handler(call)
        assert isinstance(result, Awaitable)
        result = await result
    else:
        if route.method != "GET" and not (route.is_open or is_signed):
            call.must_write()
        call.body = await read_body(request, route.limit)
        result = await run_in_threadpool(route.handler, call)
    return result if isinstance(result, Response) else JSONResponse(result)


def as_refusal(error: Exception) -> Refusal:
    """Return the answer to an error of the server itself: 507 for what has no room on the disk, else 500, logged."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or (isinstance(error, sqlite3.OperationalError) and "full" in str(error)):
        return Refusal(507, "No space left on the disk of the local Hub")
    log.error("request failed", exc_info=error)
    return Refusal(500, "Internal Server Error")


class App:
    """The ASGI application."""

    def __init__(self, hub: Hub, routes: Routes, show_refusal: Callable[[Request, Refusal], Response]) -> None:
        self.hub = hub
        self.routes = routes
        self.show_refusal = show_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await answer(self.hub, request, self.routes)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            await throw_away(request)
            response = self.show_refusal(request, refusal)
        except Exception as error:  # noqa: BLE001 - the edge of the server: one bad request must not end it
            response = self.show_refusal(request, as_refusal(error))
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        await response(scope, receive, send)
