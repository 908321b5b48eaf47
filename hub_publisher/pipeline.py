"""publish(config): the whole story in order. Each stage is skipped when its record is there and up to date.

fetch -> curate -> finetune -> evaluate -> try the snippet -> card -> push -> load back
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from hub_publisher import (
    base_model,
    card,
    curate,
    evaluate,
    finetune,
    inference,
    loadback,
    push,
    snippet,
    sources,
    tracking,
)
from hub_publisher.base_model import BaseModel
from hub_publisher.config import Config
from hub_publisher.disk import read_record, read_timeline, write_bytes
from hub_publisher.errors import PublisherError
from hub_publisher.hub_target import Target, open_target
from hub_publisher.records import (
    RECORDS,
    BaseModelRecord,
    Card,
    Curation,
    Evaluation,
    LoadBack,
    Receipt,
    Snippet,
    StageRecord,
    Timeline,
    Tracking,
    Training,
)

Say = Callable[[str], None]
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

    `say` is told, a line at a time, what happens. `force` names a stage (a key of RECORDS) to do again together with
    all that follow it. With `create_pr` what changes is proposed as a pull request. Raises PublisherError; calling it
    again goes on where it stopped.
    """
    with _alone(config), open_target(config) as target:
        if force:
            forget(config, force)
        do = Stages(config, target, say)
        tracking.check_others(config)
        tracked = tracking.decide(config)
        timeline = do.fetch()
        do.announce(timeline, tracked, do.known_base())
        curation = do.stage(
            "curate", Curation, curate.expected_fingerprint(config, timeline), lambda: curate.curate(config, timeline)
        )
        do.tell_kept(curation)
        tracked = tracking.record_preprocess(config, tracked, timeline, curation, do.warn)
        with tracking.open_run(config, tracked, "train", do.settings(curation)) as run:
            training = do.train(curation, run)
            tracking.record_inputs(run, config, training)
            evaluation = do.evaluate(curation, training)
            tried = do.try_snippet(training)
            tracked = tracking.current(config) or tracked
            rendered = do.render(curation, training, evaluation, tried, tracked)
            receipt = do.push(rendered, create_pr)
            do.tell_who_serves(receipt)
            tracking.record_publication(run, evaluation, config, receipt)
        for warning in run.warnings:
            do.warn(warning)
        if left := tracking.remainder(config):
            say(f"      note: {left}")
        loaded = do.stage(
            "loadback",
            LoadBack,
            loadback.expected_fingerprint(config, receipt),
            lambda: loadback.load_back(config, receipt, target.token),
        )
        return Publication(receipt, loaded, curation, training, evaluation)


