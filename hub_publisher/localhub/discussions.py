"""Discussions and pull requests: open, comment, edit, rename, close, merge."""

import json
import secrets
import sqlite3
from typing import NamedTuple

from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, File, Repo, Store, now
from hub_publisher.localhub.web import Call, routes

PAGE_SIZE = 50
MAIN = "refs/heads/main"


class Discussion(NamedTuple):
    """A discussion as it is stored; a pull request has a `base`, the commit where it left its `target`."""

    num: int
    title: str
    status: str
    base: str | None
    merged: str | None
    created_at: str
    target: str


QUERY = f"SELECT {', '.join(Discussion._fields)} FROM discussions WHERE repo = ?"


def open_discussion(
    store: Store, database: sqlite3.Connection, repo: Repo, title: str, description: str, target: str
) -> int:
    """Open a discussion, or with `target` a pull request whose branch refs/pr/N begins there; return its number."""
    (num,) = database.execute("SELECT coalesce(max(num), 0) + 1 FROM discussions WHERE repo = ?", (repo.id,)).fetchone()
    base = store.refs(repo, target)[target] if target else None
    values = (repo.id, num, title.strip(), "draft" if target else "open", base, now(), target or MAIN)
    columns = "repo, num, title, status, base, created_at, target"
    database.execute(f"INSERT INTO discussions ({columns}) VALUES (?,?,?,?,?,?,?)", values)
    add_event(database, repo, num, "comment", comment_data(description))
    if base:
        database.execute("INSERT INTO refs (repo, name, oid) VALUES (?, ?, ?)", (repo.id, f"refs/pr/{num}", base))
    return num


def comment_data(text: str, history: list[dict] | None = None, hidden: bool = False) -> dict:
    """Return the data of a comment event; `history` are the texts that it had before."""
    latest = {"raw": text, "html": "", "updatedAt": now(), "author": {"name": AUTHOR}}
    return {"edited": bool(history), "hidden": hidden, "latest": latest, "history": history or []}


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


def show(repo: Repo, found: Discussion) -> dict:
    """Return a discussion as lists show it."""
    shown = {"num": found.num, "title": found.title, "status": found.status, "createdAt": found.created_at}
    about = {"author": {"name": AUTHOR}, "repo": {"name": repo.name, "type": repo.type}}
    return shown | about | {"isPullRequest": found.base is not None}


def find(call: Call, repo: Repo) -> Discussion:
    """Return the discussion in the path; Refusal(404) when there is none."""
    num = call.values["num"]
    known = num.isascii() and num.isdigit() and len(num) < 10
    rows = call.store.rows(f"{QUERY} AND num = ?", repo.id, int(num)) if known else []
    if not rows:
        raise Refusal(404, f"Discussion not found: {num}")
    return Discussion(*rows[0])


@routes.on("GET", "/api/{type}s/{repo}/discussions")
def list_discussions(call: Call) -> dict:
    """List discussions, newest first, by page `p`; filters: type, status, author."""
    repo = call.repo()
    shown = [show(repo, Discussion(*row)) for row in call.store.rows(f"{QUERY} ORDER BY num DESC", repo.id)]
    kind, status, author = call.query("type", "all"), call.query("status", "all"), call.query("author", AUTHOR)
    wanted = {"open": ("open", "draft"), "closed": ("closed", "merged")}.get(status)
    shown = [d for d in shown if kind == "all" or d["isPullRequest"] == (kind == "pull_request")]
    shown = [d for d in shown if (wanted is None or d["status"] in wanted) and author == AUTHOR]
    start = call.number("p") * PAGE_SIZE
    return {"discussions": shown[start : start + PAGE_SIZE], "count": len(shown), "start": start}


@routes.on("POST", "/api/{type}s/{repo}/discussions")
def create_discussion(call: Call) -> dict:
    """Open a discussion or a pull request."""
    repo = call.repo(write=True)
    data = call.json()
    title = data.get("title")
    if not isinstance(title, str) or not 3 <= len(title.strip()) <= 200:
        raise Refusal(400, '"title" must have 3 to 200 characters')
    with call.store.transaction() as database:
        description, pull_request = str(data.get("description") or ""), bool(data.get("pullRequest"))
        num = open_discussion(call.store, database, repo, title, description, MAIN if pull_request else "")
    return {"num": num, "pullRequest": pull_request}


