"""The process that runs models for a local Hub: it comes and goes, hangs and dies, and never takes the server down."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import GenerationError, InferenceTimeoutError

from hub_publisher import localhub
from hub_publisher.localhub import worker
from tests.helpers import TESTS
from tests.helpers.localhub_models import PROMPT, make_sampled_model, publish, state, wait_until, workers

TINY = "worker/tiny"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sampled_model(tmp_path_factory.mktemp("tiny") / "model")


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


def test_who_hangs_up_leaves_the_line(hub: localhub.LocalHub, tiny: Path) -> None:
    def cpu_seconds(work: Callable[[], object]) -> float:
        before = process.cpu_times().user
        work()
        wait_until(lambda: state(hub, TINY)["requests"] == 0)
        return process.cpu_times().user - before

    def hang_up() -> None:
        process.suspend()
        for _ in range(3):
            with pytest.raises(InferenceTimeoutError):
                InferenceClient(model=client.model, timeout=1).text_generation(
                    PROMPT, max_new_tokens=500, do_sample=False
                )
        reading = http.client.HTTPConnection(urlsplit(hub.url).netloc)
        parameters = {"max_new_tokens": 500, "do_sample": False}
        reading.request(
            "POST", f"/models/{TINY}", json.dumps({"inputs": PROMPT, "parameters": parameters, "stream": True})
        )
        process.resume()
        assert reading.getresponse().readline().startswith(b"data:")
        reading.close()

    client = publish(hub, TINY, tiny)
    client.text_generation(PROMPT)
    (process,) = workers(hub)
    whole = cpu_seconds(lambda: client.text_generation(PROMPT, max_new_tokens=500, do_sample=False))
    assert cpu_seconds(hang_up) < whole / 3
    assert workers(hub) == [process], "it was asked to stop, not killed"


def test_the_worker_ends_with_the_server(tmp_path: Path, tiny: Path) -> None:
    command = [sys.executable, "-m", "hub_publisher", "serve", "--hub-dir", "here"]  # the worker has another folder
    environ = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        own = localhub.LocalHub(tmp_path / "here", url)
        assert publish(own, TINY, tiny).text_generation(PROMPT)
        (process,) = workers(own)
        server.kill()
    process.wait(20)


@pytest.fixture(scope="module")
def model(tiny: Path) -> worker.Model:
    return worker.Model(str(tiny))


def write(model: worker.Model, most: int = 99, **settings: object) -> list[dict]:
    """What a worker says about a job, in this process; after `most` tokens somebody wants something else."""
    said: list[dict] = []
    job = {"prompt": PROMPT, "settings": {"max_new_tokens": 40, "do_sample": False} | settings}
    worker.Writer(model, job, said.append, lambda: len(said) == most).run()
    return said


def test_a_job_that_nobody_wants_any_more_stops_at_the_next_token(model: worker.Model) -> None:
    assert [event["index"] for event in write(model, most=3)] == [1, 2, 3]
    assert write(model, most=0) == []


def test_without_sampling_nothing_is_left_to_chance(model: worker.Model) -> None:
    texts = {write(model, seed=seed, temperature=temperature)[-1]["generated_text"]
             for seed, temperature in ((1, 0.5), (2, 9.0))}  # fmt: skip
    assert len(texts) == 1
    assert len({write(model, seed=seed, do_sample=True)[-1]["generated_text"] for seed in (1, 2)}) == 2


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        ({}, {"do_sample": True, "temperature": 0.7, "max_new_tokens": 7}),
        ({"do_sample": False}, {"do_sample": False, "max_new_tokens": 7}),
        ({"top_p": 0.5}, {"do_sample": True, "temperature": 0.7, "top_p": 0.5, "max_new_tokens": 7}),
        ({"max_new_tokens": 30}, {"do_sample": True, "max_new_tokens": 20}),
    ],
)
def test_what_is_asked_comes_before_what_the_repository_says(model: worker.Model, asked: dict, merged: dict) -> None:
    found = model.settings(asked, room=20)
    assert {name: found[name] for name in merged} == merged
    assert "num_beams" not in found


def test_a_repository_that_says_nothing(model: worker.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "defaults", {"max_new_tokens": worker.DEFAULT_NEW_TOKENS, "eos_token_id": 0})
    assert model.settings({"top_k": 3}, room=999) == {
        "do_sample": True, "top_k": 3, "max_new_tokens": 100, "eos_token_id": 0
    }  # fmt: skip
    assert "do_sample" not in model.settings({"seed": 3}, room=999)
