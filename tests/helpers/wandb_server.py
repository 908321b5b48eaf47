"""A Weights & Biases server inside the test: it speaks what the unmodified client says, and keeps what it hears.

    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)      # and a key of 40 characters in WANDB_API_KEY
        server.add("CommitArtifact", "500", times=2)
        ...
        server.runs, server.artifacts, server.uses, server.sent

It is strict: a GraphQL operation it does not know, a file whose hash is not the announced one, or an artifact that is
committed before its files are there ends up in `server.mistakes`, and leaving the block then fails.
"""

import asyncio
import base64
import json
import re
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.helpers.wandb_operations import ENTITY, OPERATIONS, Project

__all__ = ["ENTITY", "WandbServer"]


@dataclass
class _Fault:
    operation: str
    kind: str  # "error", "500", "slow", "die"
    times: int
    after: int


class _Answer(Exception):
    """A response in place of the regular one."""


class WandbServer(Project):
    """Serves on a port of its own from a thread; `die` and `start` keep the port and all it has heard."""

    def __init__(self, key: str, slow_seconds: float = 1.0) -> None:
        super().__init__()
        self.key, self.slow_seconds = key, slow_seconds
        self.operations: list[str] = []
        self.sent: list[bytes] = []  # every request as it came, but for the key
        self.mistakes: list[str] = []
        self._faults: list[_Fault] = []
        self._port = 0
        routes = [
            Route("/graphql", self._graphql, methods=["POST"]),
            Route("/files/{entity}/{project}/{run}/file_stream", self._file_stream, methods=["POST"]),
            Route("/upload/{token}", self._upload, methods=["PUT"]),
            Route("/sdk/otel/v1/metrics", self._telemetry, methods=["POST"]),
        ]
        self._app = Starlette(routes=routes)
        self._thread: threading.Thread | None = None
        self.start()

    def add(self, operation: str, kind: str, times: int = 10**9, after: int = 0) -> None:
        """Commit the fault `kind` on requests whose operation matches: GraphQL's name, "file_stream" or "upload"."""
        self._faults.append(_Fault(operation, kind, times, after))

    def heal(self) -> None:
        """Commit no more faults."""
        self._faults.clear()

    def start(self) -> None:
        """Serve, again if it has died."""
        if self._thread is not None and not self._server.should_exit:
            return
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        config = uvicorn.Config(self._app, log_level="critical", lifespan="off", http="h11", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def die(self) -> None:
        """Stop at once: every connection is cut, new ones are refused."""
        self._server.should_exit = self._server.force_exit = True
        for listening in self._server.servers:
            listening.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        """End the thread."""
        self._server.should_exit = self._server.force_exit = True
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> "WandbServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None:
            assert not self.mistakes, self.mistakes

    async def _received(self, request: Request, operation: str, body: bytes) -> None:
        """Note the request and commit the fault that is due, if any."""
        expected = "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode()
        if operation not in ("upload", "telemetry") and request.headers.get("authorization") != expected:
            raise _Answer(Response(status_code=401))
        headers = [name + b": " + value for name, value in request.headers.raw if name != b"authorization"]
        self.sent.append(b"\n".join([f"{request.method} {request.url}".encode(), *headers, b"", body]))
        self.operations.append(operation)
        for fault in self._faults:
            if re.fullmatch(fault.operation, operation) and fault.times:
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                await self._commit(fault)
                return

    async def _commit(self, fault: _Fault) -> None:
        if fault.kind == "slow":
            await asyncio.sleep(self.slow_seconds)
        elif fault.kind == "die":
            self.die()
        elif fault.kind == "500":
            raise _Answer(Response(status_code=500))
        else:
            raise _Answer(JSONResponse({"data": None, "errors": [{"message": "planted fault"}]}))

    async def _graphql(self, request: Request) -> Response:
        body = await request.body()
        asked = json.loads(body)
        found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
        name = found.group(1) if found else asked["query"]
        given = asked.get("variables") or {}
        given = given.get("input", given)
        try:
            await self._received(request, name, body)
            answer = OPERATIONS[name](self, given)
        except _Answer as other:
            return other.args[0]
        except (KeyError, AssertionError) as error:
            self.mistakes.append(f"{name} {given}: {error!r}")
            return JSONResponse({"data": None, "errors": [{"message": f"mistake in {name}"}]})
        return JSONResponse({"data": answer})

    async def _file_stream(self, request: Request) -> Response:
        body = await request.body()
        try:
            await self._received(request, "file_stream", body)
        except _Answer as other:
            return other.args[0]
        run, said = self.runs[request.path_params["run"]], json.loads(body)
        for name, chunk in said.get("files", {}).items():
            lines = [json.loads(line) for line in chunk["content"]] if name != "output.log" else []
            if name == "wandb-history.jsonl":
                if chunk["offset"] > len(run.rows):
                    self.mistakes.append(f"{run.name} leaves rows out before {chunk['offset']}")
                run.rows |= {chunk["offset"] + number: line for number, line in enumerate(lines)}
            elif name == "wandb-summary.json":
                run.summary = lines[-1]
        if said.get("complete"):
            run.exit_code = said["exitcode"]
        return JSONResponse({"exitcode": None, "limits": {}})

    async def _upload(self, request: Request) -> Response:
        body = await request.body()
        try:
            await self._received(request, "upload", body)
            self.uploads[request.path_params["token"]](body)
        except _Answer as other:
            return other.args[0]
        except (KeyError, AssertionError) as error:
            self.mistakes.append(f"upload: {error!r}")
            return Response(status_code=400)
        return Response()

    async def _telemetry(self, request: Request) -> Response:
        await self._received(request, "telemetry", await request.body())
        return Response()
