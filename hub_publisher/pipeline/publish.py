"""publish(config): every stage in order, each skipped when it is done, and Weights & Biases beside them.

fetch -> curate -> finetune -> evaluate -> snippet -> card -> push -> loadback
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock, Timeout

from hub_publisher import sources, tracking
from hub_publisher.config import Config, deciding
from hub_publisher.errors import PublisherError
from hub_publisher.hub import providers
from hub_publisher.hub.target import open_target
from hub_publisher.pipeline.job import STAGE_OF, Job, Say
from hub_publisher.pipeline.runner import Runner, forget
from hub_publisher.records import (
    BaseModelInfo,
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
from hub_publisher.tracking.records import Tracking

R = TypeVar("R", bound=StageRecord)


class Publication(NamedTuple):
    """What `publish` returns: the records of everything that can be asked about the result."""

    receipt: Receipt
    loadback: LoadBack
    curation: Curation
    training: Training
    evaluation: Evaluation


def publish(
    config: Config, say: Say = lambda line: None, force: str | None = None, create_pr: bool = False
) -> Publication:
    """Take the posts of an account to a published model that loads by its id.

    `say` is told, a line at a time, what happens. `force` names a stage to do again together with all that follow it.
    With `create_pr` what changes is proposed as a pull request. Raises PublisherError; calling it again goes on where
    it stopped.
    """
    with alone(config), open_target(config) as target:
        tracking.check_others(config)
        if force:
            forget(config, force)
        job = Job(config, target, say)
        job.create_pr = create_pr
        return _Story(job).told()


class _Story:
    """One publication from its posts to its first reader."""

    def __init__(self, job: Job) -> None:
        self.job, self.config, self.say = job, job.config, job.say
        self.runner = Runner(job)

    def told(self) -> Publication:
        announce_place(self.job)
        timeline = self.do(Timeline)
        tracked = tracking.decide(self.config)
        announce_inputs(self.job, timeline, tracked, _known_base(self.job))
        curation = self.do(Curation)
        self._tell_kept(curation)
        timeline = sources.with_posts(self.config.run_dir, timeline)
        tracked = tracking.record_preprocess(self.config, tracked, timeline, curation, self._warn)
        with tracking.open_run(self.config, tracked, "train", settings(self.config, curation)) as run:
            self._train_and_publish(run, curation, tracked)
        for warning in run.warnings:
            self._warn(warning)
        if left := tracking.remainder(self.config):
            self.say(f"      note: {left}")
        loaded = self.do(LoadBack)
        return Publication(self._receipt(), loaded, curation, self.job.get(Training), self.job.get(Evaluation))

    def _train_and_publish(self, run: tracking.Run, curation: Curation, tracked: Tracking) -> None:
        self.job.while_training = lambda: _followed(self.config, curation, run)
        training = self.do(Training)
        tracking.record_inputs(run, self.config, training)
        evaluation = self.do(Evaluation)
        self._tell_metrics(evaluation)
        self.do(Snippet)
        self.job.tracking = tracking.current(self.config) or tracked
        self.do(Card)
        self.do(Receipt)
        receipt = self._receipt()
        for line in _about(self.job, receipt):
            self.say(f"      {line}")
        tracking.record_publication(run, evaluation, self.config, receipt)

    def do(self, kind: type[R]) -> R:
        """The record of this kind, done or found done."""
        self.runner.run(STAGE_OF[kind])
        return self.job.get(kind)

    def _receipt(self) -> Receipt:
        """A local Hub may have another port than last time."""
        target = self.job.target
        return self.job.get(Receipt).model_copy(update={"endpoint": target.endpoint, "url": target.url})

    def _warn(self, line: str) -> None:
        self.say(f"      warning: {line}")

    def _tell_kept(self, curation: Curation) -> None:
        kept = curation.num_train + curation.num_heldout
        downloaded = sum(account.num_downloaded for account in curation.accounts)
        self.say(f"      {kept:,} of {downloaded:,} posts kept, {curation.num_heldout:,} of them held out")
        for note in curation.notes:
            self.say(f"      note: {note}")

    def _tell_metrics(self, evaluation: Evaluation) -> None:
        base, tuned = evaluation.base, evaluation.tuned
        self.say(
            f"      held-out perplexity {base.perplexity:.1f} -> {tuned.perplexity:.1f}, "
            f"bits per byte {base.bits_per_byte:.3f} -> {tuned.bits_per_byte:.3f} (base -> tuned)"
        )


@contextmanager
def _followed(config: Config, curation: Curation, run: tracking.Run) -> Iterator[None]:
    """The training log goes to every tracker while training writes it."""
    log = config.run_dir / tracking.TRAINING_LOG
    with ExitStack() as stack:
        stack.enter_context(tracking.follow(run, log))
        stack.enter_context(tracking.follow_elsewhere(config, settings(config, curation), log, run.warnings))
        yield


def _about(job: Job, receipt: Receipt) -> Iterator[str]:
    """What the reader of the output should know of a push."""
    yield from (f"README.md: {note}" for note in receipt.notes)
    if receipt.pull_request:
        yield f"proposed as {job.target.url}/discussions/{receipt.pull_request}; main is as it was"
    if not job.target.is_local:  # the local Hub serves every model itself
        yield from providers.inference_status(job.target, receipt).splitlines()


def announce_place(job: Job) -> None:
    """State where everything will go, before anything is done."""
    target, say = job.target, job.say
    where = f"the local Hub at {target.endpoint}" if target.is_local else target.endpoint
    say(f"Publishing @{job.config.handle}")
    say(f"  target      {where}")
    say(f"  repository  {target.repo_id} ({target.visibility})")


def announce_inputs(job: Job, timeline: Timeline, tracked: Tracking, base: str) -> None:
    """State what will be done with what, before it is."""
    job.say(f"      posts       {timeline.num_posts:,} from {timeline.source}")
    job.say(f"      base model  {base}")
    job.say(f"      W&B         {tracked.mode}: {tracked.reason}")
    if tracked.mode != "disabled":
        when = "nothing now; with a sync " if tracked.mode == "offline" else ""
        job.say(f"      W&B gets    {when}{tracking.describe_datasets(tracked, timeline.may_share_texts)}")


def settings(config: Config, curation: Curation) -> dict[str, object]:
    """What the tracker's train run is configured with, and what makes it another run when it changes."""
    is_folder = Path(config.base_model).is_dir()
    return {
        **{name: getattr(config, name) for name in deciding("finetune")},
        "base_model": "a local folder" if is_folder else config.base_model,
        "num_train_posts": curation.num_train,
        "num_heldout_posts": curation.num_heldout,
        "posts_sha256": curation.posts_sha256,
    }


def _known_base(job: Job) -> str:
    """The base model in words: of the training that is on disk, or resolved now."""
    training = job.before(Training)
    known = training is not None and training.base_model.requested == job.config.base_model
    return describe_base(training.base_model if known and training else job.base.record)


def describe_base(base: BaseModelInfo) -> str:
    """The base model in words, with what it stands in for."""
    name = base.hub_id or base.requested
    if base.substituted_for:
        return f"{name} (bundled), because {base.substituted_for} is neither cached nor reachable"
    return name


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep a second process from working on the same publication."""
    config.run_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(config.run_dir / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise PublisherError(
            f"Another process is working on {config.run_dir}.", "Wait for it, or choose another --repo-name."
        ) from error
