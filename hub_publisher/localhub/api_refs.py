"""The Hub's API that reads trees and history, and moves branches and tags."""

import hashlib
from urllib.parse import parse_qs

from starlette.responses import Response

from hub_publisher.localhub.api_repos import lfs_info
from hub_publisher.localhub.refusal import Refusal, no_entry, no_revision
from hub_publisher.localhub.store import AUTHOR, REF_NAME, Commit, File, Repo, Store
from hub_publisher.localhub.web import Call, Routes

routes = Routes()


def show_file(file: File, commits: dict[str, Commit] | None = None) -> dict:
    """Return a file as trees show it; with `commits` (by id) also the commit that last changed it."""
    entry: dict = {"type": "file", "oid": file.oid, "size": file.size, "path": file.path}
    if file.lfs:
        entry["lfs"] = lfs_info(file, "oid")
    return entry | _last_commit([file], commits)


def _last_commit(files: list[File], commits: dict[str, Commit] | None) -> dict:
    if not commits:
        return {}
    newest = max((commits[file.since] for file in files), key=lambda commit: commit.date)
    return {"lastCommit": {"id": newest.oid, "title": newest.title, "date": newest.date}}


def show_tree(files: dict[str, File], under: str, recursive: bool, commits: dict[str, Commit] | None) -> list[dict]:
    """Return the entries of the folder `under`, folders included, sorted by path."""
    shown = {}
    start = len(under) + 1 if under else 0
    for path, file in files.items():
        if recursive or "/" not in path[start:]:
            shown[path] = show_file(file, commits)
        for index, letter in enumerate(path):
            if letter == "/" and index >= start and (recursive or "/" not in path[start:index]):
                shown.setdefault(path[:index], {})
    for path, entry in shown.items():
        if not entry:
            shown[path] = show_folder(files, path, commits)
    return [shown[path] for path in sorted(shown)]


def show_folder(files: dict[str, File], path: str, commits: dict[str, Commit] | None) -> dict:
    """Return a folder as trees show it."""
    inside = [file for name, file in files.items() if name.startswith(f"{path}/")]
    digest = hashlib.sha1("".join(f"{file.path}\0{file.oid}\n" for file in inside).encode())
    return {"type": "directory", "oid": digest.hexdigest(), "size": 0, "path": path} | _last_commit(inside, commits)


def _commits(call: Call, commit: str, wanted: bool) -> dict[str, Commit] | None:
    return {entry.oid: entry for entry in call.store.history(commit)} if wanted else None


@routes.on("GET", "/api/{type}s/{repo}/tree/{rev}")
@routes.on("GET", "/api/{type}s/{repo}/tree/{rev}/{path}")
def tree(call: Call) -> Response:
    """List a folder, in pages that the Link header chains."""
    commit = call.store.resolve(call.repo(), call.values["rev"])
    under = call.values.get("path", "").strip("/")
    files = call.store.files(commit, under)
    if under and not files:
        raise no_entry(under, commit)
    entries = show_tree(files, under, call.flag("recursive"), _commits(call, commit, call.flag("expand")))
    return call.paged(entries, **{"X-Repo-Commit": commit})


@routes.on("POST", "/api/{type}s/{repo}/paths-info/{rev}")
def paths_info(call: Call) -> list[dict]:
    """Describe the named paths, files and folders; those that do not exist are left out."""
    commit = call.store.resolve(call.repo(), call.values["rev"])
    if call.request.headers.get("content-type", "").startswith("application/json"):
        data = call.json()
        paths, expand = data.get("paths") or [], bool(data.get("expand"))
        if not isinstance(paths, list):
            raise Refusal(400, '"paths" must be an array')
    else:
        form = parse_qs(call.body.decode("utf-8", "replace"), max_num_fields=10_000)
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() in ("1", "true")
    files = call.store.files(commit)
    commits = _commits(call, commit, expand)
    found = []
    for path in (str(path).strip("/") for path in paths):
        if path in files:
            found.append(show_file(files[path], commits))
        elif any(name.startswith(f"{path}/") for name in files):
            found.append(show_folder(files, path, commits))
    return found


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
    """List branches and tags, and with include_prs the pull requests."""
    repo = call.repo()
    groups = {"branches": "refs/heads/", "tags": "refs/tags/", "pullRequests": "refs/pr/"}
    if not (call.flag("include_prs") or call.flag("include_pull_requests")):
        del groups["pullRequests"]
    shown: dict[str, list] = {"converts": []}
    for group, prefix in groups.items():
        found = call.store.refs(repo, prefix).items()
        shown[group] = [{"name": n.removeprefix(prefix), "ref": n, "targetCommit": oid} for n, oid in found]
    return shown


def set_ref(store: Store, repo: Repo, name: str, oid: str, message: str | None = None) -> None:
    """Create a reference; Refusal(409) when it exists, Refusal(400) for a bad name."""
    if not REF_NAME.fullmatch(name.split("/", 2)[2]):
        raise Refusal(400, f"Invalid reference for a branch: {name}")
    with store.transaction() as database:
        if name in store.refs(repo, name):
            raise Refusal(409, f"Reference {name} already exists")
        database.execute("INSERT INTO refs VALUES (?, ?, ?, ?)", (repo.id, name, oid, message))


def drop_ref(store: Store, repo: Repo, name: str) -> None:
    """Delete a reference; Refusal(404) when there is none."""
    with store.transaction() as database:
        if not database.execute("DELETE FROM refs WHERE repo = ? AND name = ?", (repo.id, name)).rowcount:
            raise no_revision(name)


@routes.on("POST", "/api/{type}s/{repo}/branch/{rev}")
def create_branch(call: Call) -> dict:
    """Create a branch at `startingPoint`, by default at main."""
    repo, branch = call.repo(write=True), call.values["rev"]
    if branch.startswith("refs/"):
        raise Refusal(400, f"Invalid reference for a branch: {branch}")
    start = call.store.resolve(repo, str(call.json().get("startingPoint") or "main"))
    set_ref(call.store, repo, f"refs/heads/{branch}", start)
    return {}


@routes.on("DELETE", "/api/{type}s/{repo}/branch/{rev}")
def delete_branch(call: Call) -> dict:
    """Delete a branch, but never main."""
    repo, branch = call.repo(write=True), call.values["rev"]
    if branch == "main":
        raise Refusal(403, "Cannot delete refs/heads/main")
    drop_ref(call.store, repo, f"refs/heads/{branch}")
    return {}


@routes.on("POST", "/api/{type}s/{repo}/tag/{rev}")
def create_tag(call: Call) -> dict:
    """Tag a revision."""
    repo, data = call.repo(write=True), call.json()
    oid = call.store.resolve(repo, call.values["rev"])
    message = data.get("message")
    set_ref(call.store, repo, f"refs/tags/{data.get('tag') or ''}", oid, None if message is None else str(message))
    return {}


@routes.on("DELETE", "/api/{type}s/{repo}/tag/{rev}")
def delete_tag(call: Call) -> dict:
    """Delete a tag."""
    drop_ref(call.store, call.repo(write=True), f"refs/tags/{call.values['rev']}")
    return {}
