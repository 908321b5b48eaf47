"""One process that serves one folder: its tokens, its port, its lock."""

import fcntl
import json
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import uvicorn

from hub_publisher.errors import PublisherError
from hub_publisher.localhub import api_commits, api_inference, api_pulls, api_repos, pages, transfer
from hub_publisher.localhub.access import LOOPBACK, Access, secret_file
from hub_publisher.localhub.runner import Limits, Runner
from hub_publisher.localhub.store import Store
from hub_publisher.localhub.web import App, Hub, Routes
from hub_publisher.localhub.xet import XorbStore
from hub_publisher.system.files import private_folder

# In this order paths are tried: the API first, then pages.
PARTS = (api_repos, api_commits, api_pulls, transfer, api_inference, pages)
ANY_HOST = ("0.0.0.0", "::", "")


def make_app(root: Path, host: str, limits: Limits) -> App:
    """Return the application that serves `root`, answering to loopback names and `host`."""
    token = secret_file(root / "token", "hf_local_")
    reader = secret_file(root / "token-read", "hf_local_readonly_")
    hosts = set() if host in ANY_HOST else LOOPBACK | {host.lower()}
    tokens = {token: "write", reader: "read"}
    runner = Runner(root / "inference", limits)
    hub = Hub(Store(root), XorbStore(root), runner, Access(tokens, hosts, token.encode()))
    return App(hub, Routes(part.routes for part in PARTS), pages.show_refusal)


def run_server(root: Path, host: str, port: int | None, on_ready: Callable[[str], None], limits: Limits) -> None:
    """Serve `root` in this process until interrupted; `on_ready(url)` is called when it answers.

    Without `port`, the one of last time if it is free, else any free one; a `port` asked for is not remembered.
    `limits` are for models that people try on its pages. PublisherError when another process serves `root`, or the port
    asked for is taken.
    """
    root = root.resolve()  # the worker process has another working directory
    private_folder(root)
    with open(root / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = f"Its address is in {root}/server.json."
            raise PublisherError(f"{root} is being served already.", remedy) from error
        listener = bind(root, host, port)
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host in ANY_HOST else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        try:
            app = make_app(root, host, limits)
        except sqlite3.DatabaseError as error:
            remedy = f"Move {root} away, or put a good copy of hub.sqlite3 in its place."
            raise PublisherError(f"{root}/hub.sqlite3 is damaged: {error}.", remedy) from error
        server = Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none",
                                       timeout_graceful_shutdown=5, server_header=False))  # fmt: skip
        record = root / "server.json"

        def withdraw() -> None:
            record.unlink(missing_ok=True)
            app.hub.runner.end()

        server.on_stop = withdraw
        record.write_text(json.dumps({"pid": os.getpid(), "url": url}))
        on_ready(url)  # the socket listens: who asks from here on is answered
        server.run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn, saying when it stops: it ends the process itself on SIGTERM."""

    on_stop: Callable[[], object]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_stop()
        await super().shutdown(sockets)


def bind(root: Path, host: str, port: int | None) -> socket.socket:
    """Return a listening socket: at `port` if given, else at the port of last time, else at any free one."""
    memory = root / "port"
    last = int(memory.read_text() or 0) if memory.exists() else 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in [port] if port else [last, 0]:
        try:
            listener = socket.create_server((host, candidate), family=family, backlog=256)
        except OSError as error:
            if not candidate or port:
                remedy = "Choose another one with --port, or leave --port out to get a free one."
                reason = (
                    os.strerror(error.errno) if error.errno else error
                )  # create_server adds the address to its words
                raise PublisherError(f"Cannot listen on {host}:{candidate}: {reason}.", remedy) from error
            continue
        if not port:
            memory.write_text(str(listener.getsockname()[1]))
        return listener
    raise AssertionError("the last candidate returns or raises")
