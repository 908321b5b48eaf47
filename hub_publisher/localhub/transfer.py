"""File contents in and out: LFS uploads, the Xet writing routes, and downloads."""

import mimetypes
import time
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from hub_publisher.localhub.access import SIGNED_SECONDS
from hub_publisher.localhub.blobs import READ_SIZE, SHA256, BlobWriter
from hub_publisher.localhub.refusal import Refusal, no_entry
from hub_publisher.localhub.store import File, lfs_pointer
from hub_publisher.localhub.web import Call, Routes
from hub_publisher.localhub.xet import MAX_XORB_BYTES, parse_shard

routes = Routes()

# A file is a stranger's: whatever it is, a browser that opens it must run nothing from it.
INERT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


@routes.on("POST", "/{kind}{repo}.git/info/lfs/objects/batch")
def lfs_batch(call: Call) -> Response:
    """Give each object that is not here yet an address to PUT it to (git-lfs batch API, basic transfer)."""
    call.repo(write=True)
    data = call.json()
    if data.get("operation") != "upload" or not isinstance(data.get("objects"), list):
        raise Refusal(422, 'Only uploads of "objects" are served here; download from /resolve/')
    shown = [_lfs_object(call, item) for item in data["objects"]]
    reply = {"transfer": "basic", "hash_algo": "sha256", "objects": shown}
    return JSONResponse(reply, media_type="application/vnd.git-lfs+json")


def _lfs_object(call: Call, item: object) -> dict:
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not SHA256.fullmatch(oid) or not isinstance(size, int):
        raise Refusal(422, "Each object needs an oid (sha256) and a size")
    href = f"{call.base_url}/_lfs/{oid}/{size:d}/{call.hub.access.sign(f'lfs {oid} {size:d}')}"
    actions = {} if call.store.blobs.has(oid) else {"actions": {"upload": {"href": href, "header": {}}}}
    return {"oid": oid, "size": size, "authenticated": True} | actions


async def receive(call: Call, writer: BlobWriter, limit: int) -> None:
    """Write the body as it comes; Refusal(413) as soon as it is longer than `limit` bytes."""
    async for piece in call.request.stream():
        if writer.num_bytes + len(piece) > limit:
            raise Refusal(413, f"More than {limit} bytes")
        await run_in_threadpool(writer.write, piece)


@routes.on("PUT", "/_lfs/{oid}/{size}/{signature}", streaming=True)
async def lfs_put(call: Call) -> Response:
    """Take an object's bytes as they come; they become a blob only if size and hash are the promised ones."""
    oid, size = call.values["oid"], call.values["size"]
    call.hub.access.check(f"lfs {oid} {size}", call.values["signature"])
    with call.store.blobs.writer() as writer:
        await receive(call, writer, int(size))
        if writer.num_bytes != int(size) or writer.sha256.hexdigest() != oid:
            raise Refusal(400, "The bytes are not those of the object: size or SHA-256 differs")
        await run_in_threadpool(writer.finish)
    return Response()


@routes.on("GET", "/api/{type}s/{repo}/xet-write-token/{rev}")
def xet_write_token(call: Call) -> Response:
    """Give access to this run's CAS; the revision is not looked at (clients send `None` for a pull request)."""
    call.repo(write=True)
    url = f"{call.base_url}/_cas/{call.hub.xorbs.instance}"
    token, expires = call.hub.access.sign(f"cas {call.hub.xorbs.instance}"), int(time.time()) + SIGNED_SECONDS
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"casUrl": url, "accessToken": token, "exp": expires}, headers=headers)


def check_cas(call: Call) -> None:
    """Return when the caller holds a token for this run's CAS; Refusal(403) or Refusal(404) otherwise."""
    if call.values["instance"] != call.hub.xorbs.instance:
        raise Refusal(404, "This CAS is gone: ask for a new write token")
    call.hub.access.check(f"cas {call.hub.xorbs.instance}", call.request.headers.get("authorization", "")[7:])


@routes.on("POST", "/_cas/{instance}/v1/xorbs/default/{hash}", streaming=True)
async def post_xorb(call: Call) -> dict:
    """Store a xorb as it comes."""
    check_cas(call)
    with call.store.blobs.writer() as writer:
        await receive(call, writer, MAX_XORB_BYTES)
        writer.file.flush()
        new = await run_in_threadpool(call.hub.xorbs.add, call.values["hash"], Path(writer.file.name))
        return {"was_inserted": new}


@routes.on("POST", "/_cas/{instance}/v1/shards", limit=MAX_XORB_BYTES)
def post_shard(call: Call) -> dict:
    """Make the files that a shard describes from the xorbs that came before it."""
    check_cas(call)
    for terms in parse_shard(call.body):
        call.hub.xorbs.rebuild(terms, call.store.blobs)
    return {"result": 1}


@routes.on("GET", "/{kind}{repo}/resolve/{rev}/{path}")
def resolve(call: Call) -> Response:
    """Return a file, whole or the range that is asked for; ETag is what the clients name their cached copy."""
    file, headers = file_at(call)
    headers["ETag"] = f'"{file.sha256 if file.lfs else file.oid}"'
    if file.lfs:
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-ETag": headers["ETag"]}
    if call.request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Download(call.store.blobs.path(file.sha256), headers=headers, media_type=media_type(file.path))


@routes.on("GET", "/{kind}{repo}/raw/{rev}/{path}")
def raw(call: Call) -> Response:
    """Return what git holds of a file: of one in LFS the pointer, made when it is asked for."""
    file, headers = file_at(call)
    headers["ETag"] = f'"{file.oid}"'
    sha256 = call.store.blobs.add(lfs_pointer(file.sha256, file.size)) if file.lfs else file.sha256
    return Download(call.store.blobs.path(sha256), headers=headers, media_type=media_type(file.path))


def file_at(call: Call) -> tuple[File, dict[str, str]]:
    """Return the file in a path and the headers that every answer about it has; Refusal(404) without such a file."""
    commit, path = call.store.resolve(call.repo(), call.values["rev"]), call.values["path"]
    file = call.store.files(commit).get(path)
    if file is None:
        raise no_entry(path, commit)
    name = quote(path.rsplit("/", 1)[-1])
    return file, {
        "X-Repo-Commit": commit, "Cache-Control": "no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}", **INERT,
    }  # fmt: skip


class Download(FileResponse):
    """A file sent in pieces of a size that keeps the number of reads small."""

    chunk_size = READ_SIZE


def media_type(path: str) -> str:
    """Return the type to send a file as: markup and code as plain text, what no browser shows as bytes."""
    guess = mimetypes.guess_type(path)[0] or "text/plain"
    if guess.startswith("image/"):
        return guess
    is_text = guess.startswith("text/") or guess == "application/json"
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"
