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

from hub_publisher.tracking.client import decide
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.others import check_others, follow_elsewhere
from hub_publisher.tracking.records import TRAINING_LOG, current
from hub_publisher.tracking.replay import record_inputs, record_preprocess, record_publication, remainder, sync
from hub_publisher.tracking.reports import describe_datasets
from hub_publisher.tracking.run import Run, open_run

__all__ = [
    "TRAINING_LOG",
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
