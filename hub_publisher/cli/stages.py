"""hub-publisher: words on the screen and exit codes; the work is in the stages, which load only when called.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub_publisher import __version__
from hub_publisher.cli_options import CURATION, SAMPLING, SOURCE, TARGET, TRACKING, TRAINING, options
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError

if TYPE_CHECKING:
    from pydantic import BaseModel

STAGES = ("fetch", "curate", "finetune", "evaluate", "card", "push", "loadback")


class _Group(click.Group):
    """Turns every expected failure into one message on stderr and the right exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if not sys.stderr.isatty():  # read when the libraries are imported, so set before they are
            os.environ.setdefault("TQDM_DISABLE", "1")
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            return super().main(*args, **kwargs)
        except (PublisherError, OSError) as error:
            if os.environ.get("HUB_PUBLISHER_DEBUG") == "1":
                raise
            failure = error if isinstance(error, PublisherError) else _os_failure(error)
            click.echo(f"Error: {failure.message}", err=True)
            if failure.remedy:
                click.echo(failure.remedy, err=True)
            sys.exit(failure.exit_code)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. The same command goes on from here.", err=True)
            sys.exit(130)


def _os_failure(error: OSError) -> PublisherError:
    """The operating system's complaint as one of ours; programmer errors do not look like this."""
    if error.errno == errno.ENOSPC:
        remedy = "Free some, or use another folder with --runs-dir; the same command then goes on from here."
        return PublisherError("No space is left on the disk.", remedy)
    where = f"{error.filename}: " if error.filename else ""
    return PublisherError(f"{where}{error.strerror or error}", "Set HUB_PUBLISHER_DEBUG=1 for the traceback.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hub-publisher")
def main() -> None:
    """Fine-tune a language model on an account's posts and publish it, with a truthful model card, to the Hub.

    \b
    hub-publisher publish lampkeeper_bot                     the bundled sample, to the local Hub
    hub-publisher publish me --archive twitter-archive.zip   your X archive
    hub-publisher publish me --from-path posts.csv           posts in a file
    hub-publisher serve                                      look at what the local Hub holds

    Every flag can also stand in a TOML file (--config) or in the environment as HUB_PUBLISHER_<FLAG>.
    Shell completion: eval "$(_HUB_PUBLISHER_COMPLETE=bash_source hub-publisher)", or zsh_source, fish_source.
    """


def _say(line: str) -> None:
    click.echo(line, err=True)


def _show(as_json: bool, record: "BaseModel", *lines: str) -> None:
    """The result on stdout: the record as JSON, or the lines for people."""
    click.echo(record.model_dump_json(indent=2) if as_json else "\n".join(lines))


@main.command()
@options(SOURCE, CURATION, TRAINING, SAMPLING, TARGET, TRACKING)
@click.option("--dry-run", is_flag=True, help="Check everything and say what would happen, without doing it.")
@click.option("--force", type=click.Choice(STAGES), help="Do this stage again, and all that follow it.")
def publish(as_json: bool, dry_run: bool, force: str | None, **params: Any) -> None:
    """Take the posts of HANDLE to a published model: every stage, skipping what is done."""
    config = Config(**params)
    from hub_publisher import pipeline, plan

    if dry_run:
        _show_plan(as_json, plan.plan(config, _say, force))
        return
    result = pipeline.publish(config, _say, force)
    if as_json:
        click.echo(json.dumps({name: record.model_dump(mode="json") for name, record in result._asdict().items()}))
        return
    click.echo(f"\nFive posts by {result.receipt.repo_id}, loaded back from the Hub:\n")
    for text in result.loadback.texts:
        click.echo("  - " + text.replace("\n", "\n    "))
    click.echo(f"\n{result.receipt.url}")
    _say(f"\n{_next_command(config, result.receipt.is_local)}")


def _next_command(config: Config, is_local: bool) -> str:
    prompt = config.prompts[0]
    if is_local:
        return (
            f"Next: `make serve` opens that page; `hub-publisher generate {config.handle} --prompt {prompt!r}` writes."
        )
    return f"Next: hub-publisher generate {config.handle} --prompt {prompt!r}"


def _show_plan(as_json: bool, plan: list[tuple[str, str]]) -> None:
    if as_json:
        click.echo(json.dumps(dict(plan)))
    else:
        click.echo("\n".join(f"{name:9} {state}" for name, state in plan))


@main.command()
@options(SOURCE)
def fetch(as_json: bool, **params: Any) -> None:
    """Read the posts of HANDLE -> timeline-<handle>.jsonl."""
    from hub_publisher import sources

    timeline = sources.fetch(Config(**params))
    header = timeline.model_copy(update={"posts": ()})
    _show(as_json, header, f"{len(timeline.posts)} posts of @{timeline.handle} from {timeline.source}", *timeline.notes)


@main.command()
@options(CURATION)
def curate(as_json: bool, **params: Any) -> None:
    """Keep the posts worth learning from -> posts.jsonl, curation.json."""
    from hub_publisher import curate as stage
    from hub_publisher.disk import read_timeline
    from hub_publisher.sources import timeline_path

    config = Config(**params)
    timeline = read_timeline(timeline_path(config))
    if timeline is None:
        raise _missing(config, timeline_path(config).name, "fetch")
    curation = stage.curate(config, timeline)
    rows = [
        f"{name:18} {number:>9,}"
        for account in curation.accounts
        for name, number in {"downloaded": account.num_downloaded, **account.dropped, "kept": account.num_kept}.items()
    ]
    _show(as_json, curation, *rows, *curation.notes)


