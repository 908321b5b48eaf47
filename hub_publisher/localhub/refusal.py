"""The refusals of the local Hub: an HTTP status, the Hub's error code, and the text a client shows."""

import re

NO_REPO = "RepoNotFound"
NO_REVISION = "RevisionNotFound"
NO_ENTRY = "EntryNotFound"


class Refusal(Exception):
    """A request that gets `status`, the headers X-Error-Code and X-Error-Message, and `{"error": message}`.

    `extra` is merged into the JSON body, `headers` into the headers.
    """

    def __init__(
        self, status: int, message: str, code: str = "", extra: dict | None = None, headers: dict | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.body = {"error": message, **(extra or {})}
        # A header is one short line of Latin-1: whatever a client put into the message must not become a second one.
        text = re.sub(r"[\x00-\x1f\x7f]+", " ", message[:1000]).strip().encode("latin-1", "replace").decode("latin-1")
        self.headers = {"X-Error-Message": text, **(headers or {})}
        if code:
            self.headers["X-Error-Code"] = code


def no_repo(anonymous: bool = False) -> Refusal:
    """Return the refusal for a repository that is not there, or not for this caller: without a token it may be 401."""
    status, message = (401, "Invalid username or password.") if anonymous else (404, "Repository not found")
    return Refusal(status, message, NO_REPO)


def no_revision(revision: str) -> Refusal:
    """Return the refusal for a revision that names no branch, tag or commit."""
    return Refusal(404, f"Invalid rev id: {revision}", NO_REVISION)


def no_entry(path: str, commit: str) -> Refusal:
    """Return the refusal for a missing file; X-Repo-Commit lets clients remember that it is missing there."""
    return Refusal(404, f"Entry not found: {path}", NO_ENTRY, headers={"X-Repo-Commit": commit})
