"""A private publication made public: the second half of publishing with --private first."""

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.hub.preview import Confirm, agreed
from hub_publisher.hub.target import open_target, visibility
from hub_publisher.pipeline.publish import alone
from hub_publisher.pipeline.refresh import config_of, required
from hub_publisher.pipeline.runner import again
from hub_publisher.records import Receipt
from hub_publisher.system.files import read_record, write_record


def published(config: Config) -> Receipt:
    """What `config` published. Raises PublisherError when there is nothing."""
    receipt = read_record(config.run_dir / Receipt.file, Receipt)
    if receipt is None:
        remedy = f"Run first: {again(config, 'publish')} --private"
        raise PublisherError(f"There is no {Receipt.file} in {config.run_dir}: nothing was published.", remedy)
    return receipt


def release(config: Config, confirm: Confirm | None = None) -> Receipt:
    """Make the repository of the publication in `config.run_dir` public; the receipt then says so.

    `confirm` is asked before, unless it is public already. Raises HubError when the Hub refuses or the answer is no.
    """
    receipt = published(config)
    with alone(config), open_target(config_of(receipt, config)) as target:
        hub, repo_id = target.hub, target.repo_id
        if required(hub, repo_id).private:
            agreed(confirm, f"Make {target.url} public?", target.url, f"To be asked again: {again(config, 'release')}")
            hub.call(f"making {repo_id} public", lambda: hub.api.update_repo_settings(repo_id, private=False))
        seen = visibility(required(hub, repo_id).private)
        receipt = receipt.model_copy(update={"visibility": seen, "endpoint": target.endpoint, "url": target.url})
        write_record(config.run_dir / Receipt.file, receipt)
    return receipt
