"""Commands about what is on this machine: which publications there are, how far one is, its posts, its end."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from hub_publisher.cli.group import main, say
from hub_publisher.cli.options import flags, json_option, options
from hub_publisher.config import Config, taken_by
from hub_publisher.errors import UsageError


@main.command("list")
@flags("runs_dir")
@json_option
def list_publications(as_json: bool, runs_dir: Path) -> None:
    """List the publications on this machine: the last stage that is done, and where each was published."""
    from hub_publisher.pipeline import publications

    found = list(publications.entries(runs_dir))
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in found]))
        return
    if not found:
        say(f"There is no publication in {runs_dir}. To make one: hub-publisher publish lampkeeper_bot")
    for entry in found:
        where = f"{entry.repo_id} ({entry.visibility}) {entry.url}" if entry.repo_id else "not published"
        click.echo(f"{entry.name:24} {entry.stage or 'nothing':9} {where}")


@main.command()
@options("repo_name", "runs_dir")
def status(as_json: bool, **params: Any) -> None:
    """Say of each stage of HANDLE's publication whether it is done, to do or damaged.

    Which settings it was made with is not asked: `publish --dry-run` with yours says what would be done again.
    """
    from hub_publisher.pipeline import publications

    states = publications.states(Config(**params))
    click.echo(json.dumps(states) if as_json else "\n".join(f"{name:9} {state}" for name, state in states.items()))


@main.command()
@options(*taken_by("fetch"))
@click.option("--show", metavar="REASON", help="Print the posts that are dropped for this reason.")
def inspect(as_json: bool, show: str | None, **params: Any) -> None:
    """Count which posts of HANDLE would be learned from, and why the rest would not, before any training."""
    from hub_publisher.pipeline import publications

    num_posts, sieved = publications.inspect(Config(**params))
    if show is None:
        counts = {"downloaded": num_posts, **sieved.dropped, "kept": len(sieved.kept)}
        lines = [f"{name:18} {number:>9,}" for name, number in counts.items()]
        click.echo(json.dumps(counts) if as_json else "\n".join(lines))
        return
    if show not in sieved.dropped_posts:
        raise UsageError(f"No post is dropped for {show!r}.", f"Choose one of: {', '.join(sieved.dropped_posts)}")
    posts = sieved.dropped_posts[show]
    if as_json:
        click.echo(json.dumps([post.model_dump(mode="json") for post in posts]))
        return
    for post in posts:
        date = f"{post.created_at:%Y-%m-%d}" if post.created_at else "no date"
        click.echo(f"{date:10}  " + post.text.replace("\n", "\n            "))


@main.command()
@options("hub_dir", "repo_name", "runs_dir")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(as_json: bool, yes: bool, hub_dir: Path, **params: Any) -> None:
    """Remove the folder of HANDLE's publication from this machine.

    What is on a Hub stays there.
    """
    from hub_publisher.pipeline import publications

    config = Config(**params)
    publications.states(config)  # is one
    published = publications.receipt(config)
    if not yes and not sys.stdin.isatty():
        raise UsageError("Nothing was deleted: there is nobody to ask.", "Say that it may go: --yes")
    if not yes and not click.confirm(f"Remove {config.run_dir}, with its posts, model and records?", err=True):
        return
    publications.delete(config)
    if published:
        say(f"{published.repo_id} stays at {published.endpoint}; to remove it there, for good:")
        say(f"  {publications.removal(published, hub_dir)}")
    result = {"deleted": str(config.run_dir), "still_published": published.url if published else None}
    click.echo(json.dumps(result) if as_json else f"{config.run_dir} is removed.")
