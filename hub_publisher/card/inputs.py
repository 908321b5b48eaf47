"""Everything a card is made from, in one record that may be published: the page is a pure function of it.

`gather` reads the records of a finished publication and, once, its posts. What it returns holds no post and no path,
so it stands in manifest.json beside the card, and whoever downloads that can render the same card again.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from hub_publisher.config import HUGGING_FACE, Config
from hub_publisher.copying import copies
from hub_publisher.disk import read_jsonl, sha256_of
from hub_publisher.errors import CardError
from hub_publisher.records import POSTS, Curation, Evaluation, KeptPost, Snippet, Tracking, Training

_MAX_BINS = 40
_MAX_LOG_POINTS = 1000  # more than this no figure of the width of a page can show
# Config fields that decide the result: the command that makes a model again names those that are not the default.
REPRODUCED = (
    "base_revision",
    "min_posts",
    "heldout_ratio",
    "max_post_tokens",
    "learning_rate",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "num_epochs",
    "tokens_per_batch",
    "gradient_accumulation_steps",
    "seed",
    "dtype",
    "num_samples",
    "num_measured_samples",
    "temperature",
    "top_p",
)
# And those that the page shows as they are.
SHOWN = ("handle", "contact", "dataset", "grid_intensity")


class _Published(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PostStatistics(_Published):
    """What the kept posts say as a whole. Lengths are in characters; no text of a post is in here."""

    per_month: dict[str, int]  # "2017-01" -> kept posts, in order of time, months without posts included
    shortest: int
    median: int
    longest: int
    first_bin: int  # length at which the first bin begins
    bin_width: int
    bins: tuple[int, ...]  # kept posts in each bin; the longest hundredth of the posts is in the last one


class TrackedPage(_Published):
    """A tracked run, and the artifacts it was made from and left: name -> version, or content digest while offline."""

    run_id: str
    url: str | None = None
    inputs: dict[str, str] = {}
    artifacts: dict[str, str] = {}


class Inputs(_Published):
    """One publication as its card knows it."""

    repo_id: str
    is_on_hugging_face: bool  # whether the page's own address is one that a reader anywhere can open
    handle: str
    contact: str | None
    dataset: str | None
    grid_intensity: float | None  # grams of CO2-equivalent per kWh
    settings: dict[str, Any]  # of REPRODUCED, those that are not the default
    has_avatar: bool
    curation: Curation
    training: Training
    evaluation: Evaluation
    snippet: Snippet
    posts: PostStatistics
    runs: dict[str, TrackedPage]  # job type -> run
    eval_results: tuple[dict[str, Any], ...] = ()  # benchmark results, as the Hub's .eval_results files hold them

    @property
    def page_url(self) -> str:
        return f"https://{HUGGING_FACE}/{self.repo_id}"


def gather(
    config: Config,
    repo_id: str,
    endpoint: str,
    curation: Curation,
    training: Training,
    evaluation: Evaluation,
    snippet: Snippet,
    tracking: Tracking | None,
    has_avatar: bool = False,
    eval_results: tuple[dict[str, Any], ...] = (),
) -> Inputs:
    """Reads posts.jsonl and puts everything together. CardError when it is not the file that curation left."""
    path = config.run_dir / POSTS
    if not path.is_file() or sha256_of(path) != curation.posts_sha256:
        raise CardError(
            f"{POSTS} is missing or is not the file that curation.json describes.",
            f"Make it again: hub-publisher curate {config.handle}",
        )
    check_prompts(config, (group.prompt for group in evaluation.samples))
    return Inputs(
        repo_id=repo_id,
        is_on_hugging_face=urlsplit(endpoint).hostname == HUGGING_FACE,
        settings={name: value for name in REPRODUCED if (value := getattr(config, name)) != _DEFAULTS[name]},
        **{name: getattr(config, name) for name in SHOWN},
        has_avatar=has_avatar,
        curation=_without_bios(curation),
        training=_without_paths(training),
        evaluation=evaluation,
        snippet=snippet,
        posts=summarise(read_jsonl(path, KeptPost)),
        runs=tracked(tracking),
        eval_results=eval_results,
    )


def check_prompts(config: Config, prompts: Iterable[str]) -> None:
    """Raises CardError for a prompt that repeats a post: the page, the widget and the preview would publish it."""
    posts = (post.text for post in read_jsonl(config.run_dir / POSTS, KeptPost))
    if copied := sorted(copies(posts, prompts)):
        raise CardError(
            f"The prompt {copied[0][:100]!r} repeats a post, and no post is published.",
            "Choose another, or only its first words, with --prompts.",
        )


def tracked(tracking: Tracking | None) -> dict[str, TrackedPage]:
    """The tracked runs by job type, without what the last one left: that is made from this very card."""
    runs = tracking.runs if tracking else {}
    return {
        job: TrackedPage(
            run_id=run.run_id,
            url=run.url,
            inputs=run.inputs,
            artifacts=run.artifacts if job == "preprocess" else {},
        )
        for job, run in sorted(runs.items())
    }


def summarise(posts: Iterable[KeptPost]) -> PostStatistics:
    """One pass over the posts: months and lengths."""
    months: Counter[str] = Counter()
    lengths = []
    for post in posts:
        lengths.append(len(post.text))
        if post.created_at is not None:
            months[post.created_at.strftime("%Y-%m")] += 1
    lengths.sort()
    first, width, bins = _bins(lengths)
    return PostStatistics(
        per_month=_without_gaps(months),
        shortest=lengths[0],
        median=round(median(lengths)),
        longest=lengths[-1],
        first_bin=first,
        bin_width=width,
        bins=bins,
    )


def _bins(lengths: list[int]) -> tuple[int, int, tuple[int, ...]]:
    """Bins as wide as a whole number of characters: no bar is higher because it spans one more."""
    # The longest hundredth would squeeze the rest into a corner.
    first, limit = lengths[0], lengths[int(0.99 * (len(lengths) - 1))]
    width = -(-(limit + 1 - first) // _MAX_BINS)
    counts = [0] * ((limit - first) // width + 1)
    for length in lengths:
        counts[(min(length, limit) - first) // width] += 1
    return first, width, tuple(counts)


def _without_gaps(months: Counter[str]) -> dict[str, int]:
    """Month -> posts from the first to the last month, in order, silent months with 0."""
    if not months:
        return {}
    (year, month), last = map(int, min(months).split("-")), max(months)
    filled = {}
    while (name := f"{year:04d}-{month:02d}") <= last:
        filled[name] = months[name]
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return filled


def _without_bios(curation: Curation) -> Curation:
    """What an account says of itself is no fact about the model; the avatar's file is on this machine only."""
    accounts = tuple(account.model_copy(update={"bio": "", "avatar_file": None}) for account in curation.accounts)
    return curation.model_copy(update={"accounts": accounts})


def _without_paths(training: Training) -> Training:
    """Hyperparameters that a reader can use, and as much of the log as a page can show."""
    known = {name: value for name, value in training.hyperparameters.items() if not _is_path(value)}
    stride = -(-len(training.log) // _MAX_LOG_POINTS) or 1
    log = training.log[::-1][::stride][::-1]  # the last step always among them
    return training.model_copy(update={"hyperparameters": known, "log": log})


def _is_path(value: Any) -> bool:
    """Whether a value says where something lies on the machine that trained."""
    return isinstance(value, Path) or (isinstance(value, str) and value.startswith(("/", "~", ".", "\\")))


_DEFAULTS = {field.name: field.default for field in fields(Config)}
