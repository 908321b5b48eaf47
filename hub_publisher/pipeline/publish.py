"""publish(config): every stage of the table in order, each skipped when it is done, and W&B beside them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import singledispatchmethod
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from hub_publisher import card, finetune, sources, tracking
from hub_publisher.config import Config, deciding
from hub_publisher.errors import PublisherError
from hub_publisher.hub import providers
from hub_publisher.hub.preview import Confirm, asking, how_to_look, shown
from hub_publisher.hub.target import open_target, visibility
from hub_publisher.pipeline.job import Job, Say
from hub_publisher.pipeline.publication import Publication
from hub_publisher.pipeline.runner import Runner, following, void
from hub_publisher.pipeline.stages import STAGES, Stage, to_publish
from hub_publisher.records import Card, Curation, Evaluation, LoadBack, Receipt, StageRecord, Timeline, Training
from hub_publisher.system.files import private_folder
from hub_publisher.tracking.records import Tracking


def publish(
    config: Config,
    say: Say = lambda line: None,
    force: str | None = None,
    create_pr: bool = False,
    confirm: Confirm | None = None,
) -> Publication:
    """Take the posts of an account to a published model that loads by its id.

    `say` is told, a line at a time, what happens. `force` names a stage to do again together with all that follow it.
    With `create_pr` what changes is proposed as a pull request. `confirm`, where it is given, is asked once before
    another Hub than the local one is changed: with the question and the address of a preview. Raises PublisherError;
    calling it again goes on where it stopped.
    """
    with _begun(config, say, force, create_pr, confirm) as story:
        story.tell(STAGES)
        found = story.job.get
        return Publication(story.receipt(), found(LoadBack), found(Curation), found(Training), found(Evaluation))


def prepare(config: Config, say: Say = lambda line: None, force: str | None = None) -> Card:
    """All of `publish` that comes before publishing, and a preview on the local Hub; `publish` goes on from there."""
    with _begun(config, say, force) as story:
        story.tell(list(takewhile(lambda stage: not stage.publishes, STAGES)))
        with shown(config, to_publish(story.job)):
            say(f"\nNothing was published. {how_to_look(config)}; the same command without --no-push goes on.")
        return story.job.get(Card)


def check(config: Config) -> None:
    """Raises PublisherError for trackers and files of the settings that a stage would refuse, however late."""
    tracking.check_others(config)
    card.check_files(config)
    finetune.check_launch(config)


class _Story:
    """One publication from its posts to its first reader, and what is said and tracked on the way."""

    tracked: Tracking  # known once the posts are there
    run: tracking.Run  # open from the curation to the push

    def __init__(self, job: Job) -> None:
        self.job, self.config = job, job.config
        self.until_published = ExitStack()

    def tell(self, stages: Sequence[Stage]) -> None:
        """These stages in order; one of which nothing special is to be said needs no line here."""
        announce_place(self.job)
        runner = Runner(self.job, STAGES)
        with self.until_published:
            for stage in stages:
                self.after(runner.run(stage.name))

    @singledispatchmethod
    def after(self, record: StageRecord) -> None:
        """Say and track what a stage found out."""

    @after.register
    def _(self, timeline: Timeline) -> None:
        self.tracked = tracking.decide(self.config)
        announce_inputs(self.job, timeline, self.tracked, known_base(self.job))

    @after.register
    def _(self, curation: Curation) -> None:
        announce_kept(self.job, curation)
        timeline = sources.with_posts(self.config.run_dir, self.job.get(Timeline))
        tracked = tracking.record_preprocess(self.config, self.tracked, timeline, curation, self._warn)
        train = tracking.open_run(self.config, tracked, "train", settings(self.config, curation))
        self.run = self.until_published.enter_context(train)
        self.job.while_training = lambda: _followed(self.config, curation, self.run)

    @after.register
    def _(self, training: Training) -> None:
        tracking.record_inputs(self.run, self.config, training)
        self.job.tracking = tracking.current(self.config) or self.tracked

    @after.register
    def _(self, evaluation: Evaluation) -> None:
        base, tuned = evaluation.base, evaluation.tuned
        self._say(
            f"held-out perplexity {base.perplexity:.1f} -> {tuned.perplexity:.1f}, "
            f"bits per byte {base.bits_per_byte:.3f} -> {tuned.bits_per_byte:.3f} (base -> tuned)"
        )

    @after.register
    def _(self, receipt: Receipt) -> None:
        target = self.job.target
        for note in receipt.notes:
            self._say(f"README.md: {note}")
        if receipt.pull_request:
            self._say(f"proposed as {target.url}/discussions/{receipt.pull_request}; main is as it was")
        if not target.is_local:  # the local Hub serves every model itself
            for line in providers.inference_status(target.hub, receipt.repo_id).splitlines():
                self._say(line)
        tracking.record_publication(self.run, self.job.get(Evaluation), self.config, self.receipt())
        self.until_published.close()
        for warning in self.run.warnings:
            self._warn(warning)
        if left := tracking.remainder(self.config):
            self._say(f"note: {left}")

    def receipt(self) -> Receipt:
        """The record of the push. A local Hub may have another port than last time."""
        target = self.job.target
        return self.job.get(Receipt).model_copy(update={"endpoint": target.endpoint, "url": target.url})

    def _say(self, line: str) -> None:
        self.job.say(f"      {line}")

    def _warn(self, line: str) -> None:
        self._say(f"warning: {line}")


@contextmanager
def _begun(
    config: Config, say: Say, force: str | None, create_pr: bool = False, confirm: Confirm | None = None
) -> Iterator[_Story]:
    """A publication that nobody else works on, its target checked, and to be done again from `force` on."""
    forced = following(force)
    with alone(config), open_target(config) as target:
        check(config)
        for stage in forced:
            void(config, stage)
        yield _Story(Job(config, asking(target, config, confirm), say, create_pr))


@contextmanager
def _followed(config: Config, curation: Curation, run: tracking.Run) -> Iterator[None]:
    """The training log goes to every tracker while training writes it."""
    log, told = config.run_dir / tracking.TRAINING_LOG, settings(config, curation)
    with tracking.follow(run, log), tracking.follow_elsewhere(config, told, log, run.warnings):
        yield


def announce_place(job: Job) -> None:
    """State where everything will go, before anything is done."""
    target, say = job.target, job.say
    where = f"the local Hub at {target.endpoint}" if target.is_local else target.endpoint
    say(f"Publishing @{job.config.handle}")
    say(f"  target      {where}")
    say(f"  repository  {target.repo_id} ({visibility(target.private)})")


def announce_inputs(job: Job, timeline: Timeline, tracked: Tracking, base: str) -> None:
    """State what will be done with what, before it is."""
    job.say(f"      posts       {timeline.num_posts:,} from {sources.in_words(timeline.source)}")
    job.say(f"      base model  {base}")
    job.say(f"      W&B         {tracked.mode}: {tracked.reason}")
    if tracked.mode != "disabled":
        later = f"nothing now; if you run `hub-publisher sync {job.config.handle}` later, "
        when = later if tracked.mode == "offline" else ""
        job.say(f"      W&B gets    {when}{tracking.describe_datasets(tracked, timeline.may_share_texts)}")


def announce_kept(job: Job, curation: Curation) -> None:
    """State how many posts will be learned from."""
    kept = curation.num_train + curation.num_heldout
    downloaded = sum(account.num_downloaded for account in curation.accounts)
    job.say(f"      {kept:,} of {downloaded:,} posts kept, {curation.num_heldout:,} of them held out")
    for note in curation.notes:
        job.say(f"      note: {note}")


def settings(config: Config, curation: Curation) -> dict[str, object]:
    """What the tracker's train run is configured with, and what makes it another run when it changes."""
    return {
        **{name: getattr(config, name) for name in deciding("finetune")},
        "base_model": "a local folder" if Path(config.base_model).is_dir() else config.base_model,
        "num_train_posts": curation.num_train,
        "num_heldout_posts": curation.num_heldout,
        "posts_sha256": curation.posts_sha256,
    }


def known_base(job: Job) -> str:
    """The base model in words: of the training that is on disk, or resolved now; with what it stands in for."""
    training = job.before(Training)
    known = training and training.base_model
    base = known if known and known.requested == job.config.base_model else job.base.record
    name = base.hub_id or base.requested
    if base.substituted_for:
        return f"{name} (bundled), because {base.substituted_for} is neither cached nor reachable"
    return name


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep a second process from working on the same publication."""
    private_folder(config.run_dir)
    try:
        with FileLock(config.run_dir / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise PublisherError(
            f"Another process is working on {config.run_dir}.", "Wait for it, or choose another --repo-name."
        ) from error
