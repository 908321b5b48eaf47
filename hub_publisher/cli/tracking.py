"""The command about Weights & Biases after the fact."""

from typing import Any

from hub_publisher.cli.group import main, say, show
from hub_publisher.cli.options import options
from hub_publisher.config import Config


@main.command()
@options("hub_dir", "template", "repo_name", "runs_dir")
def sync(as_json: bool, **params: Any) -> None:
    """Upload what HANDLE's publication recorded offline for Weights & Biases, and link it from the published card."""
    from hub_publisher.pipeline import sync as later

    record = later.sync(Config(**params), say)
    show(as_json, record, *(f"{job:11} {run.url}" for job, run in record.runs.items()))