class Stages:
    """The stages of one publication, each done or found done, and told of either way."""

    def __init__(self, config: Config, target: Target, say: Say) -> None:
        self.config = config
        self.target = target
        self.say = say

    def stage(self, name: str, kind: type[R], expected: str, work: Callable[[], R], current: bool = True) -> R:
        """The stage's record: the one on disk when it is `current` and has the expected fingerprint, else a new one."""
        record = read_record(self.config.run_dir / RECORDS[name], kind)
        if record is not None and record.fingerprint == expected and current:
            self._tell(name, "up to date")
            return record
        self._tell(name, "...")
        started = time.monotonic()
        record = work()
        self._tell(name, f"done in {time.monotonic() - started:.0f} s")
        return record

    def warn(self, line: str) -> None:
        """Say what went wrong without stopping anything."""
        self.say(f"      warning: {line}")

    def _tell(self, name: str, state: str) -> None:
        number = list(RECORDS).index(name) + 1
        self.say(f"[{number}/{len(RECORDS)}] {name:9} {state}")

    def fetch(self) -> Timeline:
        """The account's timeline, read again when its source changed."""
        timeline = read_timeline(sources.timeline_path(self.config))
        if timeline is None or timeline.fingerprint != sources.expected_fingerprint(self.config):
            timeline = sources.fetch(self.config)
        return timeline

    @cached_property
    def base(self) -> BaseModel:
        """The base model, resolved when a stage first needs it."""
        return base_model.resolve(self.config, may_substitute=self.target.is_local)

    def settings(self, curation: Curation) -> dict[str, object]:
        """What the tracker's train run is configured with, and what makes it another run when it changes."""
        is_folder = Path(self.config.base_model).is_dir()
        return {
            **{name: getattr(self.config, name) for name in finetune.FIELDS},
            "base_model": "a local folder" if is_folder else self.config.base_model,
            "num_train_posts": curation.num_train,
            "num_heldout_posts": curation.num_heldout,
            "posts_sha256": curation.posts_sha256,
        }

    def train(self, curation: Curation, run: tracking.Run) -> Training:
        """Fine-tune. What was trained on a substitute for the local Hub is trained again for another."""
        before = read_record(self.config.run_dir / RECORDS["finetune"], Training)
        substituted = before is not None and before.base_model.substituted_for is not None

        def work() -> Training:
            card.check_early(self.config, self.target.repo_id, self.base.record, curation.languages)
            card.check_prompts(self.config, self.config.prompts)
            log = self.config.run_dir / "training-log.jsonl"
            others = tracking.follow_elsewhere(self.config, self.settings(curation), log, run.warnings)
            with tracking.follow(run, log), others:
                return finetune.finetune(self.config, curation, self.base)

        expected = finetune.expected_fingerprint(self.config, curation)
        return self.stage("finetune", Training, expected, work, current=self.target.is_local or not substituted)

    def evaluate(self, curation: Curation, training: Training) -> Evaluation:
        """Measure the model beside its base."""
        evaluation = self.stage(
            "evaluate",
            Evaluation,
            evaluate.expected_fingerprint(self.config, curation, training),
            lambda: evaluate.evaluate(self.config, curation, training, self.base.path),
        )
        base, tuned = evaluation.base, evaluation.tuned
        self.say(
            f"      held-out perplexity {base.perplexity:.1f} -> {tuned.perplexity:.1f}, "
            f"bits per byte {base.bits_per_byte:.3f} -> {tuned.bits_per_byte:.3f} (base -> tuned)"
        )
        return evaluation

    def try_snippet(self, training: Training) -> Snippet:
        """Run the card's code on the model before it is published."""
        repo_id = self.target.repo_id
        expected = snippet.expected_fingerprint(self.config, repo_id, training)
        return self.stage("snippet", Snippet, expected, lambda: snippet.run_snippet(self.config, repo_id, training))

    def render(
        self,
        curation: Curation,
        training: Training,
        evaluation: Evaluation,
        tried: Snippet,
        tracked: Tracking | None,
    ) -> Card:
        """Write the card from the records."""
        records = (self.config, self.target.repo_id, curation, training, evaluation, tried, tracked)
        expected = card.expected_fingerprint(*records, self.target.endpoint)
        rendered = self.stage("card", Card, expected, lambda: card.render(*records, self.target.endpoint))
        if rendered.missing_fonts:
            self.say(f"      note: {card.font_remedy(rendered.missing_fonts)}")
        return rendered

    def push(self, rendered: Card, create_pr: bool = False) -> Receipt:
        """Publish, unless the Hub still holds exactly this."""
        before = read_record(self.config.run_dir / RECORDS["push"], Receipt)
        current = before is not None and push.remote_is_current(self.target, before)
        expected = push.expected_fingerprint(self.config, self.target, rendered)

        def work() -> Receipt:
            receipt = push.push(self.config, self.target, rendered, create_pr=create_pr)
            for note in receipt.notes:
                self.say(f"      README.md: {note}")
            return receipt

        receipt = self.stage("push", Receipt, expected, work, current=current)
        if receipt.pull_request:
            self.say(f"      proposed as {self.target.url}/discussions/{receipt.pull_request}; main is as it was")
        # A local Hub may have another port than last time.
        return receipt.model_copy(update={"endpoint": self.target.endpoint, "url": self.target.url})

    def tell_who_serves(self, receipt: Receipt) -> None:
        """Say whether the page has a live widget. The local Hub has its own."""
        if not self.target.is_local:
            for line in inference.inference_status(self.target, receipt).splitlines():
                self.say(f"      {line}")

    def announce(self, timeline: Timeline, tracked: Tracking, base: str) -> None:
        """State what will happen where, before it does."""
        where = f"the local Hub at {self.target.endpoint}" if self.target.is_local else self.target.endpoint
        self.say(f"Publishing @{self.config.handle}")
        self.say(f"  target      {where}")
        self.say(f"  repository  {self.target.repo_id} ({self.target.visibility})")
        self.say(f"  base model  {base}")
        self.say(f"  posts       {len(timeline.posts):,} from {timeline.source}")
        self.say(f"  W&B         {tracked.mode}: {tracked.reason}")
        if tracked.mode != "disabled":
            when = "nothing now; with a sync " if tracked.mode == "offline" else ""
            self.say(f"  W&B gets    {when}{tracking.describe_datasets(tracked, timeline.may_share_texts)}")

    def known_base(self) -> str:
        """The base model in words: of the training that is on disk, or resolved now."""
        training = read_record(self.config.run_dir / RECORDS["finetune"], Training)
        known = training is not None and training.base_model.requested == self.config.base_model
        return describe_base(training.base_model if known and training else self.base.record)

    def tell_kept(self, curation: Curation) -> None:
        """Say how many posts were kept and what the reader should know about them."""
        kept = curation.num_train + curation.num_heldout
        downloaded = sum(account.num_downloaded for account in curation.accounts)
        self.say(f"      {kept:,} of {downloaded:,} posts kept, {curation.num_heldout:,} of them held out")
        for note in curation.notes:
            self.say(f"      note: {note}")


def describe_base(base: BaseModelRecord) -> str:
    """The base model in words, with what it stands in for."""
    name = base.hub_id or base.requested
    if base.substituted_for:
        return f"{name} (bundled), because {base.substituted_for} is neither cached nor reachable"
    return name


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Keep a second process from working on the same publication."""
    from filelock import FileLock, Timeout

    config.run_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(config.run_dir / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise PublisherError(
            f"Another process is working on {config.run_dir}.", "Wait for it, or choose another --repo-name."
        ) from error


def forget(config: Config, stage: str) -> None:
    """Void the records of `stage` and of all that follow it, so that they are done again.

    They stay readable: push learns from its last receipt which files it published before.
    """
    names = list(RECORDS)
    for name in names[names.index(stage) :]:
        path = config.run_dir / RECORDS[name]
        if name == "fetch":
            sources.timeline_path(config).unlink(missing_ok=True)
        elif path.exists():
            record = json.loads(path.read_bytes()) | {"fingerprint": "to be done again"}
            write_bytes(path, json.dumps(record, indent=2).encode())
