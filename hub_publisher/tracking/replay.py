"""What the stages' records say is said to the runs: while a publication goes on, by a later one, or by `sync`.

Every function here may be called again at any time: what a server has confirmed is not sent to it twice.
"""

from collections.abc import Callable
from typing import TypeVar

from hub_publisher.config import Config, deciding
from hub_publisher.errors import PublisherError
from hub_publisher.records import TIMELINE, Curation, Evaluation, Post, Receipt, StageRecord, Timeline, Training
from hub_publisher.system.files import read_jsonl, read_record
from hub_publisher.tracking import reports
from hub_publisher.tracking.client import NO_KEY
from hub_publisher.tracking.follow import read_on
from hub_publisher.tracking.records import TRAINING_LOG, Tracking, current
from hub_publisher.tracking.run import Run, WandbRun, open_run

R = TypeVar("R", bound=StageRecord)
Say = Callable[[str], None]


def record_preprocess(
    config: Config, tracking: Tracking, timeline: Timeline, curation: Curation, warn: Say = lambda line: None
) -> Tracking:
    """Record sources and curation as one whole run, unless that has been done. Returns the tracking record.

    `warn` is told, a line each, what went wrong with Weights & Biases.
    """
    settings = {
        **{name: getattr(config, name) for name in deciding("curate")},
        "source": timeline.source,
        "handle": timeline.handle,
        "curation": curation.fingerprint,
        "dataset_artifact": tracking.dataset_artifact,
    }
    with open_run(config, tracking, "preprocess", settings) as run:
        run.say(reports.preprocess(config, tracking, timeline, curation))
    for warning in run.warnings:
        warn(warning)
    return current(config) or tracking


def record_inputs(run: Run, config: Config, training: Training) -> None:
    """Record on the train run what the model was made from. Before the card is rendered, which shows it."""
    run.say(reports.inputs(config, training.base_model))


def record_publication(run: Run, evaluation: Evaluation, config: Config, receipt: Receipt) -> None:
    """Record on the train run what it was made from, how good the model is, what it says, and where it is published."""
    training = _read(config, Training)
    report = reports.publication(config, training, evaluation, receipt)
    if run.has(report):
        return
    _replay_log(run, config)
    record_inputs(run, config, training)
    run.say(report)


def _replay_log(run: Run, config: Config) -> None:
    """Steps that were trained before this run was opened, or while no server answered."""
    if run.start():
        read_on(run, config.run_dir / TRAINING_LOG)


def remainder(config: Config) -> str | None:
    """What a person should know at the end of a publication: that something is left to upload. None when nothing is."""
    tracking = current(config)
    if tracking is None or tracking.mode == "disabled" or all(run.recorded for run in tracking.runs.values()):
        return None
    some = "only a part" if any(run.url for run in tracking.runs.values()) else "nothing"
    return f"Weights & Biases has {some} of this; to upload it: {_sync_command(config)}"


def sync(config: Config, refresh: Callable[[Tracking], object], say: Say = lambda line: None) -> Tracking:
    """Bring both runs to the server, whole: metrics, tables, artifacts and their edges. Returns the tracking record.

    `refresh` is called when the runs' addresses are known: it gives the published card their links. Every artifact is
    waited for until the server has committed it. Called again it does nothing; interrupted, it goes on. PublisherError
    says what is missing yet.
    """
    now = current(config)
    if now is None or now.mode == "disabled" or "preprocess" not in now.runs:
        raise PublisherError(
            f"There is no Weights & Biases run in {config.run_dir}.", f"{_publish(config)} --wandb offline"
        )
    timeline, curation = _read(config, Timeline), _read(config, Curation)
    timeline = timeline.model_copy(update={"posts": tuple(read_jsonl(config.run_dir / TIMELINE, Post))})
    with WandbRun(config, now, "preprocess") as run:
        run.say(reports.preprocess(config, now, timeline, curation))
    _require_sent(config, run)
    if "train" in now.runs:
        _sync_train(config, current(config) or now, refresh)
    if current(config) == now:
        say("Weights & Biases has everything.")
    return current(config) or now


def _sync_train(config: Config, tracking: Tracking, refresh: Callable[[Tracking], object]) -> None:
    failure = None
    with WandbRun(config, tracking, "train") as run:
        if run.url is None:
            _replay_log(run, config)
        if training := read_record(config.run_dir / Training.file, Training):
            record_inputs(run, config, training)
        _require_sent(config, run)
        try:
            refresh(current(config) or tracking)
        except PublisherError as error:  # the runs do not depend on the Hub
            failure = error
        evaluation = read_record(config.run_dir / Evaluation.file, Evaluation)
        receipt = read_record(config.run_dir / Receipt.file, Receipt)
        if evaluation is not None and receipt is not None:
            record_publication(run, evaluation, config, receipt)
    _require_sent(config, run)
    if failure is not None:
        raise failure


def _require_sent(config: Config, run: Run) -> None:
    """PublisherError when the server has not got all that the run was told."""
    if run.warnings:
        login = "Log in with `wandb login`, or set WANDB_API_KEY. " if run.warnings[0].endswith(NO_KEY) else ""
        raise PublisherError(
            f"Nothing more can be sent to {run.warnings[0]}.",
            f"{login}What is there stays there; go on later with: {_sync_command(config)}",
        )


def _read(config: Config, kind: type[R]) -> R:
    record = read_record(config.run_dir / kind.file, kind)
    if record is None:
        raise PublisherError(f"There is no {kind.file} in {config.run_dir}.", _publish(config))
    return record


def _sync_command(config: Config) -> str:
    name = f" --repo-name {config.repo_name}" if config.repo_name else ""
    return f"hub-publisher sync {config.handle}{name}"


def _publish(config: Config) -> str:
    return f"Publish first: hub-publisher publish {config.handle}"
