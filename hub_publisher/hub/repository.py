"""A repository on the Hub, made to hold a set of files: in one commit or none, on main or as a pull request.

Written as "look; make it equal; look again", so the same few lines serve a first push, a push with nothing new, a
commit whose answer was lost, a branch that moved meanwhile, and a rerun after a crash. README.md is merged with what
stands there: other people's words survive, and an edit inside ours stops the commit.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.sha import git_hash

from hub_publisher.errors import HubError
from hub_publisher.hub.client import Operation, RemoteRepo
from hub_publisher.hub.target import Target
from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.parse import read_page
from hub_publisher.readme.validate import check_metadata

README = "README.md"
MANIFEST = "manifest.json"
PULL_REQUEST_TITLE = "Update the model and its card with hub_publisher"
_PULL_REQUEST_TEXT = (
    "Proposed by hub_publisher. Accepting it replaces the marked regions of README.md; text outside them stays."
)


@dataclass(frozen=True)
class File:
    """A file to publish: where it lies, or its bytes."""

    content: Path | bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "File":
        return cls(content, len(content), hashlib.sha256(content).hexdigest())

    def read(self) -> bytes:
        """All of its bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def is_same_as(self, remote: RepoFile | None) -> bool:
        """Whether the Hub lists exactly this content: by its SHA-256 where it is stored as LFS or Xet."""
        if remote is not None and remote.lfs is not None:
            return remote.lfs.sha256 == self.sha256
        return remote is not None and remote.blob_id == git_hash(self.read())


@dataclass(frozen=True)
class Sent:
    """What the repository holds now. `commit` is on main, or on the pull request that waits for somebody's word."""

    commit: str
    private: bool
    files: dict[str, File]
    notes: tuple[str, ...]
    pull_request: int | None = None


def send(
    target: Target,
    files: Mapping[str, File],
    formerly: Collection[str],
    message: str | None = None,
    create_pr: bool = False,
) -> Sent:
    """Make the repository hold `files`, and none of the paths in `formerly` that are not among them.

    Files that others put there stay. Every hash is compared with what the Hub then lists. Raises HubError, with
    nothing changed, when README.md was edited inside our regions and `create_pr` is False.
    """
    hub, repo_id = target.hub, target.repo_id
    found = hub.call(f"looking at {repo_id}", lambda: hub.repo_state(repo_id))
    if target.approve:
        changed = hub.call(f"reading {README}", lambda: _changed(target, files, formerly, found, create_pr))
        if changed:
            target.approve(changed)
    if found is None:
        hub.call(f"creating {repo_id}", lambda: hub.create(repo_id, target.private))

    def make_equal() -> Sent:
        main = _required(hub.repo_state(repo_id), target)
        wanted, merged = _merged_files(target, files, main, create_pr)
        check_metadata(read_page(merged.content.decode()).metadata)
        notes = (*(f"kept {line}" for line in merged.kept), *(f"repaired: {line}" for line in merged.repairs))
        changes = operations(wanted, main.files, formerly)
        words = message or _message(changes, main)
        there, pull_request, branch = main, None, None
        if create_pr and changes and any(path in main.files for path in wanted):
            pull_request = hub.pull_request(repo_id, PULL_REQUEST_TITLE, _PULL_REQUEST_TEXT)
            branch = f"refs/pr/{pull_request}"
            there = _required(hub.repo_state(repo_id, branch), target)
            changes = operations(wanted, there.files, formerly)
        commit = hub.commit(repo_id, changes, there.head, words, branch) if changes else there.head
        return Sent(commit, main.private, wanted, notes, pull_request)

    seconds = hub.retry_policy.seconds_for(sum(file.size for file in files.values()))
    sent = hub.call(f"publishing {repo_id}", make_equal, seconds)
    published = hub.call("reading back what was published", lambda: hub.tree(repo_id, sent.commit))
    if wrong := [path for path, file in sent.files.items() if not file.is_same_as(published.get(path))]:
        raise HubError(
            f"{target.url} does not hold what was sent: {', '.join(wrong)} differs from the local file.",
            "Run the same command again; if it stays so, look at the repository's history for other writers.",
        )
    return sent


def _changed(
    target: Target, files: Mapping[str, File], formerly: Collection[str], repo: RemoteRepo | None, create_pr: bool
) -> dict[str, File]:
    """`files` as the repository would hold them; none when it holds them already."""
    wanted = _merged_files(target, files, repo, create_pr)[0] if repo else dict(files)
    return wanted if repo is None or operations(wanted, repo.files, formerly) else {}


def _merged_files(
    target: Target, files: Mapping[str, File], repo: RemoteRepo, create_pr: bool
) -> tuple[dict[str, File], Merged]:
    """`files` with README.md merged into the one that the repository holds."""
    there = target.hub.read(target.repo_id, README, repo.head) if README in repo.files else None
    front_matter, regions = _published_before(target, repo)
    merged = merge(there, files[README].read().decode(), front_matter, regions)
    if merged.conflicts and not create_pr:
        raise _edited(target, merged)
    return {**files, README: File.of(merged.content)}, merged


def operations(files: Mapping[str, File], remote: Mapping[str, RepoFile], formerly: Collection[str]) -> list[Operation]:
    """What a commit must do so that the remote files become ours: always new ones, in which huggingface_hub notes."""
    changed = [(path, file.content) for path, file in files.items() if not file.is_same_as(remote.get(path))]
    additions = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in changed]
    gone = sorted(path for path in formerly if path in remote and path not in files)  # ours once, and still there
    return [*additions, *(CommitOperationDelete(path_in_repo=path) for path in gone)]


def _edited(target: Target, merged: Merged) -> HubError:
    lines = "".join(f"\n  {line}" for line in merged.conflicts)
    return HubError(
        f"README.md of {target.url} was edited inside what hub_publisher writes; nothing was published.{lines}",
        "Move these words outside the marked regions, where they stay, or propose ours beside them with --create-pr.",
    )


def _published_before(target: Target, repo: RemoteRepo) -> tuple[dict[str, Any], dict[str, str]] | tuple[None, None]:
    """The front matter and the hashes of the regions that we published last, as the repository's manifest tells."""
    if MANIFEST not in repo.files:
        return None, None
    try:
        manifest = json.loads(target.hub.read(target.repo_id, MANIFEST, repo.head))
        return dict(manifest["front_matter"]), dict(manifest["regions"])
    except (ValueError, KeyError, TypeError):  # somebody else's file of that name
        return None, None


def _required(repo: RemoteRepo | None, target: Target) -> RemoteRepo:
    """The repository or pull request that was there or was created. Never a public one in place of a private one."""
    if repo is None:
        raise HubError(f"{target.url} was created and is not there.", "Run the same command again.")
    if target.private and not repo.private:
        raise HubError(
            f"{target.repo_id} is public, and was to be private: nothing was published.",
            f"Make it private at {target.url}/settings, then run the same command again.",
        )
    return repo


def _message(changes: list[Operation], repo: RemoteRepo) -> str:
    if not any(path.endswith(".safetensors") for path in repo.files):
        return "Publish the model and its card"
    has_weights = any(change.path_in_repo.endswith(".safetensors") for change in changes)
    return "Update the model and its card" if has_weights else "Update the card"
