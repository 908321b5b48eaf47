"""Repositories, references, commits and trees, in one SQLite database beside the blobs.

A commit is one transaction that begins only when all its blobs are on the disk: a server killed at any moment leaves
the commit whole or not there at all. Each commit has its own full list of files; repositories here are small.
"""

import hashlib
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.refusal import Refusal, no_repo, no_revision

AUTHOR = "local"
REPO_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
REF_NAME = re.compile(r"(?!.*(?:\.\.|//|@\{))(?![/.-])[\w./+-]{1,200}(?<![/.])", re.ASCII)
_LFS = (  # what the Hub puts into a new repository's .gitattributes
    "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy *.npz *.onnx"
    " *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz"
    " *.wasm *.xz *.zip *.zst *tfevents*"
)
LFS_PATTERNS = _LFS.split()
GIT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LFS_PATTERNS).encode()

SCHEMA = """
CREATE TABLE IF NOT EXISTS repos (
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, private INTEGER NOT NULL,
    created_at TEXT NOT NULL, UNIQUE (type, name));
CREATE TABLE IF NOT EXISTS commits (
    oid TEXT PRIMARY KEY, repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE, parent TEXT,
    title TEXT NOT NULL, message TEXT NOT NULL, date TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    commit_oid TEXT NOT NULL REFERENCES commits ON DELETE CASCADE, path TEXT NOT NULL, oid TEXT NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, lfs INTEGER NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (commit_oid, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refs (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE, name TEXT NOT NULL, oid TEXT NOT NULL, message TEXT,
    PRIMARY KEY (repo, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pull_requests (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE, num INTEGER NOT NULL, title TEXT NOT NULL,
    description TEXT NOT NULL, base TEXT NOT NULL, target TEXT NOT NULL, created_at TEXT NOT NULL, merged TEXT,
    PRIMARY KEY (repo, num)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commits_by_repo ON commits (repo);
CREATE INDEX IF NOT EXISTS files_by_content ON files (sha256);
"""


class Repo(NamedTuple):
    """A repository: `type` is model, dataset or space, `name` is namespace/name."""

    id: int
    type: str
    name: str
    private: bool
    created_at: str


class File(NamedTuple):
    """A file of a commit. `oid` is the git hash of the file (of its pointer when `lfs`), `since` its last commit."""

    path: str
    oid: str
    sha256: str
    size: int
    lfs: bool
    since: str = ""


class Commit(NamedTuple):
    """A commit; `message` is the description below the title."""

    oid: str
    parent: str | None
    title: str
    message: str
    date: str


def now() -> str:
    """Return the time as the Hub writes it: UTC, milliseconds, Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def git_hash(data: bytes) -> str:
    """Return git's SHA-1 of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the text that git holds in the place of an LFS file (git-lfs specification)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def regular_file(path: str, sha256: str, data: bytes) -> File:
    """Return a file that git holds itself."""
    return File(path, git_hash(data), sha256, len(data), False)


class Draft(NamedTuple):
    """A commit to be: the ref it moves, what it is made on, and its words."""

    ref: str
    parent: str | None
    title: str
    message: str = ""


