"""Jobs for the worker process: in line and in time, with a new process where one hung, died or was not needed.

Everything here happens in the server's event loop, so nothing needs a lock of its own.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hub_publisher.localhub.refusal import Refusal

GRACE_SECONDS = 5.0  # a worker that is alive says itself that the time is up; after these it is hung
LINE_LIMIT = 2**20
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}


@dataclass(frozen=True)
class Limits:
    """How long a model stays loaded without work, how long a request may take, and how many may wait in line."""

    idle_seconds: float = 600.0
    request_seconds: float = 120.0
    max_waiting: int = 8


@dataclass(frozen=True)
class Job:
    """A prompt for the model `key`, which is made of `files` (name: path on the disk), and the sampling settings."""

    key: str
    files: dict[str, Path]
    prompt: str
    settings: dict


class Ticket:
    """A job in line: iterate over its tokens, as they are written; a failure raises Refusal. `cancel` ends it early."""

    def __init__(self, runner: "Runner", job: Job) -> None:
        self.events: asyncio.Queue[dict | Refusal | None] = asyncio.Queue()
        self.runner = runner
        self.task = asyncio.create_task(runner.run(job, self))

    def __aiter__(self) -> "Ticket":
        return self

    async def __anext__(self) -> dict:
        event = await self.events.get()
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, Refusal):
            raise event
        return event

    def cancel(self) -> None:
        """End the job, whether it waits or runs; nothing happens when it is done already."""
        if self.runner.serving is self:
            self.runner.send({"cancel": True})
        else:
            self.task.cancel()


class Runner:
    """The worker process of a local Hub, and the line before it. It holds one model at a time."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder  # where a model's files are laid out for the worker
        self.limits = limits
        self.loaded = ""  # the key of the model that the worker holds
        self.loading = ""
        self.serving: Ticket | None = None
        self.num_open = 0  # requests in line, the one at work included
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._seconds_per_job = 5.0
        self._idle: asyncio.TimerHandle | None = None

    def state(self, key: str) -> str:
        """Return how things stand for a model: loaded, loading, busy (with another one) or unloaded."""
        known = {self.loaded: "loaded", self.loading: "loading"}
        return known.get(key, "busy" if self.serving else "unloaded")

    def submit(self, job: Job) -> Ticket:
        """Put a job in line; Refusal(503) when the line is full."""
        if self.num_open > self.limits.max_waiting:
            seconds = max(1, round(self._seconds_per_job * self.num_open))
            raise Refusal(
                503, f"Too many requests are waiting for a model. Try again in {seconds} s.",
                extra={"error_type": "overloaded", "estimated_time": seconds}, headers={"Retry-After": str(seconds)},
            )  # fmt: skip
        self.num_open += 1
        ticket = Ticket(self, job)
        ticket.task.add_done_callback(self._closed)
        return ticket

    def _closed(self, task: asyncio.Task) -> None:
        self.num_open -= 1

    async def run(self, job: Job, ticket: Ticket) -> None:
        """Wait for the worker and run a job; its events go to the ticket, and None after the last."""
        ends = time.monotonic() + self.limits.request_seconds
        try:
            async with asyncio.timeout(self.limits.request_seconds + GRACE_SECONDS), self._turn:
                self.serving, begun = ticket, time.monotonic()
                await self._work(job, ticket, ends)
                self._seconds_per_job = time.monotonic() - begun
        except TimeoutError:
            ticket.events.put_nowait(failed(504, "The model did not answer in time."))
        except OSError as error:
            ticket.events.put_nowait(failed(500, f"The model's process cannot be started: {error.strerror}."))
        except Refusal as refusal:
            ticket.events.put_nowait(refusal)
        finally:
            if self.serving is ticket:
                self.serving, self.loading = None, ""
            ticket.events.put_nowait(None)

    async def _work(self, job: Job, ticket: Ticket, ends: float) -> None:
        process = await self._ready()
        finished = False
        try:
            folder = self._lay_out(job)
            seconds = max(ends - time.monotonic(), 0)
            self.send({"folder": str(folder), "prompt": job.prompt, "settings": job.settings, "seconds": seconds})
            while not finished:
                event = await self._read_event(process)
                finished = "end" in event
                if "loaded" in event:
                    self.loaded, self.loading = job.key, ""
                elif "error" in event:
                    ticket.events.put_nowait(failed(event["status"], event["error"]))
                elif not finished:
                    ticket.events.put_nowait(event)
        finally:
            if finished:
                self._idle = asyncio.get_running_loop().call_later(self.limits.idle_seconds, self.end)
            else:
                self.end()

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._idle:
            self._idle.cancel()
        if self._process is None or self._process.returncode is not None:
            self.loaded = ""
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hub_publisher.localhub.worker", cwd=Path(__file__).parents[2],
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT,
                env=os.environ | ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        return self._process

    def _lay_out(self, job: Job) -> Path:
        """Return a folder with links to the model's files, made anew unless the worker has read them."""
        folder = self.folder / job.key
        if self.loaded != job.key:
            self.loaded, self.loading = "", job.key
            shutil.rmtree(self.folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name, path in job.files.items():
                (folder / name).symlink_to(path)
        return folder

    def send(self, message: dict) -> None:
        """Write a line to the worker; nothing happens when it is gone."""
        if self._process and self._process.stdin:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read_event(self, process: asyncio.subprocess.Process) -> dict:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if line.endswith(b"\n"):
            return json.loads(line)
        code = await process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        text = f"The model's process ended ({how}); for lack of memory, perhaps. The next request starts a new one."
        raise failed(500, text)

    def end(self) -> None:
        """End the worker, if there is one, and take the memory back; it has nothing to lose."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
        self._process, self.loaded = None, ""
        shutil.rmtree(self.folder, ignore_errors=True)


def failed(status: int, message: str) -> Refusal:
    """Return the refusal for what a model could not do; 422 is for prompts, the rest the client calls generation."""
    return Refusal(status, message, extra={"error_type": "validation" if status == 422 else "generation"})
