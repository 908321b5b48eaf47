"""The last stage: model/ -> the Hub, in one commit, read back and compared. Leaves receipt.json.

    choose_hub -> preflight -> Target    before any work: who am I, may I write there, is the name valid
    push(config, target, card) -> Receipt

Publishing is written as "look; make it equal; look again", so the same few lines serve a first push, a push
with nothing new, a commit whose answer was lost, a branch that moved meanwhile, and a rerun after a crash.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.utils.sha import git_hash

from hub_publisher.config import Config
from hub_publisher.disk import read_record, sha256_of, stage_fingerprint, write_record
from hub_publisher.errors import HubError, PublisherError
from hub_publisher.hub_client import PATIENCE, HubClient, Operation, Patience, RemoteFile, RemoteRepo
from hub_publisher.hub_target import Target, choose_hub, find_token, preflight
from hub_publisher.records import MODEL_DIR, RECORDS, Card, Receipt, Training

__all__ = [
    "PlannedFile",
    "Target",
    "choose_hub",
    "expected_fingerprint",
    "find_token",
    "plan",
    "preflight",
    "push",
    "remote_is_current",
]

RECEIPT = "receipt.json"
CARD_FILE = "README.md"
FINGERPRINTED_FIELDS = ("private",)


class PlannedFile(NamedTuple):
    """What a push would do with a file: `state` is "new", "changed", "same" or "deleted"."""

    path: str
    size: int
    state: str


@dataclass(frozen=True)
class _LocalFile:
    file: Path
    size: int
    sha256: str

    def is_same_as(self, remote: RemoteFile | None) -> bool:
        if remote is None or remote.size != self.size:
            return False
        if remote.sha256 is not None:
            return remote.sha256 == self.sha256
        return remote.git_sha1 == git_hash(self.file.read_bytes())


def expected_fingerprint(config: Config, target: Target, card: Card) -> str:
    """The fingerprint that the receipt of this publication carries. A local Hub's port does not count."""
    return stage_fingerprint("push", config, FINGERPRINTED_FIELDS, _place(target), target.repo_id, card.fingerprint)


def push(config: Config, target: Target, card: Card, patience: Patience = PATIENCE) -> Receipt:
    """Make the repository hold exactly what model/ holds, and write the receipt.

    One commit, or none when nothing changed. Files that an earlier push of ours left and that are gone from
    model/ are deleted; files that others put there stay. Every hash is compared with what the Hub then lists.
    Raises HubError; running the same command again goes on from what the Hub holds.
    """
    _refuse_a_substitute(config, target)
    hub = HubClient(target.endpoint, target.token, patience)
    files = _local_files(config)
    before = _receipt_before(config, target)
    repo = _ensured_repository(hub, target)

    def make_equal() -> str:
        now = hub.look(target.repo_id) or repo
        operations = _operations(files, now, before)
        if not operations:
            return now.head
        return hub.commit(target.repo_id, operations, now.head, _message(operations, before))

    seconds = patience.seconds_for(sum(file.size for file in files.values()))
    commit = hub.ask(f"publishing {target.repo_id}", make_equal, seconds)
    published = hub.ask("reading back what was published", lambda: hub.tree(target.repo_id, commit))
    _compare(files, published, target)
    receipt = Receipt(
        fingerprint=expected_fingerprint(config, target, card),
        endpoint=target.endpoint,
        is_local=target.is_local,
        repo_id=target.repo_id,
        visibility="private" if repo.private else "public",
        commit=commit,
        url=target.url,
        files={path: file.sha256 for path, file in files.items()},
        published_at=before.published_at if before and before.commit == commit else datetime.now(UTC),
    )
    write_record(config.run_dir / RECEIPT, receipt)
    return receipt


def plan(config: Config, target: Target, patience: Patience = PATIENCE) -> list[PlannedFile]:
    """What `push` would do with each file now, without doing it; sizes in bytes, ordered by path."""
    hub = HubClient(target.endpoint, target.token, patience)
    repo = hub.ask(f"looking at {target.repo_id}", lambda: hub.look(target.repo_id))
    remote = repo.files if repo else {}
    files = _local_files(config)
    planned = [
        PlannedFile(
            path,
            file.size,
            "same" if file.is_same_as(remote.get(path)) else "changed" if path in remote else "new",
        )
        for path, file in files.items()
    ]
    gone = _gone(files, remote, _receipt_before(config, target))
    return sorted([*planned, *(PlannedFile(path, remote[path].size, "deleted") for path in gone)])


