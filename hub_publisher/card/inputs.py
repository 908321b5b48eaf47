"""Everything a card is made from, read once: the records, and what posts.jsonl says that no record does."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub_publisher.config import HUGGING_FACE, Config
from hub_publisher.disk import read_jsonl, sha256_of
from hub_publisher.errors import CardError
from hub_publisher.records import POSTS, Curation, Evaluation, KeptPost, Samples, TrackedRun, Tracking, Training

COPY_WORDS = 8  # a run this long in a generated text counts as copied from a post

# A word, or one character of a script that puts no spaces between words: kana, Han, Thai, Lao, Burmese, Khmer.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_UNIT = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")


@dataclass(frozen=True)
class PostFacts:
    """What the kept posts say as a whole. No text of a post is in here."""

    per_month: dict[str, int]  # "2017-01" -> kept posts, in order of time, months without posts included
    lengths: tuple[int, ...]  # characters of each kept post, sorted
    copied: frozenset[str]  # sample texts (prompt and continuation) that repeat a post


@dataclass(frozen=True)
class Inputs:
    """The records of one publication, and where it goes."""

    config: Config
    repo_id: str
    endpoint: str
    curation: Curation
    training: Training
    evaluation: Evaluation
    tracking: Tracking | None
    posts: PostFacts

    @property
    def is_on_hugging_face(self) -> bool:
        """Whether the page's own address is one that a reader anywhere can open."""
        return urlsplit(self.endpoint).hostname == HUGGING_FACE

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
    tracking: Tracking | None,
) -> Inputs:
    """Reads posts.jsonl and puts everything together. CardError when it is not the file that curation left."""
    path = config.run_dir / POSTS
    if not path.is_file() or sha256_of(path) != curation.posts_sha256:
        raise CardError(
            f"{POSTS} is missing or is not the file that curation.json describes.",
            f"Make it again: hub-publisher curate {config.handle}",
        )
    posts = summarise(read_jsonl(path, KeptPost), evaluation.samples)
    return Inputs(config, repo_id, endpoint, curation, training, evaluation, tracking, posts)


def tracked(tracking: Tracking | None) -> dict[str, TrackedRun]:
    """The tracked runs that have a page: job type -> run."""
    runs = tracking.runs if tracking else {}
    return {job: run for job, run in sorted(runs.items()) if run.url}


def summarise(posts: Iterable[KeptPost], samples: Iterable[Samples]) -> PostFacts:
    """One pass over the posts: months, lengths, and which samples repeat one of them."""
    texts = [group.prompt + text for group in samples for text in (*group.tuned, *group.base)]
    watched: dict[tuple[str, ...], set[str]] = {}
    for text in texts:
        for run in _runs(text):
            watched.setdefault(run, set()).add(text)
    months: Counter[str] = Counter()
    lengths, copied = [], set()
    for post in posts:
        lengths.append(len(post.text))
        if post.created_at is not None:
            months[post.created_at.strftime("%Y-%m")] += 1
        for run in _runs(post.text):
            copied |= watched.get(run, set())
    return PostFacts(_without_gaps(months), tuple(sorted(lengths)), frozenset(copied))


def _runs(text: str) -> Iterable[tuple[str, ...]]:
    """Every run of COPY_WORDS words, and the whole text when it is shorter.

    A character of an unspaced script weighs half a word: 8 words of Japanese have some 16 characters.
    """
    units = _UNIT.findall(text.casefold())
    weights = [0.5 if _UNSPACED_CHARACTER.match(unit) else 1.0 for unit in units]
    end, weight = 0, 0.0
    for start in range(len(units)):
        while end < len(units) and weight < COPY_WORDS:
            weight += weights[end]
            end += 1
        if weight < COPY_WORDS:
            if start == 0 and units:
                yield tuple(units)
            return
        yield tuple(units[start:end])
        weight -= weights[start]


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
