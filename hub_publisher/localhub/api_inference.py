"""The Inference API for text generation, as the clients speak it to a URL.

Names and meaning of the parameters are those of text-generation-inference, the server that huggingface_hub's
InferenceClient was made for: https://huggingface.co/docs/text-generation-inference/reference/api_reference
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Coroutine
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hub_publisher.localhub import metadata
from hub_publisher.localhub.api_repos import describe
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.runner import Job, Ticket, failed
from hub_publisher.localhub.store import File
from hub_publisher.localhub.web import Call, Routes, read_body
from hub_publisher.localhub.worker import MAX_NEW_TOKENS, MAX_PROMPT_TOKENS

routes = Routes()

BODY_LIMIT = 2**18
INDEX = "model.safetensors.index.json"
# The files that a worker gets to see, with *.safetensors: nothing that could be code, or lead to another repository.
FILES = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", INDEX,
}  # fmt: skip
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
NUMBERS: dict[str, tuple[type, float, float]] = {
    "max_new_tokens": (int, 1, MAX_NEW_TOKENS), "temperature": (float, 0.01, 100), "top_p": (float, 0.01, 1),
    "top_k": (int, 0, 10**6), "typical_p": (float, 0.01, 1), "repetition_penalty": (float, 0.1, 10),
    "seed": (int, 0, 2**64 - 1), "truncate": (int, 1, MAX_PROMPT_TOKENS),
}  # fmt: skip
FLAGS = {"do_sample", "return_full_text", "details"}
MAX_STOPS, MAX_STOP_LENGTH = 4, 200


class Options(NamedTuple):
    """How to answer: what the text begins with, whether with details, whether token by token."""

    prefix: str
    details: bool
    stream: bool


def settings_of(parameters: object) -> dict[str, Any]:
    """Return the parameters that say something, each of the right kind and within bounds.

    Refusal(422) otherwise; Refusal(400) for unknown ones in the words after which the client leaves them out.
    """
    if not isinstance(parameters, dict):
        raise failed(422, "`parameters` must be an object")
    known = {*NUMBERS, *FLAGS, "stop"}
    given = {name: value for name, value in parameters.items() if value is not None}
    if unused := [name for name, value in given.items() if name not in known and value is not False]:
        raise Refusal(400, f"The following `model_kwargs` are not used by the model: {unused}")
    for name, value in given.items():
        _check(name, value)
    return {name: value for name, value in given.items() if name in known}


def _check(name: str, value: object) -> None:
    if name in FLAGS and not isinstance(value, bool):
        raise failed(422, f"`{name}` must be true or false")
    if name in NUMBERS:
        kind, low, high = NUMBERS[name]
        good = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        if not good or not low <= value <= high:  # type: ignore[operator]
            raise failed(422, f"`{name}` must be {'a whole' if kind is int else 'a'} number from {low} to {high}")
    if name == "stop" and not (
        isinstance(value, list)
        and len(value) <= MAX_STOPS
        and all(isinstance(text, str) and 0 < len(text) <= MAX_STOP_LENGTH for text in value)
    ):
        raise failed(422, f"`stop` must be a list of at most {MAX_STOPS} texts of 1 to {MAX_STOP_LENGTH} characters")


def why_not(info: dict, files: dict[str, File], blobs: BlobStore) -> str:
    """Return why a model cannot be run here, as a sentence; empty when nothing speaks against trying."""
    if (task := info.get("pipeline_tag")) != "text-generation":
        return f"The local Hub runs text-generation models; the task of this one is {task or 'not known'}."
    weights = {path for path in files if path.endswith(".safetensors") and "/" not in path}
    pickles = [path for path in files if path.endswith(PICKLES)]
    if not weights and pickles:
        return f"Weights in pickle files can run any code when they are opened, so {pickles[0]} is not."
    if not weights or "config.json" not in files:
        return f"This repository has no {'weights in safetensors format' if not weights else 'config.json'}."
    shards = metadata.json_of(files, INDEX, blobs).get("weight_map")
    if INDEX in files and not (isinstance(shards, dict) and all(str(shard) in weights for shard in shards.values())):
        return f"{INDEX} does not name safetensors files of this repository."  # transformers would go where it leads
    return ""


def prepare(call: Call) -> tuple[Job, Options]:
    """Return what a request asks for; Refusal when it asks for what cannot be."""
    repo, data = call.repo(), call.json()
    prompt = data.get("inputs")
    if not isinstance(prompt, str):
        raise failed(422, "`inputs` must be a text: the prompt to continue")
    settings = settings_of(data.get("parameters") or {})
    options = Options(prompt if settings.pop("return_full_text", False) else "", settings.pop("details", False),
                data.get("stream") is True)  # fmt: skip
    info = describe(call, repo)
    files = call.store.files(info["sha"])
    if reason := why_not(info, files, call.store.blobs):
        raise Refusal(400, reason)
    paths = {file.path: call.store.blobs.path(file.sha256) for file in model_files(files)}
    return Job(model_key(files), paths, prompt, settings), options


def model_files(files: dict[str, File]) -> list[File]:
    """Return the files of a tree that a worker gets to see."""
    return [file for path, file in files.items() if path in FILES or re.fullmatch(r"[^/]+\.safetensors", path)]


def model_key(files: dict[str, File]) -> str:
    """Return what tells the model in one tree from others; a new card alone makes no new model."""
    names = "".join(f"{file.path}\0{file.sha256}\n" for file in model_files(files))
    return hashlib.sha256(names.encode()).hexdigest()


@routes.on("POST", "/models/{repo}", streaming=True)
async def infer(call: Call) -> Response:
    """Continue `inputs` with the model at the head of main: as JSON, or with `stream` as an event for each token."""
    call.body = await read_body(call.request, BODY_LIMIT)
    job, options = await run_in_threadpool(prepare, call)
    ticket = call.hub.runner.submit(job)
    if options.stream:
        # A job that fails before its first token is refused with a status; later ones can only say so in the stream.
        first = await unless_disconnected(call.request, ticket, anext(ticket))
        return EventStream(ticket, first, options)
    events = await unless_disconnected(call.request, ticket, _all(ticket))
    text = options.prefix + "".join(event["token"]["text"] for event in events)
    more = {"prefill": [], "tokens": [event["token"] for event in events]}
    details = {"details": events[-1]["details"] | more} if options.details else {}
    return JSONResponse([{"generated_text": text, **details}])


async def _all(ticket: Ticket) -> list[dict]:
    return [event async for event in ticket]


async def unless_disconnected(request: Request, ticket: Ticket, work: Coroutine) -> Any:
    """Return what `work` returns; ClientDisconnect, with the job ended, when the caller leaves before that."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body is read: all that can come is the disconnect
    await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if working.done():
        return working.result()
    working.cancel()
    ticket.cancel()
    raise ClientDisconnect


class EventStream(StreamingResponse):
    """Tokens as server-sent events, until the last one or until the caller leaves."""

    def __init__(self, ticket: Ticket, first: dict, options: Options) -> None:
        super().__init__(_lines(ticket, first, options), media_type="text/event-stream")
        self.headers["Cache-Control"] = "no-cache"
        self.ticket = ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.ticket.cancel()


async def _lines(ticket: Ticket, first: dict, options: Options) -> AsyncIterator[str]:
    text = options.prefix
    event: dict | None = first
    try:
        while event:
            text += event["token"]["text"]
            shown = {**event, "generated_text": None, "details": None}
            if details := event.get("details"):
                shown |= {"generated_text": text, "details": details if options.details else None}
            yield f"data:{json.dumps(shown)}\n\n"
            event = await anext(ticket, None)
    except Refusal as refusal:
        yield f"data:{json.dumps(refusal.body)}\n\n"


@routes.on("GET", "/models/{repo}")
def state(call: Call) -> dict:
    """Return whether the model is loaded, loading, unloaded, or the worker busy; and how many requests there are."""
    files = call.store.files(call.store.resolve(call.repo(), "main"))
    return {"state": call.hub.runner.state(model_key(files)), "requests": call.hub.runner.num_open}
