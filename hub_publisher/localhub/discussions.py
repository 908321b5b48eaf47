"""Discussions and pull requests: open, comment, rename, close, merge."""

import json
import secrets
import sqlite3

from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, File, Repo, Store, now
from hub_publisher.localhub.web import Call, routes

PAGE_SIZE = 50
MAIN = "refs/heads/main"


def open_discussion(
    store: Store, database: sqlite3.Connection, repo: Repo, title: str, description: str, is_pull_request: bool
) -> int:
    """Open a discussion, or a pull request whose branch refs/pr/N begins at main, and return its number."""
    (num,) = database.execute("SELECT coalesce(max(num), 0) + 1 FROM discussions WHERE repo = ?", (repo.id,)).fetchone()
    base = store.refs(repo, MAIN)[MAIN] if is_pull_request else None
    status = "draft" if is_pull_request else "open"
    values = (repo.id, num, title.strip(), status, base, now())
    database.execute(
        "INSERT INTO discussions (repo, num, title, status, base, created_at) VALUES (?,?,?,?,?,?)", values
    )
    add_event(database, repo, num, "comment", comment_data(description))
    if base:
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


def show(repo: Repo, row: tuple) -> dict:
    """Return a discussion's row as lists show it."""
    num, title, status, base, _, created_at = row
    shown = {"num": num, "title": title, "status": status, "isPullRequest": base is not None, "createdAt": created_at}
    return shown | {"author": {"name": AUTHOR}, "repo": {"name": repo.name, "type": repo.type}}


def find(call: Call, repo: Repo) -> tuple:
    """Return the row of the discussion in the path; Refusal(404) when there is none."""
    query = "SELECT num, title, status, base, merged, created_at FROM discussions WHERE repo = ? AND num = ?"
    num = call.values["num"]
    rows = call.store.rows(query, repo.id, int(num)) if num.isascii() and num.isdigit() and len(num) < 10 else []
    if not rows:
        raise Refusal(404, f"Discussion not found: {num}")
    return rows[0]


@routes.on("GET", "/api/{type}s/{repo}/discussions")
def list_discussions(call: Call) -> dict:
    """List discussions, newest first, by page `p`; filters: type, status, author."""
    repo = call.repo()
    query = "SELECT num, title, status, base, merged, created_at FROM discussions WHERE repo = ? ORDER BY num DESC"
    shown = [show(repo, row) for row in call.store.rows(query, repo.id)]
    kind, status, author = call.query("type", "all"), call.query("status", "all"), call.query("author", AUTHOR)
    wanted = {"open": ("open", "draft"), "closed": ("closed", "merged")}.get(status)
    shown = [d for d in shown if kind == "all" or d["isPullRequest"] == (kind == "pull_request")]
    shown = [d for d in shown if (wanted is None or d["status"] in wanted) and author == AUTHOR]
    page = call.query("p", "0")
    start = int(page) * PAGE_SIZE if page.isascii() and page.isdigit() and len(page) < 9 else 0
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
        num = open_discussion(call.store, database, repo, title, description, pull_request)
    return {"num": num, "pullRequest": pull_request}


@routes.on("GET", "/api/{type}s/{repo}/discussions/{num}")
def discussion(call: Call) -> dict:
    """Tell everything about one discussion; for a pull request also its commits and conflicts."""
    repo = call.repo()
    row = find(call, repo)
    num, _, _, base, merged, _ = row
    query = "SELECT id, type, data, created_at FROM events WHERE repo = ? AND num = ? ORDER BY rowid"
    events = [show_event(event) for event in call.store.rows(query, repo.id, num)]
    if base is None:
        return show(repo, row) | {"events": events}
    head = call.store.resolve(repo, f"refs/pr/{num}")
    for commit in reversed(call.store.history(head)[: -len(call.store.history(base)) or None]):
        data = json.dumps({"subject": commit.title, "oid": commit.oid})
        events.append(show_event((commit.oid[:24], "commit", data, commit.date)))
    events.sort(key=lambda event: event["createdAt"])
    changes = {"base": MAIN} | ({"mergeCommitId": merged} if merged else {})
    conflicts = [] if merged else sorted(merge(call.store, repo, head, base)[1])
    more = {"events": events, "changes": changes, "filesWithConflicts": conflicts, "diff": ""}
    return show(repo, row) | more


def merge(store: Store, repo: Repo, head: str, base: str) -> tuple[dict[str, File], set[str]]:
    """Return (merged tree, conflicting paths): what the pull request changed since `base`, put upon main."""
    before, mine = store.files(base), store.files(head)
    main = store.files(store.refs(repo, MAIN)[MAIN])
    changed = {path for path in before | mine if _content(before, path) != _content(mine, path)}
    ours = {path for path in changed if _content(main, path) not in (_content(before, path), _content(mine, path))}
    tree = {path: file for path, file in main.items() if path not in changed}
    return dict(sorted((tree | {path: mine[path] for path in changed if path in mine}).items())), ours


def _content(files: dict[str, File], path: str) -> str | None:
    return files[path].oid if path in files else None


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/merge")
def merge_pull_request(call: Call) -> dict:
    """Merge a pull request into main; Refusal(409) on conflicts, Refusal(400) when it is closed or merged."""
    repo = call.repo(write=True)
    with call.store.transaction() as database:
        num, title, status, base, _, _ = find(call, repo)
        if base is None or status in ("closed", "merged"):
            raise Refusal(400, f"Cannot merge: this is {'a closed pull request' if base else 'a discussion'}")
        files, conflicts = merge(call.store, repo, call.store.resolve(repo, f"refs/pr/{num}"), base)
        if conflicts:
            raise Refusal(409, f"Cannot merge: conflicts in {', '.join(sorted(conflicts))}")
        main = call.store.refs(repo, MAIN)[MAIN]
        oid = call.store.add_commit(database, repo.id, MAIN, main, files, f"{title} (#{num})", "")
        values = (oid, repo.id, num)
        database.execute("UPDATE discussions SET status = 'merged', merged = ? WHERE repo = ? AND num = ?", values)
        add_event(database, repo, num, "status-change", {"status": "merged"})
    return {"mergeCommitId": oid}


@routes.on("POST", "/api/{type}s/{repo}/discussions/{num}/{change}")
def change_discussion(call: Call) -> dict:
    """Comment on, rename, close or reopen a discussion."""
    repo = call.repo(write=True)
    data, change = call.json(), call.values["change"]
    with call.store.transaction() as database:
        num, title, status, _, _, _ = find(call, repo)
        if change == "comment":
            return {"newMessage": add_event(database, repo, num, "comment", comment_data(str(data.get("comment", ""))))}
        if change == "title":
            new = str(data.get("title", "")).strip()
            database.execute("UPDATE discussions SET title = ? WHERE repo = ? AND num = ?", (new, repo.id, num))
            return {"newTitle": add_event(database, repo, num, "title-change", {"from": title, "to": new})}
        new = str(data.get("status"))
        if change != "status" or new not in ("open", "closed") or status == "merged":
            raise Refusal(400, f"Cannot change the {change} of this discussion")
        database.execute("UPDATE discussions SET status = ? WHERE repo = ? AND num = ?", (new, repo.id, num))
        return {"newStatus": add_event(database, repo, num, "status-change", {"status": new})}
