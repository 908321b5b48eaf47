"""The line before the worker process, and the worker's life, with a worker that needs no model."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from hub_publisher.localhub import runner
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.runner import Job, Limits, Runner

STUB = """
import json, os, sys, time
for line in sys.stdin:
    job = json.loads(line)
    if not job:
        continue
    def say(**event):
        print(json.dumps({"id": job["id"], **event}), flush=True)
    if job["prompt"] == "refuse":
        say(error="The prompt has 0 tokens.", status=422)
        continue
    say(loaded=True)
    for index in range(1, 4):
        done = {"details": {"files": sorted(os.listdir(job["folder"]))}} if index == 3 else {}
        say(index=index, token={"text": f"{job['prompt']} {index}", "pid": os.getpid()}, **done)
        if job["prompt"] == "die":
            os.kill(os.getpid(), 9)
        time.sleep({"hang": 60, "slow": 0.4}.get(job["prompt"], 0))
"""


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "COMMAND", [sys.executable, "-S", "-c", STUB])


def use(folder: Path, work: Callable[[Runner], Awaitable[None]], **limits: float) -> None:
    """Do `work` with a runner, in an event loop of its own."""

    async def main() -> None:
        own = Runner(folder / "inference", Limits(**limits))
        try:
            await work(own)
        finally:
            process = own._process
            own.end()
            if process:
                await process.wait()

    asyncio.run(main())


def job(prompt: str, key: str = "model") -> Job:
    return Job(key, {"config.json": Path(__file__)}, prompt, {})


async def texts(own: Runner, prompt: str, key: str = "model") -> list[str]:
    return [event["token"]["text"] for event in [event async for event in own.write(job(prompt, key))]]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def test_jobs_wait_for_one_another_and_share_a_process(tmp_path: Path) -> None:
    async def work(own: Runner) -> None:
        said = await asyncio.gather(
            *(texts(own, name, key) for name, key in (("a", "one"), ("b", "two"), ("c", "one")))
        )
        assert said == [[f"{name} {index}" for index in (1, 2, 3)] for name in "abc"]
        events = [event async for event in own.write(job("d"))]
        assert events[-1]["details"] == {"files": ["config.json"]}, "the worker sees the model's files"
        (pid,) = {event["token"]["pid"] for event in [*events, *[event async for event in own.write(job("e"))]]}
        assert own._process
        assert pid == own._process.pid

    use(tmp_path, work)


def test_the_state_of_a_model(tmp_path: Path) -> None:
    async def work(own: Runner) -> None:
        assert (own.state("model"), own.num_open) == ("unloaded", 0)
        async with aclosing(own.write(job("slow"))) as events:
            first = asyncio.ensure_future(anext(events))
            await until(lambda: own.num_open == 1)
            assert (own.state("model"), own.state("other")) == ("loading", "busy")
            await first
            assert (own.state("model"), own.state("other")) == ("loaded", "busy")
        assert (own.state("model"), own.num_open) == ("loaded", 0)
        with pytest.raises(Refusal, match="The prompt has 0 tokens"):
            await texts(own, "refuse", "other")
        assert own.state("model") == "unloaded", "the old model goes before the new one comes"

    use(tmp_path, work)


def test_a_line_that_is_full_says_so(tmp_path: Path) -> None:
    async def work(own: Runner) -> None:
        tasks = [asyncio.ensure_future(texts(own, "hang")) for _ in range(2)]
        await until(lambda: own.num_open == 2)
        with pytest.raises(Refusal, match=r"^Too many requests are waiting for a model\. Try again later\.$") as error:
            await texts(own, "one too many")
        assert (error.value.status, error.value.body["error_type"]) == (503, "overloaded")
        assert own.num_open == 2
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert own.num_open == 0

    use(tmp_path, work, max_waiting=1)


def test_who_leaves_early_leaves_the_process_and_no_words_to_the_next(tmp_path: Path) -> None:
    async def work(own: Runner) -> None:
        async with aclosing(own.write(job("early"))) as events:
            pid = (await anext(events))["token"]["pid"]
        waiting = asyncio.ensure_future(texts(own, "never"))
        working = asyncio.ensure_future(texts(own, "next"))
        waiting.cancel()
        assert await working == ["next 1", "next 2", "next 3"]
        assert own._process
        assert own._process.pid == pid

    use(tmp_path, work)


@pytest.mark.parametrize(
    ("prompt", "status", "text", "kind"),
    [
        ("hang", 504, "The model did not answer in time.", "generation"),
        ("die", 500, "The model's process ended (SIGKILL); for lack of memory, perhaps. "
                     "The next request starts a new one.", "generation"),
        ("refuse", 422, "The prompt has 0 tokens.", "validation"),
    ],
)  # fmt: skip
def test_a_failure_is_told_and_the_next_job_is_done(
    tmp_path: Path, prompt: str, status: int, text: str, kind: str
) -> None:
    async def work(own: Runner) -> None:
        first, *_ = [event async for event in own.write(job("before"))]
        with pytest.raises(Refusal) as error:
            await texts(own, prompt)
        assert (error.value.status, error.value.body) == (status, {"error": text, "error_type": kind})
        assert own.state("model") == ("loaded" if prompt == "refuse" else "unloaded")
        assert await texts(own, "after") == ["after 1", "after 2", "after 3"]
        await until(lambda: gone(first["token"]["pid"]) == (prompt != "refuse"))

    use(tmp_path, work, request_seconds=3 if prompt == "hang" else 20)


def test_a_process_that_nobody_uses_ends(tmp_path: Path) -> None:
    async def work(own: Runner) -> None:
        assert own._process is None, "nothing is started before it is needed"
        await texts(own, "a")
        process = own._process
        assert process
        await process.wait()
        assert own.state("model") == "unloaded"
        assert not own.folder.exists()
        assert await texts(own, "b") == ["b 1", "b 2", "b 3"]
        assert await texts(own, "slow") == ["slow 1", "slow 2", "slow 3"], "it is in use"

    use(tmp_path, work, idle_seconds=0.6)


def test_what_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(own: Runner) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(runner, "COMMAND", ["/nowhere"])
            with pytest.raises(Refusal, match=r"^The model's process cannot be started: No such file or directory\.$"):
                await texts(own, "a")
        (tmp_path / "inference").write_text("a file where the folder should be")
        with pytest.raises(Refusal, match=r"^The model's process cannot be started: Not a directory\.$"):
            await texts(own, "b")
        (tmp_path / "inference").unlink()
        with pytest.raises(Refusal, match=r"^The model's process cannot be started: No such file or directory\.$"):
            await anext(own.write(Job("model", {"no/such": Path(__file__)}, "b", {})))
        assert not own.folder.exists(), "no model is ever read from half of its files"
        assert await texts(own, "c") == ["c 1", "c 2", "c 3"]

    use(tmp_path, work)
