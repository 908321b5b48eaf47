"""Pull requests, as the Hub's clients open, list, comment on, close and merge them: a kind of discussion to its API."""

import json
import secrets
import sqlite3
from typing import NamedTuple

from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, Draft, File, Repo, Store, now
from hub_publisher.localhub.web import Call, Routes

PAGE_SIZE = 50
MAIN = "refs/heads/main"
routes = Routes()


class PullRequest(NamedTuple):
    """A pull request as it is stored: `base` is the commit where its branch refs/pr/`num` left its `target`."""

    num: int
    title: str
    status: str  # draft (as an API call opens it), open, closed or merged
    base: str
    merged: str | None
    created_at: str
    target: str

    @property
    def mergeable(self) -> bool:
        return self.status in ("draft", "open")


QUERY = f"SELECT {', '.join(PullRequest._fields)} FROM discussions WHERE repo = ? AND base IS NOT NULL"


def open_pull_request(
    store: Store, database: sqlite3.Connection, repo: Repo, title: str, description: str, target: str
) -> int:
    """Open a pull request whose branch refs/pr/N begins at `target`, a full reference; return its number."""
    (num,) = database.execute("SELECT coalesce(max(num), 0) + 1 FROM discussions WHERE repo = ?", (repo.id,)).fetchone()
    base = store.refs(repo, target)[target]
    values = (repo.id, num, title.strip(), "draft", base, now(), target)
    columns = "repo, num, title, status, base, created_at, target"
    database.execute(f"INSERT INTO discussions ({columns}) VALUES (?,?,?,?,?,?,?)", values)
    add_event(database, repo, num, "comment", comment_data(description))
    database.execute("INSERT INTO refs (repo, name, oid) VALUES (?, ?, ?)", (repo.id, f"refs/pr/{num}", base))
    return num


def comment_data(text: str) -> dict:
    """Return the data of a comment event."""
    latest = {"raw": text, "html": "", "updatedAt": now(), "author": {"name": AUTHOR}}
    return {"edited": False, "hidden": False, "latest": latest, "history": []}


def add_event(database: sqlite3.Connection, repo: Repo, num: int, kind: str, data: dict) -> dict:
    """Record an event and return it as the API shows it."""
    event = (secrets.token_hex(12), repo.id, num, kind, json.dumps(data), now())
    database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", event)
    return show_event((event[0], kind, event[4], event[5]))


def show_event(row: tuple) -> dict:
    """Return an event's row as the API shows it."""
    identifier, kind, data, created_at = row
    author = {"name": AUTHOR, "type": "user"}
    return {"id": identifier, "type": kind, "createdAt": created_at, "author": author, "data": json.loads(data)}


def events_of(store: Store, repo: Repo, num: int) -> list[dict]:
    """Return the comments and changes of status of a pull request, oldest first."""
    query = "SELECT id, type, data, created_at FROM events WHERE repo = ? AND num = ? ORDER BY rowid"
    return [show_event(event) for event in store.rows(query, repo.id, num)]


def show(repo: Repo, found: PullRequest) -> dict:
    """Return a pull request as lists show it."""
    shown = {"num": found.num, "title": found.title, "status": found.status, "createdAt": found.created_at}
    about = {"author": {"name": AUTHOR}, "repo": {"name": repo.name, "type": repo.type}}
    return shown | about | {"isPullRequest": True}


def pull_requests(store: Store, repo: Repo) -> list[PullRequest]:
    """Return the pull requests of a repository, newest first."""
    return [PullRequest(*row) for row in store.rows(f"{QUERY} ORDER BY num DESC", repo.id)]


def find(call: Call, repo: Repo) -> PullRequest:
    """Return the pull request in the path; Refusal(404) when there is none."""
    num = call.values["num"]
    known = num.isascii() and num.isdigit() and len(num) < 10
    rows = call.store.rows(f"{QUERY} AND num = ?", repo.id, int(num)) if known else []
    if not rows:
        raise Refusal(404, f"Discussion not found: {num}")
    return PullRequest(*rows[0])


@routes.on("GET", "/api/{type}s/{repo}/discussions")
def list_pull_requests(call: Call) -> dict:
    """List pull requests, newest first, by page `p`; filters: type, status, author."""
    repo = call.repo()
    kind, status, author = call.query("type", "all"), call.query("status", "all"), call.query("author", AUTHOR)
    found = pull_requests(call.store, repo) if kind != "discussion" and author == AUTHOR else []
    if status in ("open", "closed"):
        found = [one for one in found if one.mergeable == (status == "open")]
    start = call.number("p") * PAGE_SIZE
    shown = [show(repo, one) for one in found[start : start + PAGE_SIZE]]
    return {"discussions": shown, "count": len(found), "start": start}


