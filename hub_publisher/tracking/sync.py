"""`sync`: say to the server what a publication's records say and the server has not heard yet."""

from collections.abc import Callable

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.records import TIMELINE, Curation, Evaluation, Post, Receipt, Timeline, Training
from hub_publisher.system.files import read_jsonl, read_record
from hub_publisher.tracking.client import preflight
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.lineage import (
    fill_preprocess,
    knows_inputs,
    preprocess_contents,
    publication_contents,
    record_inputs,
    record_publication,
)
from hub_publisher.tracking.records import Tracking
from hub_publisher.tracking.runs import WandbRun, on_server
from hub_publisher.tracking.state import TRAINING_LOG, current, sync_command

Say = Callable[[str], None]
Refresh = Callable[[Tracking], Receipt | None]


def sync(config: Config, refresh: Refresh, say: Say = lambda line: None) -> Tracking:
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
        raise _unreachable(config, problem)
    _sync_preprocess(config, say)
    if "train" in _now(config).runs:
        _sync_train(config, refresh, say)
    return _now(config)


def _sync_preprocess(config: Config, say: Say) -> None:
    timeline, curation = _posts(config)
    now = _now(config)
    if now.runs["preprocess"].recorded == preprocess_contents(curation):
        return
    with on_server(config, now, "preprocess") as run:
        fill_preprocess(run, config, now, timeline, curation)
    _require_confirmed(config, run)
    say(f"preprocess  {run.url}")


def _sync_train(config: Config, refresh: Refresh, say: Say) -> None:
    failure = None
    with on_server(config, _now(config), "train") as run:
        _replay_training(config, run)
        try:
            refresh(_now(config))
        except PublisherError as error:  # the runs do not depend on the Hub
            failure = error
        evaluation, receipt = _published(config)
        if evaluation is not None and receipt is not None:
            record_publication(run, evaluation, config, receipt)
    if evaluation is not None and receipt is not None and not _is_complete(config):
        _require_confirmed(config, run)
    say(f"train       {run.url}")
    if failure is not None:
        raise failure


def _replay_training(config: Config, run: WandbRun) -> None:
    """What the card shows of the train run: its address and its inputs. PublisherError when the server is lost."""
    training = read_record(config.run_dir / Training.file, Training)
    if run.url is not None and (training is None or knows_inputs(config, _now(config), training)):
        return
    with follow(run, config.run_dir / TRAINING_LOG):
        pass
    if training is not None:
        record_inputs(run, config, training)
    _require_confirmed(config, run)


def _is_complete(config: Config) -> bool:
    """Whether the server has confirmed all that the records on disk say."""
    runs = _now(config).runs
    evaluation, receipt = _published(config)
    curation = read_record(config.run_dir / Curation.file, Curation)
    if curation is None or evaluation is None or receipt is None or "train" not in runs:
        return False
    return (runs["preprocess"].recorded, runs["train"].recorded) == (
        preprocess_contents(curation),
        publication_contents(evaluation, receipt),
    )


def _published(config: Config) -> tuple[Evaluation | None, Receipt | None]:
    return (
        read_record(config.run_dir / Evaluation.file, Evaluation),
        read_record(config.run_dir / Receipt.file, Receipt),
    )


def _posts(config: Config) -> tuple[Timeline, Curation]:
    timeline = read_record(config.run_dir / Timeline.file, Timeline)
    if timeline is not None:
        timeline = timeline.model_copy(update={"posts": tuple(read_jsonl(config.run_dir / TIMELINE, Post))})
    curation = read_record(config.run_dir / Curation.file, Curation)
    if timeline is None or curation is None:
        missing = Curation.file if timeline else f"timeline of {config.handle}"
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
        raise _unreachable(config, problem.removeprefix("Weights & Biases: "))


def _unreachable(config: Config, problem: str) -> PublisherError:
    return PublisherError(
        f"Nothing more can be sent to Weights & Biases: {problem}.",
        f"What is there stays there; go on later with: {sync_command(config)}",
    )


def _now(config: Config) -> Tracking:
    tracking = current(config)
    assert tracking is not None  # _require_runs has looked
    return tracking


def _publish(config: Config) -> str:
    return f"Publish first: hub-publisher publish {config.handle}"
