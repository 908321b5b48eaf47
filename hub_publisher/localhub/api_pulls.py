"""Pull requests, as the Hub's clients open, list, read and merge them: a kind of discussion to its API."""

import sqlite3
from typing import NamedTuple

from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, Draft, File, Repo, Store, now
from hub_publisher.localhub.web import Call, Routes

MAIN = "refs/heads/main"
routes = Routes()


class PullRequest(NamedTuple):
    """A pull request: `base` is the commit where its branch refs/pr/`num` left its `target`."""

    num: int
    title: str
    description: str
    base: str
    target: str
    created_at: str
    merged: str | None  # the commit that merged it


def open_pull_request(
    store: Store, database: sqlite3.Connection, repo: Repo, title: str, description: str, target: str
) -> int:
    """Open a pull request whose branch refs/pr/N begins at `target`, a full reference; return its number."""
    count = "SELECT coalesce(max(num), 0) + 1 FROM pull_requests WHERE repo = ?"
    (num,) = database.execute(count, (repo.id,)).fetchone()
    base = store.refs(repo, target)[target]
    values = (repo.id, num, title.strip(), description, base, target, now(), None)
    database.execute("INSERT INTO pull_requests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    database.execute("INSERT INTO refs (repo, name, oid) VALUES (?, ?, ?)", (repo.id, f"refs/pr/{num}", base))
    return num


def pull_requests(store: Store, repo: Repo) -> list[PullRequest]:
    """Return the pull requests of a repository, newest first."""
    rows = store.rows("SELECT * FROM pull_requests WHERE repo = ? ORDER BY num DESC", repo.id)
    return [PullRequest(*row[1:]) for row in rows]


def find(call: Call, repo: Repo) -> PullRequest:
    """Return the pull request in the path; Refusal(404) when there is none."""
    num = call.values["num"]
    for found in pull_requests(call.store, repo):
        if str(found.num) == num:
            return found
    raise Refusal(404, f"Discussion not found: {num}")


def show(repo: Repo, found: PullRequest) -> dict:
    """Return a pull request as lists show it; one that an API call opened is a draft to the Hub's clients."""
    status = "merged" if found.merged else "draft"
    shown = {"num": found.num, "title": found.title, "status": status, "createdAt": found.created_at}
    about = {"author": {"name": AUTHOR}, "repo": {"name": repo.name, "type": repo.type}}
    return shown | about | {"isPullRequest": True}


@routes.on("GET", "/api/{type}s/{repo}/discussions")
def list_pull_requests(call: Call) -> dict:
    """List pull requests, newest first; with `status` open those that are not merged, with closed the others."""
    repo, status = call.repo(), call.query("status")
    found = pull_requests(call.store, repo)
    if status in ("open", "closed"):
        found = [one for one in found if (one.merged is None) == (status == "open")]
    return {"discussions": [show(repo, one) for one in found], "count": len(found), "start": 0}


@routes.on("POST", "/api/{type}s/{repo}/discussions")
def create_pull_request(call: Call) -> dict:
    """Open a pull request without changes, for commits to come; Refusal(400) for a discussion about nothing."""
    repo, store, data = call.repo(), call.store, call.json()
    title = data.get("title")
    if not isinstance(title, str) or not 3 <= len(title.strip()) <= 200:
        raise Refusal(400, '"title" must have 3 to 200 characters')
    if not data.get("pullRequest"):
        raise Refusal(400, "The local Hub keeps pull requests only, no other discussions")
    with store.transaction() as database:
        num = open_pull_request(store, database, repo, title, str(data.get("description") or ""), MAIN)
    return {"num": num, "pullRequest": True}


@routes.on("GET", "/api/{type}s/{repo}/discussions/{num}")
def pull_request(call: Call) -> dict:
    """Tell everything about one pull request: its description is its one event, as a comment."""
    repo = call.repo()
    found = find(call, repo)
    shown = show(repo, found)
    event = {"id": "description", "type": "comment", "createdAt": found.created_at, "author": shown["author"]}
    event["data"] = {"edited": False, "hidden": False, "latest": {"raw": found.description}}
    conflicts = [] if found.merged else try_merge(call.store, repo, found)[2]
    changes = {"base": found.target, "mergeCommitId": found.merged}
    return shown | {"events": [event], "changes": changes, "filesWithConflicts": conflicts}


def try_merge(store: Store, repo: Repo, found: PullRequest) -> tuple[str, dict[str, File], list[str]]:
    """Return (head of the target, the tree that merging would make of it, paths in conflict).

    Where the target was deleted since, the place where the pull request left it stands for its head.
    """
    target = store.refs(repo, found.target).get(found.target) or found.base
    head = store.resolve(repo, f"refs/pr/{found.num}")
    before, mine, theirs = store.files(found.base), store.files(head), store.files(target)
    tree, conflicts = dict(theirs), []
    for path in before | mine:
        old, new, now_there = (files[path].oid if path in files else None for files in (before, mine, theirs))
        if new in (old, now_there):
            continue
        if now_there != old:
            conflicts.append(path)
        tree.pop(path, None)
        if path in mine:
            tree[path] = mine[path]
    return target, dict(sorted(tree.items())), sorted(conflicts)


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/merge")
def merge_pull_request(call: Call) -> dict:
    """Merge a pull request; Refusal(409) on conflicts, Refusal(400) when it is merged already."""
    repo, store = call.repo(write=True), call.store
    with store.transaction() as database:
        found = find(call, repo)
        if found.merged:
            raise Refusal(400, "Cannot merge: this pull request is merged")
        target, files, conflicts = try_merge(store, repo, found)
        if conflicts:
            raise Refusal(409, f"Cannot merge: conflicts in {', '.join(conflicts)}")
        oid = store.add_commit(database, repo.id, Draft(found.target, target, f"{found.title} (#{found.num})"), files)
        values = (oid, repo.id, found.num)
        database.execute("UPDATE pull_requests SET merged = ? WHERE repo = ? AND num = ?", values)
    return {"mergeCommitId": oid}