@routes.on("GET", "/api/{type}s/{repo}/discussions/{num}")
def discussion(call: Call) -> dict:
    """Tell everything about one discussion; for a pull request also its commits and conflicts."""
    repo = call.repo()
    found = find(call, repo)
    query = "SELECT id, type, data, created_at FROM events WHERE repo = ? AND num = ? ORDER BY rowid"
    events = [show_event(event) for event in call.store.rows(query, repo.id, found.num)]
    if found.base is None:
        return show(repo, found) | {"events": events}
    head = call.store.resolve(repo, f"refs/pr/{found.num}")
    for commit in reversed(call.store.history(head)[: -len(call.store.history(found.base)) or None]):
        data = json.dumps({"subject": commit.title, "oid": commit.oid})
        events.append(show_event((commit.oid[:24], "commit", data, commit.date)))
    events.sort(key=lambda event: event["createdAt"])
    changes = {"base": found.target} | ({"mergeCommitId": found.merged} if found.merged else {})
    conflicts = [] if found.merged else sorted(merge(call.store, head, found.base, target_head(call, repo, found))[1])
    more = {"events": events, "changes": changes, "filesWithConflicts": conflicts, "diff": ""}
    return show(repo, found) | more


def target_head(call: Call, repo: Repo, found: Discussion) -> str:
    """Return the head of the branch that a pull request is for; where it left that branch, if it was deleted since."""
    return call.store.refs(repo, found.target).get(found.target) or str(found.base)


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
    repo = call.repo(write=True)
    with call.store.transaction() as database:
        found = find(call, repo)
        if found.base is None or found.status in ("closed", "merged"):
            raise Refusal(400, f"Cannot merge: this is {'a closed pull request' if found.base else 'a discussion'}")
        head, target = call.store.resolve(repo, f"refs/pr/{found.num}"), target_head(call, repo, found)
        files, conflicts = merge(call.store, head, found.base, target)
        if conflicts:
            raise Refusal(409, f"Cannot merge: conflicts in {', '.join(sorted(conflicts))}")
        title = f"{found.title} (#{found.num})"
        oid = call.store.add_commit(database, repo.id, found.target, target, files, title, "")
        values = (oid, repo.id, found.num)
        database.execute("UPDATE discussions SET status = 'merged', merged = ? WHERE repo = ? AND num = ?", values)
        add_event(database, repo, found.num, "status-change", {"status": "merged"})
    return {"mergeCommitId": oid}


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/comment/{comment}/{change}")
def change_comment(call: Call) -> dict:
    """Edit a comment, or hide it for good."""
    repo, change = call.repo(write=True), call.values["change"]
    if change not in ("edit", "hide"):
        raise Refusal(400, f"Cannot {change} a comment")
    with call.store.transaction() as database:
        which = (repo.id, find(call, repo).num, call.values["comment"])
        query = "SELECT data, created_at FROM events WHERE type = 'comment' AND repo = ? AND num = ? AND id = ?"
        row = database.execute(query, which).fetchone()
        if row is None:
            raise Refusal(404, "Comment not found")
        old = json.loads(row[0])
        text = str(call.json().get("content", "")) if change == "edit" else "This comment has been hidden"
        data = comment_data(text, [old["latest"], *old["history"]], hidden=old["hidden"] or change == "hide")
        database.execute("UPDATE events SET data = ? WHERE id = ?", (json.dumps(data), which[2]))
    return {"updatedComment": show_event((which[2], "comment", json.dumps(data), row[1]))}


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/{change}")
def change_discussion(call: Call) -> dict:
    """Comment on, rename, close or reopen a discussion."""
    repo = call.repo(write=True)
    data, change = call.json(), call.values["change"]
    with call.store.transaction() as database:
        found = find(call, repo)
        num = found.num
        if change == "comment":
            return {"newMessage": add_event(database, repo, num, "comment", comment_data(str(data.get("comment", ""))))}
        if change == "title":
            new = str(data.get("title", "")).strip()
            database.execute("UPDATE discussions SET title = ? WHERE repo = ? AND num = ?", (new, repo.id, num))
            return {"newTitle": add_event(database, repo, num, "title-change", {"from": found.title, "to": new})}
        new = str(data.get("status"))
        if change != "status" or new not in ("open", "closed") or found.status == "merged":
            raise Refusal(400, f"Cannot change the {change} of this discussion")
        database.execute("UPDATE discussions SET status = ? WHERE repo = ? AND num = ?", (new, repo.id, num))
        return {"newStatus": add_event(database, repo, num, "status-change", {"status": new})}
