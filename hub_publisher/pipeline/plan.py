"""What `publish` would do, without doing it: for --dry-run."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hub_publisher import sources, tracking
from hub_publisher.config import Config
from hub_publisher.hub.target import open_target
from hub_publisher.pipeline.job import Job, Say
from hub_publisher.pipeline.publish import announce_inputs, announce_place
from hub_publisher.pipeline.runner import Runner
from hub_publisher.pipeline.stages import BY_NAME, STAGES
from hub_publisher.records import Timeline


def plan(config: Config, say: Say = lambda line: None, force: str | None = None) -> list[tuple[str, str]]:
    """What `publish` would do: ("curate", "up to date" or "to do") for every stage, in order. Writes nothing.

    The target is asked whether it would take the model, and the posts are read, into a folder that goes away.
    """
    with open_target(config) as target, tempfile.TemporaryDirectory() as scratch:
        tracking.check_others(config)
        job = Job(config, target, say)
        job.tracking = tracking.current(config)
        runner = Runner(job)
        announce_place(job)
        timeline = runner.found(BY_NAME["fetch"])
        if not isinstance(timeline, Timeline):
            timeline = sources.fetch(replace(config, runs_dir=Path(scratch)))
        announce_inputs(job, timeline, tracking.decide(config, is_rehearsal=True), config.base_model)
        done = _done(runner, force)
        return [(stage.name, "up to date" if stage.name in done else "to do") for stage in STAGES]


def _done(runner: Runner, force: str | None) -> list[str]:
    """The stages that are done and need not be done again, up to the first that is not."""
    done: list[str] = []
    for stage in STAGES:
        record = None if stage.name == force else runner.found(stage)
        if record is None:
            break
        runner.job.records[stage.name] = record
        done.append(stage.name)
    return done
