"""Weights & Biases later: the runs go to the server, and the published card gets their links, in one commit or none."""

from datetime import UTC, datetime

from hub_publisher import tracking
from hub_publisher.card.inputs import tracked
from hub_publisher.card.manifest import MANIFEST, parse
from hub_publisher.card.page import template_hashes
from hub_publisher.config import Config
from hub_publisher.errors import CardError, PublisherError
from hub_publisher.hub.repository import File, Sent, send
from hub_publisher.hub.target import Target, open_target
from hub_publisher.pipeline.job import Say
from hub_publisher.pipeline.publish import alone
from hub_publisher.pipeline.refresh import config_of, read_published, render
from hub_publisher.records import MODEL_DIR, Receipt
from hub_publisher.system.files import read_record, write_bytes, write_record
from hub_publisher.tracking.records import Tracking

MESSAGE = "Link the Weights & Biases runs"


def sync(config: Config, say: Say = lambda line: None) -> Tracking:
    """Upload the runs of the publication in `config.run_dir`, and link them from its card. Returns their record.

    Done twice it does nothing; interrupted, it goes on. PublisherError says what is missing yet.
    """
    if not config.run_dir.is_dir():
        raise PublisherError(f"There is no {config.run_dir}.", "Name the publication's folder with --runs-dir.")
    with alone(config):
        return tracking.sync(config, lambda record: link(config, record, say), say)


def link(config: Config, record: Tracking, say: Say = lambda line: None) -> Receipt | None:
    """Let the published card name the runs in `record`: the receipt of what the Hub then holds, None without one.

    Nothing else on the card changes. Raises CardError when it was made with other templates than `config` names,
    HubError when the Hub cannot be asked or README.md was edited in our regions.
    """
    receipt = read_record(config.run_dir / Receipt.file, Receipt)
    if receipt is None or _names_them(config, record):
        return receipt
    if receipt.pull_request:
        say(
            f"card        waits in pull request {receipt.pull_request}; publish again with --create-pr to link the runs"
        )
        return receipt
    with open_target(config_of(receipt, config)) as target:
        sent, files = _render_and_send(config, target, record)
        for path, content in files.items():  # so that the next push does not take the links away
            write_bytes(config.run_dir / MODEL_DIR / path, content)
        receipt = receipt.model_copy(
            update={
                "commit": sent.commit,
                "files": {**receipt.files, **{path: file.sha256 for path, file in sent.files.items()}},
                "published_at": receipt.published_at if sent.commit == receipt.commit else datetime.now(UTC),
            }
        )
        write_record(config.run_dir / Receipt.file, receipt)
        say(f"card        {target.url} at {sent.commit}")
    return receipt


def _render_and_send(config: Config, target: Target, record: Tracking) -> tuple[Sent, dict[str, bytes]]:
    hub = target.hub
    published = read_published(hub, target.repo_id)
    if template_hashes(config.template) != published.manifest.templates:
        raise CardError(
            f"The card of {target.repo_id} was made with other templates than these.",
            f"Name them with --template, or take these first: hub-publisher card --refresh {target.repo_id}",
        )
    files, own = render(hub, published, {"runs": tracked(record)}, config.template)
    return send(target, {path: File.of(content) for path, content in files.items()}, own, MESSAGE), files


def _names_them(config: Config, record: Tracking) -> bool:
    """Whether the card in model/, which is the published one, names the runs already."""
    path = config.run_dir / MODEL_DIR / MANIFEST
    return path.is_file() and parse(path.read_bytes(), str(path)).inputs.runs == tracked(record)
