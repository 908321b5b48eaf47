"""Commands about a whole publication: make it, look at it, let it write, check it, track it later."""

import json
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from hub_publisher.cli.asking import asker, yes_option
from hub_publisher.cli.group import main, say, show
from hub_publisher.cli.options import create_pr_option, flags, json_option, options
from hub_publisher.config import DEFAULTS, FIELD_NAMES, Config
from hub_publisher.errors import PublisherError
from hub_publisher.text import WITHHELD


@main.command()
@options(*FIELD_NAMES)
@click.option("--dry-run", is_flag=True, help="Make every check that comes before training; do nothing else.")
@click.option("--force", metavar="STAGE", help="Do this stage again, and all that follow it.")
@create_pr_option
@yes_option
@click.option("--no-push", is_flag=True, help="Stop before anything goes out, with a preview on the local Hub.")
def publish(as_json: bool, dry_run: bool, force: str | None, no_push: bool, **params: Any) -> None:
    """Take the posts of HANDLE to a published model: every stage, skipping what is done."""
    create_pr, yes = params.pop("create_pr"), params.pop("yes")
    config = Config(**params)
    confirm = asker(config, yes or no_push)
    from hub_publisher import pipeline

    if dry_run:
        planned = pipeline.plan(config, say, force)
        lines = (f"{name:9} {state}" for name, state in planned)
        click.echo(json.dumps(dict(planned)) if as_json else "\n".join(lines))
        return
    if no_push:
        show(as_json, pipeline.prepare(config, say, force), str(config.run_dir / "model" / "README.md"))
        return
    result = pipeline.publish(config, say, force, create_pr, confirm)
    if as_json:
        click.echo(json.dumps({name: record.model_dump(mode="json") for name, record in result._asdict().items()}))
        return
    click.echo(f"\nFive posts by {result.receipt.repo_id}, loaded back from the Hub:\n")
    for text in result.loadback.texts:
        click.echo("  - " + (text or WITHHELD).replace("\n", "\n    "))
    click.echo(f"\n{result.receipt.url}")
    look = "`hub-publisher serve` opens that page; " if result.receipt.is_local else ""
    say(f"\nNext: {look}`hub-publisher generate {config.handle} --prompt {config.prompts[0]!r}` writes.")


@main.command()
@options("repo_name", "runs_dir", "hub_dir")
@yes_option
def release(as_json: bool, yes: bool, **params: Any) -> None:
    """Make the private repository that HANDLE was published to public."""
    from hub_publisher.pipeline import release as later
    from hub_publisher.pipeline.refresh import config_of

    config = Config(**params)
    receipt = later.release(config, asker(config_of(later.published(config), config), yes))
    show(as_json, receipt, f"{receipt.url} is {receipt.visibility}")


@main.command()
@click.option("--hub-dir", type=click.Path(path_type=Path), default=Path("runs/.hub"), show_default=True,
              envvar="HUB_PUBLISHER_HUB_DIR", help="Folder of the local Hub's repositories.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback unless told.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port [default: the one of last time, else a free one].")
@click.option("--idle-minutes", type=click.FloatRange(0, min_open=True), default=10, show_default=True,
              help="How long a model stays loaded that nobody tries.")  # fmt: skip
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
def serve(hub_dir: Path, host: str, port: int | None, idle_minutes: float, is_opened: bool) -> None:
    """Serve the local Hub: a page for each published model, and the protocol of the Hub's clients."""
    from hub_publisher.localhub import Limits, find_running
    from hub_publisher.localhub.server import run_server

    def show_page(url: str) -> None:
        click.echo(url)
        if is_opened:
            webbrowser.open(url)

    def say_and_show(url: str) -> None:
        say("The local Hub is running; Ctrl-C ends it.")
        show_page(url)

    if url := find_running(hub_dir):
        if port and urlsplit(url).port != port:
            raise PublisherError(f"The Hub in {hub_dir} is served already, at {url}.", "Open that, or end it first.")
        say("The local Hub is running already:")
        show_page(url)
        return
    try:
        run_server(hub_dir, host, port, say_and_show, Limits(idle_seconds=60 * idle_minutes))
    except KeyboardInterrupt:
        say(f"\nThe local Hub has ended. What it holds stays in {hub_dir}.")
        sys.exit(130)


@main.command()
@options("temperature", "top_p", "seed", "repo_name", "runs_dir", saved=("temperature", "top_p"))
@click.option("--prompt", default=DEFAULTS["prompts"][0], show_default=True, help="Text to continue.")
@click.option("-n", "--num-posts", type=click.IntRange(1, 100), default=5, show_default=True, help="Posts to write.")
def generate(as_json: bool, prompt: str, num_posts: int, **params: Any) -> None:
    """Let the model of HANDLE write posts."""
    given = {name: params.pop(name) for name in ("temperature", "top_p")}
    given = {name: value for name, value in given.items() if value is not None}
    config = Config(**params, **given)
    from hub_publisher.model.generation import generate_from

    texts = generate_from(config.run_dir / "model", prompt, num_posts, config.seed, **given)
    if texts is None:
        raise PublisherError(
            f"There is no model in {config.run_dir}.", f"Run first: hub-publisher publish {config.handle}"
        )
    click.echo(json.dumps([prompt + text for text in texts]) if as_json else "\n\n".join(prompt + t for t in texts))


@main.command()
@click.argument("repo", metavar="REPO")
@click.option("--evaluate", is_flag=True, help="Measure the held-out metrics again; needs the posts, see --posts.")
@click.option("--posts", type=click.Path(path_type=Path),
              help="The posts it was made from [default: posts.jsonl of the publication of that name].")  # fmt: skip
@click.option("--template", type=click.Path(path_type=Path), help="Template or folder that the card was made with.")
@flags("hub", "runs_dir", "hub_dir")
@json_option
def verify(as_json: bool, repo: str, evaluate: bool, posts: Path | None, template: Path | None, **params: Any) -> None:
    """Download the model REPO and check it against its manifest: files, card, and on request its metrics.

    Exits with 0 when everything holds, with 1 when anything does not.
    """
    from hub_publisher.hub.target import open_hub
    from hub_publisher.pipeline import verify as stage
    from hub_publisher.pipeline.refresh import config_for

    config = config_for(repo, **params)
    measured_on = (posts or config.run_dir / "posts.jsonl") if evaluate else None
    with open_hub(config) as hub:
        findings = stage.verify(hub, repo, template, measured_on)
    failures = [finding for finding in findings if finding.state == stage.FAILS]
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        click.echo("\n".join(f"{finding.state:5}  {finding.subject}: {finding.detail}" for finding in findings))
        verdict = f"{len(failures)} of {len(findings)} do not hold" if failures else "everything holds"
        click.echo(f"\n{repo}: {verdict}")
    sys.exit(1 if failures else 0)


@main.command()
@options("hub_dir", "template", "repo_name", "runs_dir")
def sync(as_json: bool, **params: Any) -> None:
    """Upload what HANDLE's publication recorded offline for Weights & Biases, and link it from the published card."""
    from hub_publisher.pipeline import sync as later

    record = later.sync(Config(**params), say)
    show(as_json, record, *(f"{job:11} {run.url}" for job, run in record.runs.items()))