@routes.on("POST", "/api/{type}s/{repo}/discussions")
def create_pull_request(call: Call) -> dict:
    """Open a pull request without changes, for commits to come; Refusal(400) for a discussion about nothing."""
    repo = call.repo(write=True)
    data = call.json()
    title = data.get("title")
    if not isinstance(title, str) or not 3 <= len(title.strip()) <= 200:
        raise Refusal(400, '"title" must have 3 to 200 characters')
    if not data.get("pullRequest"):
        raise Refusal(400, "The local Hub keeps pull requests only, no other discussions")
    with call.store.transaction() as database:
        num = open_pull_request(call.store, database, repo, title, str(data.get("description") or ""), MAIN)
    return {"num": num, "pullRequest": True}


@routes.on("GET", "/api/{type}s/{repo}/discussions/{num}")
def pull_request(call: Call) -> dict:
    """Tell everything about one pull request, its commits and conflicts included."""
    repo, store = call.repo(), call.store
    found = find(call, repo)
    events = events_of(store, repo, found.num)
    history = store.history(store.resolve(repo, f"refs/pr/{found.num}"))
    for commit in reversed(history[: -len(store.history(found.base)) or None]):
        data = json.dumps({"subject": commit.title, "oid": commit.oid})
        events.append(show_event((commit.oid[:24], "commit", data, commit.date)))
    events.sort(key=lambda event: event["createdAt"])
    changes = {"base": found.target} | ({"mergeCommitId": found.merged} if found.merged else {})
    conflicts = [] if found.merged else sorted(try_merge(store, repo, found)[2])
    return show(repo, found) | {"events": events, "changes": changes, "filesWithConflicts": conflicts, "diff": ""}


def try_merge(store: Store, repo: Repo, found: PullRequest) -> tuple[str, dict[str, File], set[str]]:
    """Return (head of the target, the tree that merging would make of it, paths in conflict).

    Where the target was deleted since, the place where the pull request left it stands for its head.
    """
    target = store.refs(repo, found.target).get(found.target) or found.base
    return target, *merge(store, store.resolve(repo, f"refs/pr/{found.num}"), found.base, target)


def merge(store: Store, head: str, base: str, target: str) -> tuple[dict[str, File], set[str]]:
    """Return (merged tree, conflicting paths): what a pull request changed between two commits, put upon `target`."""
    before, mine, theirs = store.files(base), store.files(head), store.files(target)
    changed = {path for path in before | mine if _content(before, path) != _content(mine, path)}
    ours = {path for path in changed if _content(theirs, path) not in (_content(before, path), _content(mine, path))}
    tree = {path: file for path, file in theirs.items() if path not in changed}
    return dict(sorted((tree | {path: mine[path] for path in changed if path in mine}).items())), ours


def _content(files: dict[str, File], path: str) -> str | None:
    return files[path].oid if path in files else None


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/merge")
def merge_pull_request(call: Call) -> dict:
    """Merge a pull request; Refusal(409) on conflicts, Refusal(400) when it is closed or merged."""
    repo, store = call.repo(write=True), call.store
    with store.transaction() as database:
        found = find(call, repo)
        if not found.mergeable:
            raise Refusal(400, f"Cannot merge: this pull request is {found.status}")
        target, files, conflicts = try_merge(store, repo, found)
        if conflicts:
            raise Refusal(409, f"Cannot merge: conflicts in {', '.join(sorted(conflicts))}")
        oid = store.add_commit(database, repo.id, Draft(found.target, target, f"{found.title} (#{found.num})"), files)
        values = (oid, repo.id, found.num)
        database.execute("UPDATE discussions SET status = 'merged', merged = ? WHERE repo = ? AND num = ?", values)
        add_event(database, repo, found.num, "status-change", {"status": "merged"})
    return {"mergeCommitId": oid}


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/comment")
def comment(call: Call) -> dict:
    """Comment on a pull request."""
    repo = call.repo(write=True)
    data = comment_data(str(call.json().get("comment", "")))
    with call.store.transaction() as database:
        return {"newMessage": add_event(database, repo, find(call, repo).num, "comment", data)}


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/status")
def change_status(call: Call) -> dict:
    """Close or reopen a pull request."""
    repo, status = call.repo(write=True), str(call.json().get("status"))
    with call.store.transaction() as database:
        found = find(call, repo)
        if status not in ("open", "closed") or found.status == "merged":
            raise Refusal(400, f"Cannot change the status of this pull request from {found.status} to {status[:80]}")
        values = (status, repo.id, found.num)
        database.execute("UPDATE discussions SET status = ? WHERE repo = ? AND num = ?", values)
        return {"newStatus": add_event(database, repo, found.num, "status-change", {"status": status})}
