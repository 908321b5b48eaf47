"""The table of stages: all that the pipeline knows of each. docs/add-a-stage.md adds one to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub_publisher import card, curate, evaluate, finetune, sources
from hub_publisher.card import snippet
from hub_publisher.hub import loadback, push
from hub_publisher.hub.repository import File
from hub_publisher.pipeline.job import Job
from hub_publisher.records import (
    MODEL_DIR,
    POSTS,
    TIMELINE,
    Card,
    Curation,
    Evaluation,
    LoadBack,
    Receipt,
    Snippet,
    StageRecord,
    Timeline,
    Training,
)
from hub_publisher.text import showing


@dataclass(frozen=True)
class Stage:
    """One row. Which settings decide its result is said where they are, in Config."""

    name: str
    record: type[StageRecord]
    reads: tuple[str, ...]  # stages whose records it is made from; "curate:posts.jsonl" counts by that file alone
    leaves: tuple[str, ...]  # patterns of the files that it leaves, in the publication's folder
    work: Callable[[Job], StageRecord]
    state: Callable[[Job], object] = lambda job: None  # what else decides its result, as JSON
    is_current: Callable[[Job, StageRecord], bool] = lambda job, record: True  # asked of a record that fits
    after: Callable[[Job], None] = lambda job: None  # done when its record is safe
    version: int = 1  # raise it when the same input gives another result than before
    needs_target: bool = False
    publishes: bool = False  # every file of the stages before is hashed again before its work

    @property
    def inputs(self) -> tuple[str, ...]:
        """The stages that it reads from."""
        return tuple(read.partition(":")[0] for read in self.reads)


def check_before_training(job: Job) -> None:
    """Raises PublisherError for what is known by then, and would be refused after it."""
    if job.has_target:
        card.check_early(job.config, job.target.repo_id, job.base.record, job.get(Curation).languages)
    evaluate.check_prompts(job.config)


def _finetune(job: Job) -> Training:
    check_before_training(job)
    with job.while_training():
        return finetune.finetune(job.config, job.get(Curation), job.base)


def _card(job: Job) -> Card:
    records = (job.get(Curation), job.get(Training), job.get(Evaluation), job.get(Snippet))
    return card.render(job.config, card.Sources(job.target.repo_id, job.target.endpoint, *records, job.tracking))


def _push(job: Job) -> Receipt:
    push.refuse_a_substitute(job.config, job.target, job.get(Training))
    files = to_publish(job)
    model = job.config.run_dir / MODEL_DIR
    for path in sorted(model.rglob("*")):
        if path.is_file() and path.relative_to(model).as_posix() not in files:
            job.say(f"      left out    {path}: no stage made it")
    return push.push(job.target, files, job.before(Receipt), job.create_pr)


def to_publish(job: Job) -> dict[str, File]:
    """What the stages say they left in model/, by path in the repository. Nothing else that lies there is published."""
    left = {path: output for record in job.records.values() for path, output in record.outputs.items()}
    return {
        Path(path).relative_to(MODEL_DIR).as_posix(): File(job.config.run_dir / path, output.size, output.sha256)
        for path, output in left.items()
        if Path(path).parts[0] == MODEL_DIR
    }


def _push_is_current(job: Job, receipt: StageRecord) -> bool:
    return isinstance(receipt, Receipt) and push.remote_is_current(job.target, receipt)


def _finetune_is_current(job: Job, training: StageRecord) -> bool:
    """Whether it may be published where this goes: a substitute is for the local Hub alone."""
    substituted = isinstance(training, Training) and training.base_model.substituted_for is not None
    return not (substituted and job.has_target and not job.target.is_local)


STAGES = (
    Stage(
        "fetch", Timeline, (), (TIMELINE, sources.AVATAR),
        lambda job: sources.fetch(job.config).model_copy(update={"posts": ()}),
        state=lambda job: sources.state(job.config), version=2,
    ),
    Stage(
        "curate", Curation, ("fetch",), (POSTS,),
        lambda job: curate.curate(job.config, sources.with_posts(job.config.run_dir, job.get(Timeline))),
        version=3,
    ),
    Stage(
        "finetune", Training, (f"curate:{POSTS}",), (f"{MODEL_DIR}/**/*",), _finetune,
        is_current=_finetune_is_current, after=lambda job: finetune.clear(job.config),
    ),
    Stage(
        "evaluate", Evaluation, (f"curate:{POSTS}", "finetune"), (f"{MODEL_DIR}/generation_config.json",),
        lambda job: evaluate.evaluate(job.config, job.get(Training), job.base.path),
        state=lambda job: (evaluate.METHOD, showing.method()),
    ),
    Stage(
        "snippet", Snippet, ("finetune", "evaluate"), (),
        lambda job: snippet.run_snippet(job.config, job.target.repo_id),
        state=lambda job: (snippet.code(job.config, job.target.repo_id), showing.method()), needs_target=True,
    ),
    Stage(
        "card", Card, ("curate", "finetune", "evaluate", "snippet"), card.LEAVES, _card,
        state=lambda job: card.state(job.config, job.target.repo_id, job.target.endpoint, job.tracking),
        needs_target=True,
    ),
    Stage(
        "push", Receipt, ("finetune", "evaluate", "card"), (), _push,
        state=lambda job: (job.target.place, job.target.repo_id),
        is_current=_push_is_current,
        needs_target=True, publishes=True,
    ),
    Stage(
        "loadback", LoadBack, ("push",), (),
        lambda job: loadback.load_back(job.config, job.get(Receipt), job.target.hub.token),
        state=lambda job: (job.get(Receipt).commit, job.config.prompts[0], showing.method()), needs_target=True,
    ),
)  # fmt: skip
BY_NAME = {stage.name: stage for stage in STAGES}
