"""The Hub's API around history: trees, commits, branches and tags; preupload and commit write it."""

import base64
import hashlib
from pathlib import PurePosixPath
from urllib.parse import parse_qs

from starlette.responses import Response

from hub_publisher.localhub.api_pulls import MAIN, open_pull_request
from hub_publisher.localhub.api_repos import KINDS, lfs_info
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
from hub_publisher.localhub.refusal import Refusal, no_entry, no_revision
from hub_publisher.localhub.store import AUTHOR, REF_NAME, Draft, File
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

COMMIT_LIMIT = 256 * 2**20  # bytes of NDJSON, in which regular files travel as base64
MAX_FILES_PER_PREUPLOAD = 256
GROUPS = {"branch": "refs/heads/", "tag": "refs/tags/"}


@routes.on("GET", "/api/{type}s/{repo}/tree/{rev}")
@routes.on("GET", "/api/{type}s/{repo}/tree/{rev}/{path}")
def tree(call: Call) -> Response:
    """List a folder, in pages that the Link header chains."""
    commit = call.store.resolve(call.repo(), call.values["rev"])
    under = call.values.get("path", "").strip("/")
    files = call.store.files(commit, under)
    if under and not files:
        raise no_entry(under, commit)
    return call.paged(
        show_tree(files, f"{under}/" if under else "", call.flag("recursive")), **{"X-Repo-Commit": commit}
    )


def show_tree(files: dict[str, File], prefix: str, recursive: bool) -> list[dict]:
    """Return the files and folders whose paths begin with `prefix`, sorted by path."""
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    inside = sorted(path for path in folders | files.keys() if path.startswith(prefix))
    shown = inside if recursive else [path for path in inside if "/" not in path.removeprefix(prefix)]
    return [show_entry(files, path) for path in shown]


def show_entry(files: dict[str, File], path: str) -> dict:
    """Return the file or folder at `path` as trees show it, empty when there is neither."""
    if file := files.get(path):
        shown = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        return shown | ({"lfs": lfs_info(file, "oid")} if file.lfs else {})
    inside = "".join(f"{name}\0{file.oid}\n" for name, file in files.items() if name.startswith(f"{path}/"))
    oid = hashlib.sha1(inside.encode()).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path} if inside else {}


@routes.on("POST", "/api/{type}s/{repo}/paths-info/{rev}", is_open=True)
def paths_info(call: Call) -> list[dict]:
    """Describe the named paths, files and folders; those that do not exist are left out."""
    files = call.store.files(call.store.resolve(call.repo(), call.values["rev"]))
    is_json = call.request.headers.get("content-type", "").startswith("application/json")
    paths = (call.json() if is_json else parse_qs(call.body.decode("utf-8", "replace"))).get("paths") or []
    if not isinstance(paths, list):
        raise Refusal(400, '"paths" must be an array')
    return list(filter(None, (show_entry(files, str(path).strip("/")) for path in paths)))


@routes.on("GET", "/api/{type}s/{repo}/commits/{rev}")
def commits(call: Call) -> Response:
    """List a revision's history, newest first."""
    history = call.store.history(call.store.resolve(call.repo(), call.values["rev"]))
    authors = [{"user": AUTHOR, "avatar": ""}]
    shown = [
        {"id": commit.oid, "title": commit.title, "message": commit.message, "authors": authors, "date": commit.date}
        for commit in history
    ]
    return call.paged(shown, **{"X-Total-Count": str(len(history))})


@routes.on("GET", "/api/{type}s/{repo}/refs")
def refs(call: Call) -> dict:
    """List branches, tags and pull requests."""
    repo = call.repo()
    groups = {"branches": "refs/heads/", "tags": "refs/tags/", "pullRequests": "refs/pr/"}
    shown: dict[str, list] = {"converts": []}
    for group, prefix in groups.items():
        found = call.store.refs(repo, prefix).items()
        shown[group] = [{"name": n.removeprefix(prefix), "ref": n, "targetCommit": oid} for n, oid in found]
    return shown


@routes.on("POST", "/api/{type}s/{repo}/{group}/{rev}")
def create_ref(call: Call) -> dict:
    """Create the branch in the path at `startingPoint`, by default at main; or a `tag` of the revision in the path."""
    repo, store, data = call.repo(), call.store, call.json()
    given = (call.values["rev"], data.get("startingPoint") or "main")
    name, start = given if call.values["group"] == "branch" else (data.get("tag"), call.values["rev"])
    if not isinstance(name, str) or not REF_NAME.fullmatch(name) or name.startswith("refs/"):
        raise Refusal(400, f"Invalid reference for a {call.values['group']}: {name}")
    oid, ref = store.resolve(repo, str(start)), GROUPS[call.values["group"]] + name
    with store.transaction() as database:
        if ref in store.refs(repo, ref):
            raise Refusal(409, f"Reference {ref} already exists")
        database.execute("INSERT INTO refs (repo, name, oid) VALUES (?, ?, ?)", (repo.id, ref, oid))
    return {}


@routes.on("DELETE", "/api/{type}s/{repo}/{group}/{rev}")
def delete_ref(call: Call) -> dict:
    """Delete a tag or a branch, but never main."""
    repo, ref = call.repo(), GROUPS[call.values["group"]] + call.values["rev"]
    if ref == MAIN:
        raise Refusal(403, f"Cannot delete {MAIN}")
    with call.store.transaction() as database:
        if not database.execute("DELETE FROM refs WHERE repo = ? AND name = ?", (repo.id, ref)).rowcount:
            raise no_revision(ref)
    return {}


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
    repo = call.repo()
    operations = parse_operations(call.body)
    header = next((value for key, value in operations if key == "header"), {})
    title, description = header.get("summary"), str(header.get("description") or "")
    if not isinstance(title, str) or not title.strip():
        raise Refusal(400, '"summary" is required')
    page = f"{call.base_url}/{KINDS[repo.type]}{repo.name}"
    changes = [read_change(call.store, key, value) for key, value in operations if key != "header"]
    with call.store.transaction() as database:
        number, ref = None, call.store.writable_ref(repo, call.values["rev"])
        if call.flag("create_pr"):
            number = open_pull_request(call.store, database, repo, title, description, ref)
            ref = f"refs/pr/{number}"
        head = call.store.refs(repo, ref)[ref]
        check_parent(header.get("parentCommit"), head)
        files = apply_changes(call.store, call.store.files(head), changes, head)
        oid = call.store.add_commit(database, repo.id, Draft(ref, head, title, description), files)
    reply = {"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}", "hookOutput": ""}
    return reply | ({"pullRequestUrl": f"{page}/discussions/{number}"} if number else {})
