"""The last stage but one: model/ -> the Hub, in one commit, read back and compared.

choose_hub -> preflight -> Target    before any work: who am I, may I write there, is the name valid
push(config, target, before) -> Receipt
"""

from datetime import UTC, datetime
from typing import NamedTuple

from hub_publisher.config import Config
from hub_publisher.errors import HubError, PublisherError
from hub_publisher.hub.client import RETRY_POLICY, HubClient, RetryPolicy
from hub_publisher.hub.repository import README, File, gone, merged_files, send
from hub_publisher.hub.target import Target, choose_hub, find_token, preflight
from hub_publisher.records import MODEL_DIR, Receipt, Training

__all__ = [
    "PlannedFile",
    "Target",
    "choose_hub",
    "find_token",
    "plan",
    "preflight",
    "push",
    "remote_is_current",
]

# Hidden files are leftovers of a crash; this folder is the Hub's own name for benchmark results.
_PUBLISHED_THOUGH_HIDDEN = ".eval_results"


class PlannedFile(NamedTuple):
    """What a push would do with a file: `state` is "new", "changed", "same", "deleted", or "edited" by somebody."""

    path: str
    size: int
    state: str


def push(
    config: Config,
    target: Target,
    before: Receipt | None = None,
    retry_policy: RetryPolicy = RETRY_POLICY,
    create_pr: bool = False,
) -> Receipt:
    """Make the repository hold exactly what model/ holds, and return the receipt.

    `before` is the receipt of the last push, of whatever repository. One commit, or none when nothing changed. Files
    that an earlier push of ours left and that are gone from model/ are deleted; files that others put there stay, and
    so do their words outside the card's regions. With `create_pr` the commit goes to a pull request. Raises HubError;
    running the same command again goes on from what the Hub holds.
    """
    hub = HubClient(target.endpoint, target.token, retry_policy)
    files = _local_files(config)
    before = _of_this_repository(before, target)
    sent = send(hub, target, files, before.files if before else (), create_pr=create_pr)
    return Receipt(
        endpoint=target.endpoint,
        is_local=target.is_local,
        repo_id=target.repo_id,
        visibility="private" if sent.private else "public",
        commit=sent.commit,
        url=target.url,
        files={path: file.sha256 for path, file in sent.files.items()},
        published_at=before.published_at if before and before.commit == sent.commit else datetime.now(UTC),
        pull_request=sent.pull_request,
        notes=sent.notes,
    )


def plan(
    config: Config, target: Target, before: Receipt | None = None, retry_policy: RetryPolicy = RETRY_POLICY
) -> list[PlannedFile]:
    """What `push` would do with each file now, without doing it; sizes in bytes, ordered by path."""
    hub = HubClient(target.endpoint, target.token, retry_policy)
    repo = hub.call(f"looking at {target.repo_id}", lambda: hub.repo_state(target.repo_id))
    remote = repo.files if repo else {}
    files, edited = _local_files(config), False
    if repo:
        files, merged = hub.call("reading README.md", lambda: merged_files(hub, target, files, repo))
        edited = bool(merged.conflicts)

    def state(path: str, file: File) -> str:
        if file.is_same_as(remote.get(path)):
            return "same"
        return "new" if path not in remote else "edited" if path == README and edited else "changed"

    planned = [PlannedFile(path, file.size, state(path, file)) for path, file in files.items()]
    before = _of_this_repository(before, target)
    left = gone(files, remote, before.files if before else ())
    return sorted([*planned, *(PlannedFile(path, remote[path].size, "deleted") for path in left)])


def remote_is_current(target: Target, receipt: Receipt, retry_policy: RetryPolicy = RETRY_POLICY) -> bool:
    """Whether the Hub still holds what the receipt says: the same commit, or a later one with the same files.

    False also when the repository is gone or is another one. Raises HubError when the Hub cannot be asked.
    """
    if receipt.repo_id != target.repo_id or receipt.is_local != target.is_local:
        return False
    hub = HubClient(target.endpoint, target.token, retry_policy)
    repo = hub.call(f"looking at {target.repo_id}", lambda: hub.repo_state(target.repo_id))
    if repo is None or repo.head == receipt.commit:
        return repo is not None
    try:
        then = hub.call("reading what was published", lambda: hub.tree(target.repo_id, receipt.commit))
    except HubError:  # history was rewritten
        return False
    return all(path in repo.files and repo.files[path] == then.get(path) for path in receipt.files)


def refuse_a_substitute(config: Config, target: Target, training: Training) -> None:
    """Only the local Hub takes a model whose base stands in for the one that was asked for."""
    wanted = training.base_model.substituted_for
    if wanted and not target.is_local:
        raise HubError(
            f"This model was trained on the bundled base in place of {wanted}; that is for the local Hub only.",
            f"Train it for {target.endpoint}: hub-publisher finetune {config.handle} --hub {target.endpoint}",
        )


def _local_files(config: Config) -> dict[str, File]:
    """Every file under model/ by its path in the repository."""
    folder = config.run_dir / MODEL_DIR
    paths = {file.relative_to(folder): file for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {
        path.as_posix(): File.of(file)
        for path, file in paths.items()
        if not any(part.startswith(".") and part != _PUBLISHED_THOUGH_HIDDEN for part in path.parts)
    }
    if README not in files or not any(path.endswith(".safetensors") for path in files):
        raise PublisherError(
            f"{folder} holds no model with a card yet.", "Run the whole pipeline: hub-publisher publish"
        )
    return files


def _of_this_repository(receipt: Receipt | None, target: Target) -> Receipt | None:
    """The receipt, when it is of a push to this very repository."""
    if receipt is None or receipt.repo_id != target.repo_id or receipt.is_local != target.is_local:
        return None
    return receipt if target.is_local or receipt.endpoint == target.endpoint else None
