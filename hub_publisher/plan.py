"""What `publish` would do, without doing it: for --dry-run."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hub_publisher import card, curate, evaluate, finetune, loadback, push, snippet, sources, tracking
from hub_publisher.config import Config
from hub_publisher.disk import is_done, read_record, read_timeline
from hub_publisher.hub_target import Target, open_target
from hub_publisher.pipeline import Say, Stages
from hub_publisher.records import RECORDS, Card, Curation, Evaluation, LoadBack, Receipt, Snippet, Tracking, Training


def plan(config: Config, say: Say = lambda line: None, force: str | None = None) -> list[tuple[str, str]]:
    """What `publish` would do: ("curate", "up to date" or "to do") for every stage, in order. Writes nothing.

    The target is asked whether it would take the model, and the posts are read, into a folder that goes away.
    """
    with open_target(config) as target, tempfile.TemporaryDirectory() as scratch:
        tracking.check_others(config)
        stages = Stages(config, target, say)
        timeline = read_timeline(sources.timeline_path(config))
        if timeline is None or timeline.fingerprint != sources.expected_fingerprint(config):
            timeline = sources.fetch(replace(config, runs_dir=Path(scratch)))
        stages.announce(timeline, tracking.decide(config, save=False), config.base_model)
        done = list(_done_stages(config, target)) if config.run_dir.exists() else []
        if force in done:
            done = done[: done.index(force)]
        return [(name, "up to date" if name in done else "to do") for name in RECORDS]


def _done_stages(config: Config, target: Target) -> Iterator[str]:
    """The names of the stages that are done and need not be done again, up to the first that is not."""
    timeline = read_timeline(sources.timeline_path(config))
    if timeline is None or timeline.fingerprint != sources.expected_fingerprint(config):
        return
    yield "fetch"
    run_dir = config.run_dir
    curation = read_record(run_dir / RECORDS["curate"], Curation)
    if curation is None or curation.fingerprint != curate.expected_fingerprint(config, timeline):
        return
    yield "curate"
    training = read_record(run_dir / RECORDS["finetune"], Training)
    if training is None or training.fingerprint != finetune.expected_fingerprint(config, curation):
        return
    yield "finetune"
    evaluation = read_record(run_dir / RECORDS["evaluate"], Evaluation)
    if evaluation is None or evaluation.fingerprint != evaluate.expected_fingerprint(config, curation, training):
        return
    yield "evaluate"
    tried = read_record(run_dir / RECORDS["snippet"], Snippet)
    if tried is None or tried.fingerprint != snippet.expected_fingerprint(config, target.repo_id, training):
        return
    yield "snippet"
    tracked = read_record(run_dir / "tracking.json", Tracking)
    expected = card.expected_fingerprint(
        config, target.repo_id, curation, training, evaluation, tried, tracked, target.endpoint
    )
    rendered = read_record(run_dir / RECORDS["card"], Card)
    if rendered is None or rendered.fingerprint != expected:
        return
    yield "card"
    receipt = read_record(run_dir / RECORDS["push"], Receipt)
    if receipt is None or receipt.fingerprint != push.expected_fingerprint(config, target, rendered):
        return
    if push.remote_is_current(target, receipt):
        yield "push"
        if is_done(run_dir / RECORDS["loadback"], LoadBack, loadback.expected_fingerprint(config, receipt)):
            yield "loadback"