class Store:
    """Everything the local Hub remembers, under `root`."""

    def __init__(self, root: Path) -> None:
        self.blobs = BlobStore(root)
        self._file = root / "hub.sqlite3"
        self._local = threading.local()
        self._connect().executescript(SCHEMA)
        self.blobs.sweep({row[0] for row in self.rows("SELECT DISTINCT sha256 FROM files")})

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._file, timeout=60, isolation_level=None)
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return connection

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Return what a SELECT finds."""
        return self._connect().execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; writers wait for one another."""
        with self._connect() as database:  # which commits, or takes back
            database.execute("BEGIN IMMEDIATE")
            yield database

    # Repositories

    def repo(self, type: str, name: str) -> Repo:
        """Return a repository; Refusal(404) when there is none of that name."""
        repo = self.find_repo(type, name)
        if repo is None:
            raise no_repo()
        return repo

    def find_repo(self, type: str, name: str) -> Repo | None:
        """Return a repository, None when there is none."""
        found = self.repos("type = ? AND name = ?", type, name)
        return found[0] if found else None

    def repos(self, where: str, *values: object) -> list[Repo]:
        """Return the repositories that an SQL condition selects, oldest first."""
        query = f"SELECT id, type, name, private, created_at FROM repos WHERE {where} ORDER BY id"
        return [Repo(id, type, name, bool(p), date) for id, type, name, p, date in self.rows(query, *values)]

    def create_repo(self, type: str, name: str, private: bool) -> Repo:
        """Create a repository with its first commit, as the Hub does; Refusal(409) when it exists."""
        first = regular_file(".gitattributes", self.blobs.add(GIT_ATTRIBUTES), GIT_ATTRIBUTES)
        values, draft = (type, name, private, now()), Draft("refs/heads/main", None, "initial commit")
        with self.transaction() as database:
            if not database.execute("INSERT OR IGNORE INTO repos VALUES (NULL, ?, ?, ?, ?)", values).rowcount:
                raise Refusal(409, f"You already created this {type} repo")
            repo = self.repo(type, name)
            self.add_commit(database, repo.id, draft, {first.path: first})
        return repo

    def delete_repo(self, repo: Repo) -> None:
        """Delete a repository, and the blobs that only it needed."""
        with self.transaction() as database:
            query = "SELECT DISTINCT sha256 FROM files JOIN commits ON commits.oid = commit_oid WHERE repo = ?"
            candidates = [row[0] for row in database.execute(query, (repo.id,))]
            database.execute("DELETE FROM repos WHERE id = ?", (repo.id,))
            # Inside the transaction: no commit that counts on one of these blobs can slip in between.
            for name in candidates:
                if not self.rows("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", name):
                    self.blobs.path(name).unlink(missing_ok=True)

    # References and commits

    def refs(self, repo: Repo, prefix: str = "refs/") -> dict[str, str]:
        """Return {full reference name: commit} of the references that begin with `prefix`."""
        query = "SELECT name, oid FROM refs WHERE repo = ? AND substr(name, 1, ?) = ? ORDER BY name"
        return dict(self.rows(query, repo.id, len(prefix), prefix))

    def resolve(self, repo: Repo, revision: str) -> str:
        """Return the commit of a branch, tag, full reference, or (shortened) commit id; Refusal(404) otherwise."""
        refs = self.refs(repo)
        revision = "main" if revision == "HEAD" else revision  # as the JavaScript client says it
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in refs:
                return refs[name]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            query = "SELECT oid FROM commits WHERE repo = ? AND substr(oid, 1, ?) = ? LIMIT 2"
            found = self.rows(query, repo.id, len(revision), revision)
            if len(found) == 1:
                return found[0][0]
        raise no_revision(revision)

    def writable_ref(self, repo: Repo, revision: str) -> str:
        """Return the full name of the branch or pull request that `revision` names; Refusal(404) for others."""
        refs = self.refs(repo)
        for name in (f"refs/heads/{revision}", revision):
            if name in refs and not name.startswith("refs/tags/"):
                return name
        raise no_revision(revision)

    def add_commit(self, database: sqlite3.Connection, repo_id: int, draft: Draft, files: dict[str, File]) -> str:
        """Write a commit with exactly `files` (by path) and move its ref to it, inside the caller's transaction.

        Files whose `since` is empty are new in this commit. Returns the commit's id.
        """
        oid = secrets.token_hex(20)  # unique, also when nothing changed
        values = (oid, repo_id, draft.parent, draft.title, draft.message, now())
        database.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?)", values)
        rows = [(oid, f.path, f.oid, f.sha256, f.size, f.lfs, f.since or oid) for f in files.values()]
        database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute("INSERT OR REPLACE INTO refs (repo, name, oid) VALUES (?, ?, ?)", (repo_id, draft.ref, oid))
        return oid

    def files(self, commit: str, under: str = "") -> dict[str, File]:
        """Return {path: file} of a commit, sorted by path; with `under`, only what lies in that folder."""
        query = "SELECT path, oid, sha256, size, lfs, since FROM files WHERE commit_oid = ? AND substr(path, 1, ?) = ?"
        prefix = f"{under}/" if under else ""
        found = self.rows(f"{query} ORDER BY path", commit, len(prefix), prefix)
        return {row[0]: File(*row) for row in found}

    def history(self, commit: str) -> list[Commit]:
        """Return a commit and its ancestors, newest first."""
        query = """WITH RECURSIVE line (oid, parent, title, message, date, depth) AS (
            SELECT oid, parent, title, message, date, 0 FROM commits WHERE oid = ?
            UNION ALL
            SELECT c.oid, c.parent, c.title, c.message, c.date, depth + 1
            FROM commits c JOIN line ON c.oid = line.parent
        ) SELECT oid, parent, title, message, date FROM line ORDER BY depth"""
        return [Commit(*row) for row in self.rows(query, commit)]
