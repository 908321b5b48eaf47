"""File contents in and out: LFS uploads, the Xet writing routes, and downloads."""

import mimetypes
import re
import time
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from hub_publisher.localhub.access import SIGNED_SECONDS
from hub_publisher.localhub.blobs import READ_SIZE
from hub_publisher.localhub.refusal import NO_ENTRY, Refusal, no_entry
from hub_publisher.localhub.store import File, lfs_pointer
from hub_publisher.localhub.web import Call, Routes
from hub_publisher.localhub.xet import MAX_XORB_BYTES, parse_shard

routes = Routes()

MAX_LFS_BYTES = 2**40
SHOWN_IN_BROWSERS = re.compile(r"image/(?:png|jpeg|gif|webp|svg\+xml|avif)|text/|application/json")
# A file is a stranger's: whatever it is, a browser that opens it must run nothing from it.
INERT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


@routes.on("POST", "/{kind}{repo}.git/info/lfs/objects/batch")
def lfs_batch(call: Call) -> Response:
    """Give each object that is not here yet an address to PUT it to (git-lfs batch API, basic transfer)."""
    call.repo(write=True)
    data = call.json()
    if data.get("operation") != "upload" or data.get("hash_algo", "sha256") not in ("sha256", "sha_256"):
        raise Refusal(422, "Only uploads of sha256 objects are served here; download from /resolve/")
    objects = data.get("objects")
    if not isinstance(objects, list):
        raise Refusal(422, '"objects" must be an array')
    shown = [_lfs_object(call, item) for item in objects]
    reply = {"transfer": "basic", "hash_algo": "sha256", "objects": shown}
    return JSONResponse(reply, media_type="application/vnd.git-lfs+json")


def _lfs_object(call: Call, item: object) -> dict:
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not re.fullmatch("[0-9a-f]{64}", oid) or not isinstance(size, int):
        raise Refusal(422, "Each object needs an oid (sha256) and a size")
    shown: dict = {"oid": oid, "size": size, "authenticated": True}
    if call.store.blobs.has(oid):
        return shown
    if not 0 < size <= MAX_LFS_BYTES:
        return shown | {"error": {"code": 422, "message": "Invalid size"}}
    upload = f"{call.base_url}/_lfs/{oid}/{size}/{call.hub.access.sign(f'lfs {oid} {size}')}"
    verify = f"{call.base_url}/api/lfs/verify"
    return shown | {"actions": {"upload": {"href": upload, "header": {}}, "verify": {"href": verify, "header": {}}}}


@routes.on("PUT", "/_lfs/{oid}/{size}/{signature}", streaming=True)
async def lfs_put(call: Call) -> Response:
    """Take an object's bytes as they come; they become a blob only if size and hash are the promised ones."""
    oid, size = call.values["oid"], call.values["size"]
    call.hub.access.check(f"lfs {oid} {size}", call.values["signature"])
    with call.store.blobs.writer() as writer:
        async for piece in call.request.stream():
            if writer.num_bytes + len(piece) > int(size):
                raise Refusal(413, "More bytes than the object's size")
            await run_in_threadpool(writer.write, piece)
        if writer.num_bytes != int(size) or writer.hexdigest() != oid:
            raise Refusal(400, "The bytes are not those of the object: size or SHA-256 differs")
        await run_in_threadpool(writer.finish)
    return Response()


@routes.on("POST", "/api/lfs/verify")
def lfs_verify(call: Call) -> dict:
    """Confirm that an object has arrived; Refusal(404) when it has not."""
    call.must_write()
    data = call.json()
    oid = str(data.get("oid"))
    if not re.fullmatch("[0-9a-f]{64}", oid) or not call.store.blobs.has(oid):
        raise Refusal(404, f"Object not found: {oid[:80]}", NO_ENTRY)
    return {"oid": oid, "size": call.store.blobs.path(oid).stat().st_size}


@routes.on("GET", "/api/{type}s/{repo}/xet-write-token/{rev}")
def xet_write_token(call: Call) -> Response:
    """Give access to this run's CAS; the revision is not looked at (clients send `None` for a pull request)."""
    call.repo(write=True)
    url = f"{call.base_url}/_cas/{call.hub.xorbs.instance}"
    token, expires = call.hub.access.sign(f"cas {call.hub.xorbs.instance}"), int(time.time()) + SIGNED_SECONDS
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"casUrl": url, "accessToken": token, "exp": expires}, headers=headers)


def check_cas(call: Call) -> None:
    """Return when the caller holds a token for this run's CAS; Refusal(401) or Refusal(404) otherwise."""
    if call.values["instance"] != call.hub.xorbs.instance:
        raise Refusal(404, "This CAS is gone: ask for a new write token")
    try:
        call.hub.access.check(f"cas {call.hub.xorbs.instance}", call.request.headers.get("authorization", "")[7:])
    except Refusal as refusal:
        raise Refusal(401, "Invalid CAS token") from refusal


@routes.on("POST", "/_cas/{instance}/v1/xorbs/default/{hash}", streaming=True)
async def post_xorb(call: Call) -> dict:
    """Store a xorb as it comes."""
    check_cas(call)
    call.hub.xorbs.path(call.values["hash"])
    with call.store.blobs.writer() as writer:
        async for piece in call.request.stream():
            if writer.num_bytes + len(piece) > MAX_XORB_BYTES:
                raise Refusal(413, "Xorb is too large")
            await run_in_threadpool(writer.write, piece)
        writer.file.flush()
        return {"was_inserted": await run_in_threadpool(call.hub.xorbs.add, call.values["hash"], writer.path)}


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
    """Return what git holds of a file: of one in LFS the pointer."""
    file, headers = file_at(call)
    headers["ETag"] = f'"{file.oid}"'
    if file.lfs:
        data, status = lfs_pointer(file.sha256, file.size), 200
        asked = re.fullmatch(r"bytes=(\d{1,9})-(\d{0,9})", call.request.headers.get("range", ""))
        if asked and (first := int(asked[1])) < len(data):
            end = min(int(asked[2] or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
            data, status = data[first:end], 206
        return Response(data, status, headers, "text/plain")
    return Download(call.store.blobs.path(file.sha256), headers=headers, media_type=media_type(file.path))


def file_at(call: Call) -> tuple[File, dict[str, str]]:
    """Return the file in a path and the headers that every answer about it has; Refusal(404) without such a file."""
    commit = call.store.resolve(call.repo(), call.values["rev"])
    path = call.values["path"]
    file = call.store.files(commit).get(path)
    if file is None:
        raise no_entry(path, commit)
    name = quote(path.rsplit("/", 1)[-1])
    return file, {
        "X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Cache-Control": "no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}", **INERT,
    }  # fmt: skip


class Download(FileResponse):
    """A file sent in pieces of a size that keeps the number of reads small."""

    chunk_size = READ_SIZE


def media_type(path: str) -> str:
    """Return the type to send a file as: markup and code as plain text, what no browser shows as bytes."""
    guess = mimetypes.guess_type(path)[0] or "text/plain"
    if not SHOWN_IN_BROWSERS.match(guess):
        return "application/octet-stream"
    return "text/plain; charset=utf-8" if not guess.startswith("image/") else guess
