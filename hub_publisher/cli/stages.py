"""One command for each stage: it reads the record of the stage before from the publication's folder."""

import json
from typing import Any

import click

from hub_publisher.cli.group import main, missing, record, required, say, show
from hub_publisher.cli.options import (
    CARD,
    CURATION,
    SAMPLING,
    SOURCE,
    TARGET,
    TRAINING,
    create_pr_option,
    options,
)
from hub_publisher.config import Config


@main.command()
@options(SOURCE)
def fetch(as_json: bool, **params: Any) -> None:
    """Read the posts of HANDLE -> timeline-<handle>.jsonl."""
    from hub_publisher import sources

    timeline = sources.fetch(Config(**params))
    header = timeline.model_copy(update={"posts": ()})
    show(as_json, header, f"{len(timeline.posts)} posts of @{timeline.handle} from {timeline.source}", *timeline.notes)


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
        raise missing(config, timeline_path(config).name, "fetch")
    curation = stage.curate(config, timeline)
    rows = [
        f"{name:18} {number:>9,}"
        for account in curation.accounts
        for name, number in {"downloaded": account.num_downloaded, **account.dropped, "kept": account.num_kept}.items()
    ]
    show(as_json, curation, *rows, *curation.notes)


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
    curation = record(config, "curate", Curation)
    training = stage.finetune(config, curation, base_model.resolve(config, choose_hub(config) == LOCAL))
    rows = [f"epoch {point.epoch}: held-out loss {point.eval_loss:.3f} nats per token" for point in training.evals]
    show(as_json, training, *rows, f"kept epoch {training.best_epoch}, {training.train_seconds:.0f} s")


@main.command()
@options(TRAINING, SAMPLING, CURATION)
def evaluate(as_json: bool, **params: Any) -> None:
    """Measure the model beside its base -> evaluation.json."""
    from hub_publisher import base_model
    from hub_publisher import evaluate as stage
    from hub_publisher.records import Curation, Training

    config = Config(**params)
    curation, training = record(config, "curate", Curation), record(config, "finetune", Training)
    base = base_model.resolve(config, may_substitute=training.base_model.substituted_for is not None)
    evaluation = stage.evaluate(config, curation, training, base.path)
    rows = [
        f"{name:6} loss {metrics.eval_loss:.3f}  perplexity {metrics.perplexity:.2f}  "
        f"bits per byte {metrics.bits_per_byte:.3f}"
        for name, metrics in (("base", evaluation.base), ("tuned", evaluation.tuned))
    ]
    show(as_json, evaluation, *rows)


@main.command()
@options(SAMPLING, CURATION, TARGET)
def snippet(as_json: bool, **params: Any) -> None:
    """Run the card's Python on the model, as it will be published -> snippet.json."""
    from hub_publisher import snippet as stage
    from hub_publisher.records import Training

    config = Config(**params)
    tried = stage.run_snippet(config, _repo_id(config), record(config, "finetune", Training))
    show(as_json, tried, tried.code, *(text or "(withheld: it repeats a post)" for text in tried.printed))


@main.command()
@options(SOURCE, CURATION, TRAINING, SAMPLING, CARD, TARGET, handle_required=False)
@click.option("--refresh", metavar="REPO", help="Render the card of a published model again, from its manifest.")
@create_pr_option
def card(as_json: bool, handle: str | None, refresh: str | None, create_pr: bool, **params: Any) -> None:
    """Render the model card from the records -> model/README.md, its figures and manifest.json."""
    if refresh:
        _refresh(as_json, refresh, create_pr, params)
        return
    from hub_publisher import card as stage
    from hub_publisher import snippet
    from hub_publisher.disk import read_record
    from hub_publisher.records import RECORDS, Curation, Evaluation, Receipt, Snippet, Tracking, Training

    config = Config(handle=required(handle), **params)
    receipt = read_record(config.run_dir / RECORDS["push"], Receipt)
    curation, training = record(config, "curate", Curation), record(config, "finetune", Training)
    evaluation, tried = record(config, "evaluate", Evaluation), record(config, "snippet", Snippet)
    if tried.fingerprint != snippet.expected_fingerprint(config, _repo_id(config), training):
        raise missing(config, f"{RECORDS['snippet']} for {_repo_id(config)}", "snippet")
    rendered = stage.render(
        config,
        _repo_id(config),
        curation,
        training,
        evaluation,
        tried,
        read_record(config.run_dir / "tracking.json", Tracking),
        receipt.endpoint if receipt else stage.HUGGING_FACE_URL,
    )
    if rendered.missing_fonts:
        say(f"note: {stage.font_remedy(rendered.missing_fonts)}")
    show(as_json, rendered, str(config.run_dir / "model" / "README.md"))


def _repo_id(config: Config) -> str:
    """Where the model was published last, or will be by default."""
    from hub_publisher.disk import read_record
    from hub_publisher.records import RECORDS, Receipt

    receipt = read_record(config.run_dir / RECORDS["push"], Receipt)
    return receipt.repo_id if receipt else f"{config.namespace or 'huggingtweets'}/{config.name}"


def _refresh(as_json: bool, repo_id: str, create_pr: bool, params: dict[str, Any]) -> None:
    from hub_publisher import refresh as again
    from hub_publisher.hub_target import open_target

    kept = ("hub", "hub_dir", "template", *again.RESTATED)
    config = again.config_for(repo_id, **{name: params[name] for name in kept})
    with open_target(config) as target:
        sent = again.refresh(config, target, create_pr=create_pr)
    for note in sent.notes:
        say(f"README.md: {note}")
    result = {"repo_id": repo_id, "commit": sent.commit, "pull_request": sent.pull_request}
    click.echo(json.dumps(result) if as_json else f"{target.url} at {sent.commit}")


@main.command()
@options(SOURCE, CURATION, TRAINING, SAMPLING, CARD, TARGET)
@click.option("--dry-run", is_flag=True, help="List what would be uploaded, without uploading it.")
@create_pr_option
def push(as_json: bool, dry_run: bool, create_pr: bool, **params: Any) -> None:
    """Publish model/ in one commit, read it back and compare -> receipt.json."""
    from hub_publisher import push as stage
    from hub_publisher.hub_target import open_target
    from hub_publisher.records import Card

    config = Config(**params)
    rendered = record(config, "card", Card)
    with open_target(config) as target:
        if dry_run:
            planned = stage.plan(config, target)
            rows = [f"{row.state:8} {row.size:>12,}  {row.path}" for row in planned]
            click.echo(json.dumps([row._asdict() for row in planned]) if as_json else "\n".join(rows))
            return
        receipt = stage.push(config, target, rendered, create_pr=create_pr)
    for note in receipt.notes:
        say(f"README.md: {note}")
    if receipt.pull_request:
        say(f"Proposed as pull request {receipt.pull_request}; main is as it was.")
    show(as_json, receipt, receipt.url)
