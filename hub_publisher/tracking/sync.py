"""Later: what an offline publication, or one that lost its server, left to say is said, once."""

from collections.abc import Callable

from hub_publisher.config import Config
from hub_publisher.disk import read_record, read_timeline
from hub_publisher.errors import PublisherError
from hub_publisher.records import RECORDS, Curation, Evaluation, Receipt, Timeline, Tracking, Training
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.ledger import current
from hub_publisher.tracking.lineage import (
    TRAINING_LOG,
    fill_preprocess,
    knows_inputs,
    preprocess_contents,
    publication_contents,
    record_inputs,
    record_publication,
)
from hub_publisher.tracking.runs import WandbRun, reopen_run
from hub_publisher.tracking.server import preflight
from hub_publisher.tracking.upload import unreachable, upload

Say = Callable[[str], None]


def sync(config: Config, refresh: Callable[[Tracking], Receipt | None], say: Say = lambda line: None) -> Tracking:
    """Bring both runs to the server, whole: metrics, tables, artifacts and their edges. Returns the tracking record.

    `refresh` is called when the runs' addresses are known: it gives the published card their links and returns the
    receipt of what the Hub then holds, None where nothing has been published. Every artifact is waited for until the
    server has committed it. Called again it does nothing; interrupted, it goes on. PublisherError says what is
    missing yet.
    """
    _require_runs(config)
    if _is_complete(config):
        refresh(_now(config))  # which may have failed the last time
        if _is_complete(config):
            say("Weights & Biases has everything.")
            return _now(config)
    if problem := preflight(config):
        raise unreachable(config, problem)
    _sync_preprocess(config, say)
    _sync_train(config, refresh, say)
    return _now(config)


def _sync_preprocess(config: Config, say: Say) -> None:
    timeline, curation = _posts(config)
    if _now(config).runs["preprocess"].recorded == preprocess_contents(curation):
        return
    upload(config, _now(config), "preprocess")
    with reopen_run(config, _now(config), "preprocess") as run:
        fill_preprocess(run, config, _now(config), timeline, curation)
    _require_confirmed(config, run)
    say(f"preprocess  {run.url}")


def _sync_train(config: Config, refresh: Callable[[Tracking], Receipt | None], say: Say) -> None:
    if "train" not in _now(config).runs:
        return
    upload(config, _now(config), "train")
    training = read_record(config.run_dir / RECORDS["finetune"], Training)
    lacks_inputs = training is not None and not knows_inputs(config, _now(config), training)
    if _now(config).runs["train"].url is None or lacks_inputs:
        with reopen_run(config, _now(config), "train") as run:
            if run.start() is not None:
                with follow(run, config.run_dir / TRAINING_LOG):
                    pass  # what an interrupted upload left out
                if training is not None:
                    record_inputs(run, config, training)
        _require_confirmed(config, run)
    failure = None
    try:
        refresh(_now(config))
    except PublisherError as error:  # the runs do not depend on the Hub
        failure = error
    evaluation, receipt = _published(config)
    if evaluation is not None and receipt is not None:
        with reopen_run(config, _now(config), "train") as run:
            record_publication(run, evaluation, config, receipt)
        if not _is_complete(config):
            _require_confirmed(config, run)
    say(f"train       {_now(config).runs['train'].url}")
    if failure is not None:
        raise failure


def _is_complete(config: Config) -> bool:
    """Whether the server has confirmed all that the records on disk say."""
    runs = _now(config).runs
    evaluation, receipt = _published(config)
    curation = read_record(config.run_dir / RECORDS["curate"], Curation)
    if curation is None or evaluation is None or receipt is None or "train" not in runs:
        return False
    return (runs["preprocess"].recorded, runs["train"].recorded) == (
        preprocess_contents(curation),
        publication_contents(evaluation, receipt),
    )


def _published(config: Config) -> tuple[Evaluation | None, Receipt | None]:
    return (
        read_record(config.run_dir / RECORDS["evaluate"], Evaluation),
        read_record(config.run_dir / RECORDS["push"], Receipt),
    )


def _posts(config: Config) -> tuple[Timeline, Curation]:
    timeline = read_timeline(config.run_dir / RECORDS["fetch"].replace("*", config.handle))
    curation = read_record(config.run_dir / RECORDS["curate"], Curation)
    if timeline is None or curation is None:
        missing = RECORDS["curate"] if timeline else f"timeline of {config.handle}"
        raise PublisherError(f"There is no {missing} in {config.run_dir}.", _publish(config))
    return timeline, curation


def _require_runs(config: Config) -> None:
    tracking = current(config)
    if tracking is None or tracking.mode == "disabled" or "preprocess" not in tracking.runs:
        raise PublisherError(
            f"There is no Weights & Biases run in {config.run_dir}.", f"{_publish(config)} --wandb offline"
        )


def _require_confirmed(config: Config, run: WandbRun) -> None:
    if not run.is_confirmed:
        problem = run.warnings[0] if run.warnings else "the run did not start"
        raise unreachable(config, problem.removeprefix("Weights & Biases: "))


def _now(config: Config) -> Tracking:
    tracking = current(config)
    assert tracking is not None  # _require_runs has looked
    return tracking


def _publish(config: Config) -> str:
    return f"Publish first: hub-publisher publish {config.handle}"
