"""The Hub's API that writes history: preupload and commit."""

import base64

from hub_publisher.localhub.api_pulls import open_pull_request
from hub_publisher.localhub.api_repos import KINDS
from hub_publisher.localhub.operations import (
    MAX_REGULAR_BYTES,
    apply_changes,
    check_parent,
    is_binary,
    is_lfs_path,
    parse_operations,
    read_change,
    safe_path,
)
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import Draft, File
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

COMMIT_LIMIT = 256 * 2**20  # bytes of NDJSON, in which regular files travel as base64
MAX_FILES_PER_PREUPLOAD = 256


@routes.on("POST", "/api/{type}s/{repo}/preupload/{rev}")
def preupload(call: Call) -> dict:
    """Say for each file whether it goes through LFS, and what is already there (`oid`)."""
    repo = call.repo(write=True)
    files = call.store.files(call.store.resolve(repo, call.values["rev"]))
    asked = call.json().get("files")
    if not isinstance(asked, list) or len(asked) > MAX_FILES_PER_PREUPLOAD:
        raise Refusal(400, f'"files" must be an array of at most {MAX_FILES_PER_PREUPLOAD}')
    return {"files": [_upload_mode(item, files) for item in asked]}


def _upload_mode(item: object, files: dict[str, File]) -> dict:
    if not isinstance(item, dict):
        raise Refusal(400, '"files" must hold objects')
    path = safe_path(item.get("path"))
    try:
        sample = base64.b64decode(item.get("sample") or "")
    except (ValueError, TypeError) as error:
        raise Refusal(400, "Invalid sample") from error
    size = item.get("size")
    there = files.get(path)
    oid = (there.sha256 if there.lfs else there.oid) if there else None
    large = isinstance(size, int) and size > MAX_REGULAR_BYTES
    mode = "lfs" if large or is_binary(sample) or is_lfs_path(path) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}


@routes.on("POST", "/api/{type}s/{repo}/commit/{rev}", limit=COMMIT_LIMIT)
def commit(call: Call) -> dict:
    """Apply the operations of one NDJSON body as one commit, on a branch or (create_pr) a new pull request."""
    repo = call.repo(write=True)
    operations = parse_operations(call.body)
    header = next((value for key, value in operations if key == "header"), {})
    title = header.get("summary")
    if not isinstance(title, str) or not title.strip():
        raise Refusal(400, '"summary" is required')
    page = f"{call.base_url}/{KINDS[repo.type]}{repo.name}"
    changes = [read_change(call.store, key, value) for key, value in operations if key != "header"]
    with call.store.transaction() as database:
        number, ref = None, call.store.writable_ref(repo, call.values["rev"])
        if call.flag("create_pr"):
            number = open_pull_request(call.store, database, repo, title, str(header.get("description") or ""), ref)
            ref = f"refs/pr/{number}"
        head = call.store.refs(repo, ref)[ref]
        check_parent(header.get("parentCommit"), head)
        files = apply_changes(call.store, call.store.files(head), changes, head)
        draft = Draft(ref, head, title, str(header.get("description") or ""))
        oid = call.store.add_commit(database, repo.id, draft, files)
    reply = {"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}", "hookOutput": ""}
    return reply | ({"pullRequestUrl": f"{page}/discussions/{number}"} if number else {})
