"""What the two runs of a publication say: the posts that went in, the model that came out.

    raw-dataset -> preprocess -> train-dataset -+
                                                +-> train -> finetuned-model, evaluation, model-card
                             pretrained-model --+

All of it is made from the records, now or with a later `sync`. Every function here may be called again at any time:
what a server has confirmed is not sent to it twice.
"""

from collections.abc import Callable
from typing import Any

from hub_publisher.config import Config, deciding
from hub_publisher.records import Curation, Evaluation, Receipt, Timeline, Training
from hub_publisher.system.files import fingerprint, read_record
from hub_publisher.tracking import results
from hub_publisher.tracking.datasets import raw_dataset, train_dataset, train_dataset_name
from hub_publisher.tracking.follow import follow
from hub_publisher.tracking.records import Tracking
from hub_publisher.tracking.run import Run
from hub_publisher.tracking.runs import open_run
from hub_publisher.tracking.state import TRAINING_LOG, current, run_id, sync_command


def record_preprocess(
    config: Config,
    tracking: Tracking,
    timeline: Timeline,
    curation: Curation,
    warn: Callable[[str], None] = lambda line: None,
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
    if tracking.mode == "disabled" or _is_done(config, tracking, settings, curation):
        return tracking
    with open_run(config, tracking, "preprocess", settings) as run:
        fill_preprocess(run, config, tracking, timeline, curation)
    for warning in run.warnings:
        warn(warning)
    return current(config) or tracking


def fill_preprocess(run: Run, config: Config, tracking: Tracking, timeline: Timeline, curation: Curation) -> None:
    """Everything that the preprocess run says, of which a server may have a part already."""
    run.summarize(results.counts(curation))
    run.use_artifact(raw_dataset(config, tracking, timeline))
    run.log_artifact(train_dataset(config, tracking, curation))
    run.log_table("languages", ["language", "kept posts"], list(curation.languages.items()))
    run.log_table("lengths", ["characters from", "to", "kept posts"], results.length_rows(config))
    run.log_table("dropped", ["account", "reason", "posts"], results.dropped_rows(curation))
    run.confirm(preprocess_contents(curation))


def record_publication(run: Run, evaluation: Evaluation, config: Config, receipt: Receipt) -> None:
    """Record on the train run what it was made from, how good the model is, what it says, and where it is published.

    The model is recorded as references to the files of the published commit; what the embedded local Hub
    holds can be fetched by nobody else, so of that only hashes are recorded. Done once for one publication.
    """
    now = current(config)
    train = now.runs.get("train") if now else None
    if train is None or train.recorded == publication_contents(evaluation, receipt):
        return
    with follow(run, config.run_dir / TRAINING_LOG):
        pass  # steps that were trained before this run was opened, or while no server answered
    training = read_record(config.run_dir / Training.file, Training)
    if training is not None:
        record_inputs(run, config, training)
        run.summarize(results.training_facts(training))
    run.summarize({**results.measured(evaluation), **results.published(receipt)})
    for artifact in results.outputs(config, receipt):
        run.log_artifact(artifact)
    run.log_table("samples", ["prompt", "tuned model", "base model"], results.sample_rows(evaluation))
    run.confirm(publication_contents(evaluation, receipt))


def record_inputs(run: Run, config: Config, training: Training) -> None:
    """Record on the train run what the model was made from. Before the card is rendered, which shows it; done once."""
    now = current(config)
    if now is not None and not knows_inputs(config, now, training):
        run.use_output_of("preprocess", train_dataset_name(config))
        run.use_artifact(results.pretrained_model(config, training.base_model))


def knows_inputs(config: Config, tracking: Tracking, training: Training) -> bool:
    """Whether the train run's record names its inputs as they are called now. Also where there is no such run."""
    if "train" not in tracking.runs or "preprocess" not in tracking.runs:
        return True
    if tracking.mode == "online" and tracking.runs["train"].url is None:
        return False
    data, inputs = tracking.runs["preprocess"].artifacts, tracking.runs["train"].inputs
    base, name = training.base_model.artifact_name, train_dataset_name(config)
    return base in inputs and inputs.get(name, "not used") == data.get(name, "not there")


def remainder(config: Config) -> str | None:
    """What a person should know at the end of a publication: that something is left to upload. None when nothing is."""
    tracking = current(config)
    if tracking is None or tracking.mode == "disabled" or all(run.recorded for run in tracking.runs.values()):
        return None
    some = "only a part" if any(run.url for run in tracking.runs.values()) else "nothing"
    return f"Weights & Biases has {some} of this; to upload it: {sync_command(config)}"


def preprocess_contents(curation: Curation) -> str:
    """Changes when the preprocess run is to say something else."""
    return fingerprint("preprocess", curation.fingerprint)


def publication_contents(evaluation: Evaluation, receipt: Receipt) -> str:
    """Changes when the train run is to say something else."""
    return fingerprint("train", evaluation.fingerprint, receipt.repo_id, receipt.commit)


def _is_done(config: Config, tracking: Tracking, settings: dict[str, Any], curation: Curation) -> bool:
    """Whether the preprocess run says all it can: to a server, or offline to the ledger."""
    known = tracking.runs.get("preprocess")
    if known is None or known.run_id != run_id(config, tracking, "preprocess", settings):
        return False
    if tracking.mode == "online":
        return known.recorded == preprocess_contents(curation)
    return train_dataset_name(config) in known.artifacts
