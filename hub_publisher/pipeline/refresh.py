"""A published card rendered again from its manifest: new templates, a new contact, no training and no records."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_publisher import card
from hub_publisher.card.benchmarks import FOLDER as RESULTS
from hub_publisher.card.figures import FOLDER as FIGURES
from hub_publisher.card.manifest import MANIFEST, Manifest, parse
from hub_publisher.card.metadata import AVATAR
from hub_publisher.config import LOCAL, SAMPLE, Config
from hub_publisher.errors import HubError, UsageError
from hub_publisher.hub.client import HubClient, RemoteRepo
from hub_publisher.hub.repository import File, Sent, send
from hub_publisher.hub.target import LOCAL_NAMESPACE, Target
from hub_publisher.records import Receipt

MESSAGE = "Render the card again"
# What may be stated anew: none of it was measured.
RESTATED = ("contact", "dataset", "grid_intensity")


@dataclass(frozen=True)
class Published:
    """A published model as its repository tells: its manifest, and where everything lies now."""

    repo_id: str
    repo: RemoteRepo
    manifest: Manifest


def config_for(repo_id: str, **settings: Any) -> Config:
    """A configuration that aims at the repository `repo_id`. Raises UsageError when that is none."""
    namespace, slash, name = repo_id.partition("/")
    if not slash or "/" in name:
        raise UsageError(f"{repo_id[:100]!r} is not a repository.", "Name it as namespace/name: huggingtweets/nasa")
    handle = SAMPLE if repo_id == f"{LOCAL_NAMESPACE}/{SAMPLE}" else "repository"  # the sample is on the local Hub
    return Config(handle=handle, namespace=namespace, repo_name=name, **settings)


def config_of(receipt: Receipt, config: Config) -> Config:
    """A configuration that aims at what `config` published, wherever that was."""
    where = LOCAL if receipt.is_local else receipt.endpoint
    return config_for(receipt.repo_id, hub=where, hub_dir=config.hub_dir, template=config.template)


def refresh(config: Config, target: Target, create_pr: bool = False) -> Sent:
    """Render the card that `target` holds again and publish what is different, in one commit or none.

    `config` may name a template and state anew what RESTATED lists. Weights are neither read nor sent. Raises
    HubError when the repository has no manifest that this version reads, or its README.md was edited in our regions.
    """
    restated = {name: value for name in RESTATED if (value := getattr(config, name)) is not None}
    published = read_published(target.hub, target.repo_id)
    files, own = render(target.hub, published, restated, config.template)
    return send(target, {path: File.of(content) for path, content in files.items()}, own, MESSAGE, create_pr)


def render(
    hub: HubClient, published: Published, restated: Mapping[str, Any], templates: Path | None
) -> tuple[dict[str, bytes], list[str]]:
    """The card's files with some of its inputs changed, and which published paths were the card's alone before."""
    inputs, files = published.manifest.inputs, published.manifest.files
    picture = None
    if inputs.has_avatar:
        picture = hub.call("reading the avatar", lambda: hub.read(published.repo_id, AVATAR, published.repo.head))
    rendered = card.make(inputs.model_copy(update=dict(restated)), picture, templates)
    own = [path for path in files if Path(path).parts[0] in (FIGURES, RESULTS)]
    others = {path: sha256 for path, sha256 in files.items() if path not in own}
    return card.with_manifest(rendered, others), own


def read_published(hub: HubClient, repo_id: str) -> Published:
    """The repository and its manifest. Raises HubError when either is not there."""
    repo = required(hub, repo_id)
    if MANIFEST not in repo.files:
        raise HubError(
            f"{repo_id} has no {MANIFEST}: it was not published by hub_publisher, or by an early version.",
            "Publish it again from its posts: hub-publisher publish HANDLE",
        )
    content = hub.call(f"reading {MANIFEST}", lambda: hub.read(repo_id, MANIFEST, repo.head))
    return Published(repo_id, repo, parse(content, repo_id))


def required(hub: HubClient, repo_id: str) -> RemoteRepo:
    """The repository. Raises HubError when there is none."""
    repo = hub.call(f"looking at {repo_id}", lambda: hub.repo_state(repo_id))
    if repo is None:
        raise HubError(f"There is no {repo_id} at {hub.endpoint}, or this token may not see it.", "Check its name.")
    return repo