@main.command()
@options(TRAINING, SAMPLING, CURATION, TARGET)
def finetune(as_json: bool, **params: Any) -> None:
    """Fine-tune the base model on the kept posts -> model/, training.json."""
    from hub_publisher import base_model
    from hub_publisher import finetune as stage
    from hub_publisher.config import LOCAL
    from hub_publisher.hub_target import choose_hub
    from hub_publisher.records import Curation

    config = Config(**params)
    curation = _record(config, "curate", Curation)
    training = stage.finetune(config, curation, base_model.resolve(config, choose_hub(config) == LOCAL))
    rows = [f"epoch {point.epoch}: held-out loss {point.eval_loss:.3f} nats per token" for point in training.evals]
    _show(as_json, training, *rows, f"kept epoch {training.best_epoch}, {training.train_seconds:.0f} s")


@main.command()
@options(TRAINING, SAMPLING, CURATION)
def evaluate(as_json: bool, **params: Any) -> None:
    """Measure the model beside its base -> evaluation.json."""
    from hub_publisher import base_model
    from hub_publisher import evaluate as stage
    from hub_publisher.records import Curation, Training

    config = Config(**params)
    curation, training = _record(config, "curate", Curation), _record(config, "finetune", Training)
    base = base_model.resolve(config, may_substitute=training.base_model.substituted_for is not None)
    evaluation = stage.evaluate(config, curation, training, base.path)
    rows = [
        f"{name:6} loss {metrics.eval_loss:.3f}  perplexity {metrics.perplexity:.2f}  "
        f"bits per byte {metrics.bits_per_byte:.3f}"
        for name, metrics in (("base", evaluation.base), ("tuned", evaluation.tuned))
    ]
    _show(as_json, evaluation, *rows)


@main.command()
@options(SOURCE, CURATION, TRAINING, SAMPLING, TARGET)
def card(as_json: bool, **params: Any) -> None:
    """Render the model card from the records -> model/README.md and its figures."""
    from hub_publisher import card as stage
    from hub_publisher.disk import read_record
    from hub_publisher.records import RECORDS, Curation, Evaluation, Receipt, Tracking, Training

    config = Config(**params)
    receipt = read_record(config.run_dir / RECORDS["push"], Receipt)
    rendered = stage.render(
        config,
        receipt.repo_id if receipt else f"{config.namespace or 'huggingtweets'}/{config.name}",
        _record(config, "curate", Curation),
        _record(config, "finetune", Training),
        _record(config, "evaluate", Evaluation),
        read_record(config.run_dir / "tracking.json", Tracking),
        receipt.endpoint if receipt else stage.HUGGING_FACE_URL,
    )
    _show(as_json, rendered, str(config.run_dir / "model" / "README.md"))


@main.command()
@options(SOURCE, CURATION, TRAINING, SAMPLING, TARGET)
@click.option("--dry-run", is_flag=True, help="List what would be uploaded, without uploading it.")
def push(as_json: bool, dry_run: bool, **params: Any) -> None:
    """Publish model/ in one commit, read it back and compare -> receipt.json."""
    from hub_publisher import push as stage
    from hub_publisher.pipeline import open_target
    from hub_publisher.records import Card

    config = Config(**params)
    rendered = _record(config, "card", Card)
    with open_target(config) as target:
        if dry_run:
            planned = stage.plan(config, target)
            rows = [f"{row.state:8} {row.size:>12,}  {row.path}" for row in planned]
            click.echo(json.dumps([row._asdict() for row in planned]) if as_json else "\n".join(rows))
            return
        receipt = stage.push(config, target, rendered)
    _show(as_json, receipt, receipt.url)


@main.command()
@click.option("--hub-dir", type=click.Path(path_type=Path), default=Path("runs/.hub"), show_default=True,
              envvar="HUB_PUBLISHER_HUB_DIR", help="Folder of the local Hub's repositories.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback unless told.")
@click.option("--port", type=int, help="Port [default: the one of last time, else a free one].")
def serve(hub_dir: Path, host: str, port: int | None) -> None:
    """Serve the local Hub: a page for each published model, and the protocol of the Hub's clients."""
    from hub_publisher import localhub

    if url := localhub.find_running(hub_dir):
        click.echo(url)
        return
    _say("The local Hub is running; Ctrl-C ends it.")
    localhub.run_server(hub_dir, host, port, lambda url: click.echo(url))


@main.command()
@options(SAMPLING, ("seed",))
@click.option("--prompt", "prompt", help="Text to continue [default: the first of --prompts].")
@click.option("-n", "--num-posts", type=click.IntRange(1, 100), default=5, show_default=True, help="Posts to write.")
def generate(as_json: bool, prompt: str | None, num_posts: int, **params: Any) -> None:
    """Let the model of HANDLE write posts."""
    from hub_publisher.generation import generate_from

    config = Config(**params)
    prompt = prompt or config.prompts[0]
    texts = generate_from(config.run_dir / "model", prompt, num_posts, config.seed)
    if texts is None:
        raise _missing(config, "model", "publish")
    click.echo(json.dumps([prompt + text for text in texts]) if as_json else "\n\n".join(prompt + t for t in texts))


def _record(config: Config, stage: str, kind: Any) -> Any:
    """The record that `stage` left, or the error that names the command to run first."""
    from hub_publisher.disk import read_record
    from hub_publisher.records import RECORDS

    record = read_record(config.run_dir / RECORDS[stage], kind)
    if record is None:
        raise _missing(config, RECORDS[stage], stage)
    return record


def _missing(config: Config, name: str, stage: str) -> PublisherError:
    return PublisherError(
        f"There is no {name} in {config.run_dir}.", f"Run first: hub-publisher {stage} {config.handle}"
    )
