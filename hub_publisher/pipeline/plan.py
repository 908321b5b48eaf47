"""publish --dry-run: which stages would be done, and every check that `publish` makes before it trains."""

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hub_publisher import curate, finetune, sources, tracking
from hub_publisher.config import Config
from hub_publisher.hub.target import open_target
from hub_publisher.pipeline.job import Job, Say
from hub_publisher.pipeline.publish import alone, announce_inputs, announce_kept, announce_place, check, known_base
from hub_publisher.pipeline.runner import Runner, following
from hub_publisher.pipeline.stages import STAGES, Stage, check_before_training
from hub_publisher.records import Curation, Timeline


def plan(config: Config, say: Say = lambda line: None, force: str | None = None) -> list[tuple[str, str]]:
    """What `publish` would do: ("curate", "up to date" or "to do") for every stage, in order. Publishes nothing.

    What `publish` refuses before it trains is refused here in the same words: the target is asked, posts are read and
    curated in a folder that goes away, and the base model is found, which may mean that it is downloaded to the cache.
    """
    forced = following(force)
    hub_dir = config.hub_dir
    busy = alone(config) if config.run_dir.is_dir() else nullcontext()
    with busy, tempfile.TemporaryDirectory() as scratch:
        aside = replace(config, runs_dir=Path(scratch), hub_dir=hub_dir if hub_dir.is_dir() else Path(scratch) / "hub")
        with open_target(aside) as target:
            check(config)
            job = Job(config, target, say)
            announce_place(job)
            _take_what_is_done(job, forced)
            states = [(stage.name, "up to date" if stage.name in job.records else "to do") for stage in STAGES]
            _rehearse(job, aside)
    return states


def _take_what_is_done(job: Job, forced: list[Stage]) -> None:
    runner = Runner(job)
    for stage in STAGES:
        record = None if stage in forced else runner.found(stage)
        if record is None:
            return
        job.records[stage.name] = record


def _rehearse(job: Job, aside: Config) -> None:
    """What happens before the training, as far as it is to do, in the folder of `aside`."""
    config, is_trained = job.config, "finetune" in job.records
    if "fetch" not in job.records:
        job.records["fetch"] = sources.fetch(aside)
    timeline = job.get(Timeline)
    announce_inputs(job, timeline, tracking.decide(config, is_rehearsal=True), known_base(job))
    if "curate" not in job.records:
        whole = timeline if timeline.posts else sources.with_posts(config.run_dir, timeline)
        job.records["curate"] = curate.curate(aside, whole)
        job.config = aside  # there the kept posts are
    announce_kept(job, job.get(Curation))
    if not is_trained:
        check_before_training(job)
        finetune.check_room(config, job.base)
