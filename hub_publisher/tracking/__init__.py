"""Weights & Biases, in the parent process only: two runs per publication, online, offline or not at all.

    decide(config) -> Tracking                       once per publication
    record_preprocess(config, tracking, ...)         a whole run: what was kept of the posts and why
    open_run(config, tracking, "train", settings)    open while the training child process works
        follow(run, training-log.jsonl)              its metrics as they are written
        record_publication(run, ...)                 evaluation, samples, card, references to the published files

Nothing here stops or delays a publication: after `decide`, every failure becomes a line in `run.warnings`.
"""

from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.lineage import record_preprocess, record_publication
from hub_publisher.tracking.modes import TRACKING, current, decide
from hub_publisher.tracking.protocol import ArtifactFiles, NullRun, Run
from hub_publisher.tracking.runs import open_run

__all__ = [
    "TRACKING",
    "ArtifactFiles",
    "NullRun",
    "Run",
    "current",
    "decide",
    "follow",
    "open_run",
    "record_preprocess",
    "record_publication",
]
