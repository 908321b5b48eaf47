"""The process that runs models for a local Hub: it comes and goes, hangs and dies, and never takes the server down."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import GenerationError, HfHubHTTPError, InferenceTimeoutError, OverloadedError

from hub_publisher import localhub
from hub_publisher.localhub import worker
from hub_publisher.localhub.runner import Limits
from tests.helpers.hub_calls import call
from tests.helpers.localhub_models import PROMPT, make_sampled_model, publish, state, wait_until, workers

TINY = "worker/tiny"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sampled_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[localhub.LocalHub]:
    """A Hub where one request may wait while another is at work."""
    with localhub.start(tmp_path_factory.mktemp("narrow"), limits=Limits(max_waiting=1)) as running:
        yield running


def test_the_server_never_loads_torch(hub: localhub.LocalHub, tiny: Path) -> None:
    client = publish(hub, TINY, tiny)
    client.text_generation(PROMPT, seed=1)
    (process,) = workers(hub)
    assert any("torch" in item.path for item in process.memory_maps())
    server = process.parent()
    assert server is not None
    assert not any("torch" in item.path for item in server.memory_maps())
    assert sorted(os.listdir(next((hub.root / "inference").iterdir()))) == [
        "config.json", "generation_config.json", "merges.txt", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "vocab.json",
    ]  # fmt: skip


def test_a_worker_that_is_killed_is_replaced(hub: localhub.LocalHub, tiny: Path) -> None:
    client = publish(hub, TINY, tiny)
    client.text_generation(PROMPT, seed=1)
    (process,) = workers(hub)
    stream = iter(client.text_generation(PROMPT, max_new_tokens=200, seed=1, stream=True, do_sample=True))
    next(stream)
    process.kill()
    with pytest.raises(GenerationError) as error:
        list(stream)
    text = "The model's process ended (SIGKILL); for lack of memory, perhaps. The next request starts a new one."
    assert str(error.value) == text
    assert localhub.find_running(hub.root) == hub.url
    assert state(hub, TINY) == {"state": "unloaded", "requests": 0}
    assert client.text_generation(PROMPT, seed=1)
    assert workers(hub) != [process]
    assert "Traceback" not in (hub.root / "server.log").read_text()


def test_a_line_that_is_full_says_so(narrow: localhub.LocalHub, tiny: Path) -> None:
    client = publish(narrow, TINY, tiny)
    first = client.text_generation(PROMPT, seed=1)
    (process,) = workers(narrow)
    process.suspend()
    texts: list[str] = []
    for _ in range(2):
        threading.Thread(target=lambda: texts.append(client.text_generation(PROMPT, seed=1))).start()
    wait_until(lambda: state(narrow, TINY)["requests"] == 2)
    with pytest.raises(OverloadedError, match=r"^Too many requests are waiting for a model\. Try again in \d+ s\.$"):
        client.text_generation(PROMPT)
    status, headers, reply = call(narrow, "POST", f"/models/{TINY}", b'{"inputs": ""}')
    assert (status, json.loads(reply)["estimated_time"]) == (503, int(headers["retry-after"]))
    process.resume()
    wait_until(lambda: len(texts) == 2)
    assert texts == [first, first]


def test_who_hangs_up_leaves_the_line(narrow: localhub.LocalHub, tiny: Path) -> None:
    def cpu_seconds(work: Callable[[], object]) -> float:
        before = process.cpu_times().user
        work()
        wait_until(lambda: state(narrow, TINY)["requests"] == 0)
        return process.cpu_times().user - before

    def hang_up() -> None:
        process.suspend()
        for _ in range(3):  # the first is at work, the second in line; a third at once would be too many
            with pytest.raises(InferenceTimeoutError):
                InferenceClient(model=client.model, timeout=1).text_generation(
                    PROMPT, max_new_tokens=500, do_sample=False
                )
        process.resume()

    client = publish(narrow, TINY, tiny)
    client.text_generation(PROMPT)
    (process,) = workers(narrow)
    whole = cpu_seconds(lambda: client.text_generation(PROMPT, max_new_tokens=500, do_sample=False))
    assert cpu_seconds(hang_up) < whole / 3
    assert workers(narrow) == [process], "it was asked to stop, not killed"


def test_a_model_that_nobody_uses_is_unloaded(tmp_path: Path, tiny: Path) -> None:
    with localhub.start(tmp_path, limits=Limits(idle_seconds=1)) as own:
        client = publish(own, TINY, tiny)
        assert workers(own) == [], "nothing is loaded before it is needed"
        text = client.text_generation(PROMPT, seed=1)
        wait_until(lambda: not workers(own))
        assert not (own.root / "inference").exists()
        assert state(own, TINY) == {"state": "unloaded", "requests": 0}
        assert client.text_generation(PROMPT, seed=1) == text


def test_a_worker_that_hangs_is_killed_in_time(tmp_path: Path, tiny: Path) -> None:
    with localhub.start(tmp_path, limits=Limits(request_seconds=1)) as hub:
        client = publish(hub, TINY, tiny)
        thread = threading.Thread(target=lambda: [wait_until(lambda: workers(hub)), workers(hub)[0].suspend()])
        thread.start()
        with pytest.raises(GenerationError, match=r"^The model did not answer in time\.$") as error:
            client.text_generation(PROMPT)
        thread.join()
        cause = error.value.__cause__
        assert isinstance(cause, HfHubHTTPError)
        assert cause.response.status_code == 504
        wait_until(lambda: not workers(hub))
        assert localhub.find_running(hub.root) == hub.url


def test_the_worker_ends_with_the_server(tmp_path: Path, tiny: Path) -> None:
    command = [sys.executable, "-m", "hub_publisher.localhub", "--root", "here"]  # as typed, from any folder
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        hub = localhub.LocalHub(tmp_path / "here", url, localhub.read_token(tmp_path / "here"))
        publish(hub, TINY, tiny).text_generation(PROMPT)
        (process,) = workers(hub)
        server.kill()
    process.wait(20)


def write(folder: Path, **job: object) -> list[dict]:
    """What a worker says about a job, in this process."""
    said: list[dict] = []
    loaded = worker.load(folder)
    cancelled = threading.Event()
    settings = {"max_new_tokens": 40, "do_sample": False}
    whole = {"prompt": PROMPT, "settings": settings, "ends": time.monotonic() + 60} | job

    def say(event: dict) -> None:
        said.append(event)
        if len(said) == 3:
            cancelled.set()

    worker.Writer(loaded, whole, say, cancelled).run()
    return said


def test_a_cancelled_job_stops_at_the_next_token(tiny: Path) -> None:
    assert [event["index"] for event in write(tiny)] == [1, 2, 3]


def test_a_job_whose_time_is_up_stops(tiny: Path) -> None:
    late = {"error": "The model did not finish in time.", "status": 504}
    assert write(tiny, ends=time.monotonic() - 1) == [late]


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        ({}, {"do_sample": True, "temperature": 0.5, "max_new_tokens": 9}),
        ({"do_sample": False, "temperature": 2}, {"do_sample": False, "max_new_tokens": 9}),
        ({"top_p": 0.5}, {"do_sample": True, "temperature": 0.5, "top_p": 0.5, "max_new_tokens": 9}),
        ({"max_new_tokens": 30}, {"do_sample": True, "temperature": 0.5, "max_new_tokens": 20}),
    ],
)
def test_what_is_asked_comes_before_what_the_repository_says(asked: dict, merged: dict) -> None:
    defaults = {"do_sample": True, "temperature": 0.5, "max_new_tokens": 9}
    assert worker.settings_for(defaults, asked, room=20) == merged
    assert worker.settings_for({}, {"top_k": 3}, room=999) == {"do_sample": True, "top_k": 3, "max_new_tokens": 100}