def remote_is_current(target: Target, receipt: Receipt, patience: Patience = PATIENCE) -> bool:
    """Whether the Hub still holds what the receipt says: the same commit, or a later one with the same files.

    False also when the repository is gone or is another one. Raises HubError when the Hub cannot be asked.
    """
    if receipt.repo_id != target.repo_id or receipt.is_local != target.is_local:
        return False
    hub = HubClient(target.endpoint, target.token, patience)
    repo = hub.ask(f"looking at {target.repo_id}", lambda: hub.look(target.repo_id))
    if repo is None or repo.head == receipt.commit:
        return repo is not None
    try:
        then = hub.ask("reading what was published", lambda: hub.tree(target.repo_id, receipt.commit))
    except HubError:  # history was rewritten
        return False
    return all(path in repo.files and repo.files[path] == then.get(path) for path in receipt.files)


def _refuse_a_substitute(config: Config, target: Target) -> None:
    """Only the local Hub takes a model whose base stands in for the one that was asked for."""
    training = read_record(config.run_dir / RECORDS["finetune"], Training)
    wanted = training.base_model.substituted_for if training else None
    if wanted and not target.is_local:
        raise HubError(
            f"This model was trained on the bundled base in place of {wanted}; that is for the local Hub only.",
            f"Train it for {target.endpoint}: hub-publisher finetune {config.handle} --hub {target.endpoint}",
        )


def _place(target: Target) -> str:
    return "local" if target.is_local else target.endpoint


def _local_files(config: Config) -> dict[str, _LocalFile]:
    """Every file under model/ by its path in the repository. Hidden files, leftovers of a crash, stay home."""
    folder = config.run_dir / MODEL_DIR
    paths = {file.relative_to(folder): file for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {
        path.as_posix(): _LocalFile(file, file.stat().st_size, sha256_of(file))
        for path, file in paths.items()
        if not any(part.startswith(".") for part in path.parts)
    }
    if CARD_FILE not in files or not any(path.endswith(".safetensors") for path in files):
        raise PublisherError(
            f"{folder} holds no model with a card yet.", "Run the whole pipeline: hub-publisher publish"
        )
    return files


def _receipt_before(config: Config, target: Target) -> Receipt | None:
    """The receipt of an earlier push to this very repository."""
    receipt = read_record(config.run_dir / RECEIPT, Receipt)
    if receipt is None or receipt.repo_id != target.repo_id or receipt.is_local != target.is_local:
        return None
    return receipt if target.is_local or receipt.endpoint == target.endpoint else None


def _ensured_repository(hub: HubClient, target: Target) -> RemoteRepo:
    """The repository, created where there was none. Never a public one in place of a private one."""
    looking = f"looking at {target.repo_id}"
    repo = hub.ask(looking, lambda: hub.look(target.repo_id))
    if repo is None:
        hub.ask(f"creating {target.repo_id}", lambda: hub.create(target.repo_id, target.private))
        repo = hub.ask(looking, lambda: hub.look(target.repo_id))
    if repo is None:
        raise HubError(f"{target.url} was created and is not there.", "Run the same command again.")
    if target.private and not repo.private:
        raise HubError(
            f"{target.repo_id} is public, and was to be private: nothing was published.",
            f"Make it private at {target.url}/settings, then run the same command again.",
        )
    return repo


def _gone(files: dict[str, _LocalFile], remote: dict[str, RemoteFile], before: Receipt | None) -> list[str]:
    ours = before.files if before else {}
    return sorted(path for path in ours if path in remote and path not in files)


def _operations(files: dict[str, _LocalFile], repo: RemoteRepo, before: Receipt | None) -> list[Operation]:
    # Always new objects: huggingface_hub keeps in them what it saw on the Hub at an earlier attempt.
    additions = [
        CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(file.file))
        for path, file in files.items()
        if not file.is_same_as(repo.files.get(path))
    ]
    return [*additions, *(CommitOperationDelete(path_in_repo=path) for path in _gone(files, repo.files, before))]


def _message(operations: list[Operation], before: Receipt | None) -> str:
    if before is None:
        return "Publish the model and its card"
    has_weights = any(operation.path_in_repo.endswith(".safetensors") for operation in operations)
    return "Update the model and its card" if has_weights else "Update the card"


def _compare(files: dict[str, _LocalFile], published: dict[str, RemoteFile], target: Target) -> None:
    wrong = [path for path, file in files.items() if not file.is_same_as(published.get(path))]
    if wrong:
        raise HubError(
            f"{target.url} does not hold what was sent: {', '.join(wrong)} differs from the local file.",
            "Run the same command again; if it stays so, look at the repository's history for other writers.",
        )
