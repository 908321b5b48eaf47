"""Models on a local Hub, the processes that run them, and requests to them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from huggingface_hub import CommitOperationAdd, HfApi, InferenceClient

from hub_publisher import localhub
from tests.helpers.hub_calls import call
from tests.helpers.tiny import make_tiny_model

PROMPT = "The lamp"
SAMPLING = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0, "max_new_tokens": 7}


def make_sampled_model(folder: Path) -> Path:
    """A model that never ends a text by itself; its repository says how to sample, and asks for beams."""
    make_tiny_model(folder, n_embd=256)
    (folder / "generation_config.json").write_text(json.dumps({**SAMPLING, "num_beams": 3, "eos_token_id": 10**6}))
    return folder


def publish(hub: localhub.LocalHub, name: str, folder: Path, private: bool = False) -> InferenceClient:
    """Upload a folder as a model and return a client for it."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo(name, private=private, exist_ok=True)
    adds = [CommitOperationAdd(path.name, path) for path in folder.iterdir()]
    api.create_commit(name, adds, commit_message="publish")
    return InferenceClient(model=f"{hub.url}/models/{name}", token=hub.token, timeout=300)


def ask(hub: localhub.LocalHub, name: str, body: object, **headers: str) -> tuple[int, dict]:
    """Post to a model what no client would; return (status, reply)."""
    status, _, reply = call(hub, "POST", f"/models/{name}", json.dumps(body), **headers)
    return status, json.loads(reply)


def state(hub: localhub.LocalHub, name: str) -> dict:
    """How things stand for a model."""
    return json.loads(call(hub, "GET", f"/models/{name}")[2])


def workers(hub: localhub.LocalHub) -> list[psutil.Process]:
    """The processes that the server started."""
    pid = json.loads((hub.root / "server.json").read_text())["pid"]
    return psutil.Process(pid).children()


def wait_until(true: Callable[[], bool], seconds: float = 90) -> None:
    """Return when it is true; fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
