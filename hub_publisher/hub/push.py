"""The last stage but one: what the stages left in model/ -> the Hub, in one commit, read back and compared."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hub_publisher.config import Config
from hub_publisher.errors import HubError
from hub_publisher.hub.repository import File, send
from hub_publisher.hub.target import Target, visibility
from hub_publisher.records import Receipt, Training


def push(target: Target, files: Mapping[str, File], before: Receipt | None = None, create_pr: bool = False) -> Receipt:
    """Make the repository hold `files`, by path, and return the receipt.

    `before` is the receipt of the last push, of whatever repository. One commit, or none when nothing changed. What an
    earlier push of ours left and `files` has no more is deleted; files that others put there stay, and so do their
    words outside the card's regions. With `create_pr` the commit goes to a pull request. Raises HubError; running the
    same command again goes on from what the Hub holds.
    """
    before = _of_this_repository(before, target)
    sent = send(target, files, before.files if before else (), create_pr=create_pr)
    return Receipt(
        endpoint=target.endpoint,
        is_local=target.is_local,
        repo_id=target.repo_id,
        visibility=visibility(sent.private),
        commit=sent.commit,
        url=target.url,
        files={path: file.sha256 for path, file in sent.files.items()},
        published_at=before.published_at if before and before.commit == sent.commit else datetime.now(UTC),
        pull_request=sent.pull_request,
        notes=sent.notes,
    )


def remote_is_current(target: Target, receipt: Receipt) -> bool:
    """Whether the Hub still holds what the receipt says: the same commit, or a later one with the same files.

    False also when the repository is gone. Raises HubError when the Hub cannot be asked.
    """
    hub = target.hub
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


def _of_this_repository(receipt: Receipt | None, target: Target) -> Receipt | None:
    """The receipt, when it is of a push to this very repository."""
    if receipt is None or (receipt.repo_id, receipt.is_local) != (target.repo_id, target.is_local):
        return None
    return receipt if target.is_local or receipt.endpoint == target.endpoint else None
