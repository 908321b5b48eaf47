"""One command for each stage of the table: it reads the records that the stages before left, and does the stage."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from hub_publisher.cli.asking import asker, yes_option
from hub_publisher.cli.group import main, say, show
from hub_publisher.cli.options import create_pr_option, options
from hub_publisher.config import Config, taken_by
from hub_publisher.errors import UsageError
from hub_publisher.text import WITHHELD

if TYPE_CHECKING:  # --help answers at once
    from hub_publisher.records import Curation, Evaluation, StageRecord, Timeline, Training


def _do(name: str, params: dict[str, Any], create_pr: bool = False, yes: bool = True) -> "tuple[Config, StageRecord]":
    """Do one stage of a publication."""
    config = Config(**params)
    confirm = asker(config, yes)
    from hub_publisher.hub.preview import asking
    from hub_publisher.hub.target import open_target
    from hub_publisher.pipeline.job import Job
    from hub_publisher.pipeline.publish import alone
    from hub_publisher.pipeline.runner import Runner
    from hub_publisher.pipeline.stages import BY_NAME

    with alone(config), open_target(config) if BY_NAME[name].needs_target else nullcontext() as target:
        asked = target and asking(target, config, confirm)
        return config, Runner(Job(config, asked, say, create_pr)).run_alone(name)


def _command(name: str, help: str, rows: Callable[[Any], list[str]]) -> None:
    """Add the command of a stage, which prints its record or, for people, these rows."""

    @main.command(name, help=help)
    @options(*taken_by(name))
    def command(as_json: bool, **params: Any) -> None:
        _, record = _do(name, params)
        show(as_json, record, *rows(record))


def _fetched(timeline: "Timeline") -> list[str]:
    from hub_publisher.sources import in_words

    return [f"{timeline.num_posts:,} posts of @{timeline.handle} from {in_words(timeline.source)}", *timeline.notes]


def _curated(curation: "Curation") -> list[str]:
    counts = [
        f"{name:18} {number:>9,}"
        for account in curation.accounts
        for name, number in {"downloaded": account.num_downloaded, **account.dropped, "kept": account.num_kept}.items()
    ]
    return [*counts, *curation.notes]


def _finetuned(training: "Training") -> list[str]:
    epochs = [f"epoch {point.epoch}: held-out loss {point.eval_loss:.3f} nats per token" for point in training.evals]
    return [*epochs, f"kept epoch {training.best_epoch}, {training.train_seconds:.0f} s"]


def _evaluated(evaluation: "Evaluation") -> list[str]:
    return [
        f"{name:6} loss {metrics.eval_loss:.3f}  perplexity {metrics.perplexity:.2f}  "
        f"bits per byte {metrics.bits_per_byte:.3f}"
        for name, metrics in (("base", evaluation.base), ("tuned", evaluation.tuned))
    ]


_command("fetch", "Read the posts of HANDLE -> timeline.json, timeline.jsonl.", _fetched)
_command("curate", "Keep the posts worth learning from -> posts.jsonl, curation.json.", _curated)
_command("finetune", "Fine-tune the base model on the kept posts -> model/, training.json.", _finetuned)
_command("evaluate", "Measure the model beside its base -> evaluation.json.", _evaluated)
_command("snippet", "Run the card's Python on the model, as it will be published -> snippet.json.",
         lambda snippet: [snippet.code, *(text or WITHHELD for text in snippet.printed)])  # fmt: skip
_command(
    "loadback",
    "Load the published model by its id in a new process -> loadback.json.",
    lambda record: [text or WITHHELD for text in record.texts],
)


@main.command()
@options(*taken_by("card"), handle_required=False)
@click.option("--refresh", metavar="REPO", help="Render the card of a published model again, from its manifest.")
@create_pr_option
@yes_option
def card(as_json: bool, handle: str | None, refresh: str | None, create_pr: bool, yes: bool, **params: Any) -> None:
    """Render the model card from the records -> model/README.md, its figures and manifest.json."""
    if refresh:
        _refresh(as_json, refresh, create_pr, yes, params)
        return
    if not handle:
        raise UsageError("Say whose publication.", "Name the account: hub-publisher card lampkeeper_bot")
    config, record = _do("card", {"handle": handle, **params})
    show(as_json, record, str(config.run_dir / "model" / "README.md"))


def _refresh(as_json: bool, repo_id: str, create_pr: bool, yes: bool, params: dict[str, Any]) -> None:
    from hub_publisher.hub.preview import asking
    from hub_publisher.hub.target import open_target
    from hub_publisher.pipeline import refresh as again

    kept = ("hub", "hub_dir", "template", *again.RESTATED)
    config = again.config_for(repo_id, **{name: params[name] for name in kept})
    confirm = asker(config, yes)
    with open_target(config) as target:
        sent = again.refresh(config, asking(target, config, confirm), create_pr=create_pr)
    for note in sent.notes:
        say(f"README.md: {note}")
    result = {"repo_id": repo_id, "commit": sent.commit, "pull_request": sent.pull_request}
    click.echo(json.dumps(result) if as_json else f"{target.url} at {sent.commit}")


@main.command()
@options(*taken_by("push"))
@create_pr_option
@yes_option
def push(as_json: bool, create_pr: bool, yes: bool, **params: Any) -> None:
    """Publish model/ in one commit, read it back and compare -> receipt.json."""
    from hub_publisher.records import Receipt

    _, receipt = _do("push", params, create_pr, yes)
    assert isinstance(receipt, Receipt)
    for note in receipt.notes:
        say(f"README.md: {note}")
    if receipt.pull_request:
        say(f"Proposed as pull request {receipt.pull_request}; main is as it was.")
    show(as_json, receipt, receipt.url)
