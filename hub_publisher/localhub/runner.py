"""Jobs for the worker process: in line and in time, with a new process where one hung, died or was not needed.

Everything here happens in the server's event loop, so nothing needs a lock of its own.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hub_publisher.localhub.refusal import Refusal

COMMAND = [sys.executable, "-m", "hub_publisher.localhub.worker"]
LINE_LIMIT = 2**20
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}  # fmt: skip
ERROR_TYPES = {422: "validation", 503: "overloaded"}  # the rest the client calls generation


@dataclass(frozen=True)
class Limits:
    """How long a model stays loaded without work, how long it may work at a request, and how many may wait in line."""

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


class Runner:
    """The worker process of a local Hub, and the line before it. It holds one model at a time."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder  # where models' files are laid out for the worker
        self.limits = limits
        self.num_open = 0  # requests in line, the one at work included
        self._loaded = ""  # the key of the model that the worker holds
        self._at_work = ""  # that of the job at hand
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._job_ids = count()
        self._idle: asyncio.TimerHandle | None = None

    def state(self, key: str) -> str:
        """Return how things stand for a model: loaded, loading, busy (with another one) or unloaded."""
        known = {self._at_work: "loading", self._loaded: "loaded"}
        return known.get(key, "busy" if self._at_work else "unloaded")

    async def write(self, job: Job) -> AsyncGenerator[dict, None]:
        """Yield a job's tokens as they are written; Refusal when the line is full, or when the model fails.

        Who closes the generator early, or cancels the task that waits for it, ends the job; the model stays loaded.
        """
        if self.num_open > self.limits.max_waiting:
            raise failed(503, "Too many requests are waiting for a model. Try again later.")
        self.num_open += 1
        try:
            async with self._turn:
                self._at_work, self._loaded = job.key, job.key if self._loaded == job.key else ""
                deadline = asyncio.get_running_loop().time() + self.limits.request_seconds
                event: dict = {}
                try:
                    job_id = await self._hand_over(job)
                    while "details" not in event:
                        event = await self._next_event(job_id, deadline)
                        if "token" in event:
                            yield event
                        else:
                            self._loaded = job.key
                finally:
                    self._send({})  # whatever it still writes, nobody reads
                    self._at_work = ""
                    self._idle = asyncio.get_running_loop().call_later(self.limits.idle_seconds, self.end)
        finally:
            self.num_open -= 1

    async def _hand_over(self, job: Job) -> int:
        """Give a job to the worker, started where there is none, and return its id; Refusal when that fails."""
        if self._idle:
            self._idle.cancel()
        try:
            if self._process is None or self._process.returncode is not None:
                self.end()
                self._process = await asyncio.create_subprocess_exec(
                    *COMMAND, cwd=Path(__file__).parents[2], limit=LINE_LIMIT, env=os.environ | ENVIRONMENT,
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            folder = self.folder / job.key
            if not folder.exists():
                folder.mkdir(parents=True)
                for name, path in job.files.items():
                    (folder / name).symlink_to(path)
        except OSError as error:
            self.end()  # with the folder: no model is ever read from half of its files
            raise failed(500, f"The model's process cannot be started: {error.strerror}.") from error
        job_id = next(self._job_ids)
        self._send({"id": job_id, "folder": str(folder), "prompt": job.prompt, "settings": job.settings})
        return job_id

    def _send(self, message: dict) -> None:
        """Write a line to the worker; nothing happens when it is gone."""
        if self._process and self._process.stdin:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _next_event(self, job_id: int, deadline: float) -> dict:
        """Return what the worker says next about a job; Refusal when it failed, died or hangs, which ends it."""
        assert self._process and self._process.stdout
        try:
            async with asyncio.timeout_at(deadline):
                while (line := await self._process.stdout.readline()).endswith(b"\n"):
                    event = json.loads(line)
                    if event.pop("id") == job_id:  # what is left of jobs that were ended early is passed over
                        if "error" in event:
                            raise failed(event["status"], event["error"])
                        return event
                code = await self._process.wait()
        except TimeoutError as error:
            self.end()
            raise failed(504, "The model did not answer in time.") from error
        self.end()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        text = f"The model's process ended ({how}); for lack of memory, perhaps. The next request starts a new one."
        raise failed(500, text)

    def end(self) -> None:
        """End the worker, if there is one, and take the memory back; it has nothing to lose."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
        self._process, self._loaded = None, ""
        shutil.rmtree(self.folder, ignore_errors=True)


def failed(status: int, message: str) -> Refusal:
    """Return the refusal for what a model could not do; 422 is for prompts, the rest the client calls generation."""
    return Refusal(status, message, extra={"error_type": ERROR_TYPES.get(status, "generation")})
