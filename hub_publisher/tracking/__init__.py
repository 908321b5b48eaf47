"""Weights & Biases, in the parent process only: two runs per publication, online, later or not at all.

    decide(config) -> Tracking                       once per publication
    describe_datasets(tracking, ...)                 what will be sent of the posts, said before anything is
    record_preprocess(config, tracking, ...)         a whole run: what was kept of the posts and why
    open_run(config, tracking, "train", settings)    open while the training child process works
        follow(run, training-log.jsonl)              its metrics as they are written
        record_inputs(run, ...)                      the posts and the base model: the card names them
        record_publication(run, ...)                 evaluation, samples, card, the published files
    sync(config, ...)                                later: the same from the records, where no server heard it

Offline nothing of wandb is started: tracking.json keeps the runs' names, settings, inputs and outputs, and the
publication's records keep the rest. Nothing here stops or delays a publication: after `decide`, every failure becomes
a line in `run.warnings`.
"""

from hub_publisher.tracking.datasets import describe as describe_datasets
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.lineage import record_inputs, record_preprocess, record_publication, remainder
from hub_publisher.tracking.modes import decide
from hub_publisher.tracking.others import check_others, follow_elsewhere
from hub_publisher.tracking.run import ArtifactFiles, Run
from hub_publisher.tracking.runs import open_run
from hub_publisher.tracking.state import TRACKING, TRAINING_LOG, current
from hub_publisher.tracking.sync import sync

__all__ = [
    "TRACKING",
    "TRAINING_LOG",
    "ArtifactFiles",
    "Run",
    "check_others",
    "current",
    "decide",
    "describe_datasets",
    "follow",
    "follow_elsewhere",
    "open_run",
    "record_inputs",
    "record_preprocess",
    "record_publication",
    "remainder",
    "sync",
]
