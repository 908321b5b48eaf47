"""The Inference API for text generation, as the clients speak it to a URL.

Names and meaning of the parameters are those of text-generation-inference, the server that huggingface_hub's
InferenceClient was made for: https://huggingface.co/docs/text-generation-inference/reference/api_reference
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from hub_publisher.localhub import metadata
from hub_publisher.localhub.api_repos import describe
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.runner import Job, failed
from hub_publisher.localhub.store import File
from hub_publisher.localhub.web import Call, Routes, read_body
from hub_publisher.localhub.worker import MAX_NEW_TOKENS

routes = Routes()

BODY_LIMIT = 2**18
INDEX = "model.safetensors.index.json"
# The files that a worker gets to see, with *.safetensors: nothing that could be code, or lead to another repository.
FILES = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", INDEX,
}  # fmt: skip
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
Fraction = Annotated[float, Field(ge=0.01, le=1)]


class Parameters(BaseModel):
    """What a request may say about how to write; None says nothing."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    max_new_tokens: int | None = Field(None, ge=1, le=MAX_NEW_TOKENS)
    temperature: float | None = Field(None, ge=0.01, le=100)
    top_k: int | None = Field(None, ge=0, le=10**6)
    top_p: Fraction | None = None
    typical_p: Fraction | None = None
    repetition_penalty: float | None = Field(None, ge=0.1, le=10)
    seed: int | None = Field(None, ge=0, lt=2**64)
    do_sample: bool | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=4)] | None = None
    return_full_text: bool | None = None
    details: bool | None = None  # they come in any case


class Question(BaseModel):
    """A request: the prompt to continue, and whether to answer token by token."""

    model_config = ConfigDict(strict=True)

    inputs: str
    parameters: Parameters | None = None
    stream: bool | None = None


def question(call: Call) -> Question:
    """Return a request; Refusal(422) for what is not known or not within bounds."""
    try:
        return Question.model_validate(call.json())
    except ValidationError as error:
        where = [name for name in error.errors()[0]["loc"] if isinstance(name, str)]
        raise failed(422, f"{where[-1]}: {error.errors()[0]['msg']}") from error


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


def prepare(call: Call) -> tuple[Job, bool]:
    """Return what a request asks for, and whether token by token; Refusal when it asks for what cannot be."""
    repo, asked = call.repo(), question(call)
    info = describe(call, repo)
    files = call.store.files(info["sha"])
    if reason := why_not(info, files, call.store.blobs):
        raise Refusal(400, reason)
    paths = {file.path: call.store.blobs.path(file.sha256) for file in model_files(files)}
    settings = asked.parameters.model_dump(exclude_none=True, exclude={"details"}) if asked.parameters else {}
    return Job(model_key(files), paths, asked.inputs, settings), bool(asked.stream)


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
    job, stream = await run_in_threadpool(prepare, call)
    events = call.hub.runner.write(job)
    if stream:
        # A job that fails before its first token is refused with a status; later ones can only say so in the stream.
        lines = _lines(await unless_disconnected(call.request, anext(events)), events)
        headers, end = {"Cache-Control": "no-cache"}, BackgroundTask(events.aclose)
        return StreamingResponse(lines, headers=headers, media_type="text/event-stream", background=end)
    said = await unless_disconnected(call.request, _all(events))
    details = said[-1]["details"] | {"prefill": [], "tokens": [event["token"] for event in said]}
    return JSONResponse([{"generated_text": said[-1]["generated_text"], "details": details}])


async def _all(events: AsyncGenerator[dict, None]) -> list[dict]:
    return [event async for event in events]


async def unless_disconnected(request: Request, work: Awaitable) -> Any:
    """Return what `work` returns; ClientDisconnect, with `work` cancelled, when the caller leaves before that."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body is read: all that can come is the disconnect
    done, others = await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    if working not in done:
        raise ClientDisconnect
    return working.result()


async def _lines(first: dict, events: AsyncGenerator[dict, None]) -> AsyncGenerator[str, None]:
    yield f"data:{json.dumps(first)}\n\n"
    try:
        async for event in events:
            yield f"data:{json.dumps(event)}\n\n"
    except Refusal as refusal:
        yield f"data:{json.dumps(refusal.body)}\n\n"


@routes.on("GET", "/models/{repo}")
def state(call: Call) -> dict:
    """Return whether the model is loaded, loading, unloaded, or the worker busy; and how many requests there are."""
    files = call.store.files(call.store.resolve(call.repo(), "main"))
    return {"state": call.hub.runner.state(model_key(files)), "requests": call.hub.runner.num_open}
