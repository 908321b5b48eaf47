"""The nouns that the stages hand over, in pipeline order; those of whole stages name their file."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

POSTS, TIMELINE, MODEL_DIR = "posts.jsonl", "timeline.jsonl", "model"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Record):
    """A file that a stage left, as it was then."""

    size: int  # bytes
    sha256: str
    mtime_ns: int  # the same time and size as then: taken for the same file, unless it is about to be published


class StageRecord(_Record):
    """What a finished stage leaves. The three fields here are the runner's, who writes it last; no stage sets them."""

    file: ClassVar[str]  # under runs/<name>/
    fingerprint: str = ""  # of its settings, of what it read and of its version
    settings: dict[str, Any] = {}  # those that decided its result and are not the default
    outputs: dict[str, Output] = {}  # by path in the publication's folder


class Post(_Record):
    """One post as its source gave it, before any cleaning."""

    id: str
    text: str
    created_at: datetime | None = None
    language: str | None = None  # as the platform says it, e.g. "en", "und"
    is_repost: bool = False
    is_reply: bool = False
    is_truncated: bool = False  # the source cut the text and the whole is nowhere in it
    links: tuple[str, ...] = ()  # links exactly as they stand in `text`


class Timeline(StageRecord):
    """The posts of one account, downloaded or read, nothing dropped."""

    file = "timeline.json"
    source: str  # "sample", "x_archive", "files"
    handle: str
    display_name: str
    bio: str = ""
    profile_url: str | None = None
    avatar_file: str | None = None  # name of the picture beside the record
    escapes_html: bool = False  # the source writes &amp; &lt; &gt;
    may_share_texts: bool = True  # False when the source's terms forbid handing its texts on
    notes: tuple[str, ...] = ()  # what a reader of the data should know, one sentence each
    num_posts: int = 0
    posts: tuple[Post, ...] = ()  # in memory; on disk they are in timeline.jsonl, one a line


class KeptPost(_Record):
    """A post as the model sees it."""

    id: str
    text: str
    created_at: datetime | None = None
    language: str | None = None  # ISO 639-1 where known
    split: str = "train"  # or "heldout"


class Account(_Record):
    """One account's part in the training data. num_downloaded == num_kept + sum(dropped.values())."""

    handle: str
    display_name: str
    bio: str
    profile_url: str | None
    avatar_file: str | None
    source: str
    num_downloaded: int
    dropped: dict[str, int]  # reason -> posts, in the order the rules run; every reason is there, also with 0
    num_kept: int


class PostStatistics(_Record):
    """What the kept posts say as a whole. Lengths are in characters; no text of a post is in here."""

    per_month: dict[str, int]  # "2017-01" -> kept posts, in order of time, months without posts included
    shortest: int
    median: int
    longest: int
    first_bin: int  # length at which the first bin begins
    bin_width: int
    bins: tuple[int, ...]  # kept posts in each bin; the longest hundredth of the posts is in the last one


class Curation(StageRecord):
    """What was kept of the timelines, why the rest was not, and how it was split."""

    file = "curation.json"
    accounts: tuple[Account, ...]
    masked: dict[str, int]  # "emails", "phone_numbers", "special_tokens" -> how many were masked in kept posts
    languages: dict[str, int]  # ISO 639-1 code or "und" -> kept posts, most frequent first
    first_post_at: datetime | None
    last_post_at: datetime | None
    last_train_post_at: datetime | None = None  # the newest that training sees; early records lack it
    num_train: int
    num_heldout: int
    num_train_characters: int
    num_heldout_characters: int
    split_by: str  # "time" or "hash"
    may_share_texts: bool
    notes: tuple[str, ...] = ()
    posts: PostStatistics
    posts_sha256: str  # of posts.jsonl


class BaseModelInfo(_Record):
    """Facts about the pretrained model. Everything here is public knowledge or None; never a local path."""

    requested: str  # what the configuration named; "a local folder" for a folder
    hub_id: str | None = None
    revision: str | None = None  # commit on the Hub
    license: str | None = None  # the Hub's licence id
    num_parameters: int
    substituted_for: str | None = None  # the id that could not be had, when another model took its place
    notes: tuple[str, ...] = ()  # e.g. that the weights come from a 4-bit quantisation


class LogPoint(_Record):
    """One optimizer step of the training log."""

    step: int
    epoch: float
    loss: float  # nats per token, mean over the whole global batch
    learning_rate: float
    grad_norm: float
    num_tokens: int  # seen so far, padding excluded
    tokens_per_second: float


class EpochEval(_Record):
    """Held-out loss after a pass over the posts (epoch 0: before the first step)."""

    epoch: int
    step: int
    eval_loss: float  # nats per token


class Training(StageRecord):
    """How the weights in model/ came about."""

    file = "training.json"
    base_model: BaseModelInfo
    hyperparameters: dict[str, Any]  # as the field names them: learning_rate, num_epochs, tokens_per_batch, ...
    log: tuple[LogPoint, ...]
    evals: tuple[EpochEval, ...]
    best_epoch: int
    stopped_early: bool
    num_steps: int
    num_train_tokens: int  # BOS and EOS included, one pass
    padding_ratio: float  # padding / all tokens computed, over the whole training
    num_cut_posts: int  # longer than max_post_tokens
    max_new_tokens: int  # that nearly all posts fit in: how long a sample may become
    train_seconds: float
    peak_memory_bytes: int
    hardware: str  # e.g. "2 CPU cores (AMD EPYC)", "1 x NVIDIA H100"
    num_processes: int
    mixed_precision: str  # "no" or "bf16"
    versions: dict[str, str]  # package -> version
    energy_joules: float | None = None  # as the hardware's own counters say; None without any, or once interrupted
    energy_source: str | None = None  # which counters: "RAPL (package-0, dram)"
    weights_sha256: str  # of model/model.safetensors (of its index when sharded)


class Interval(_Record):
    """The middle 95 % of what a bootstrap over the held-out posts gives (percentile method)."""

    low: float
    high: float


class Metrics(_Record):
    """Held-out metrics of one model on the same posts, each post alone, BOS to EOS."""

    eval_loss: float  # nats per token
    perplexity: float  # exp(eval_loss), per token
    bits_per_byte: float  # tokenizer-independent: nats / ln 2 / UTF-8 bytes of the posts
    eval_loss_interval: Interval
    perplexity_interval: Interval
    bits_per_byte_interval: Interval
    num_posts: int
    num_tokens: int
    num_bytes: int


class Comparison(_Record):
    """The tuned model minus its base, post by post: the bootstrap resamples the same posts for both."""

    eval_loss_difference: float  # nats per token, below 0 when the tuned model is better
    eval_loss_difference_interval: Interval
    num_posts_better: int  # held-out posts on which the tuned model's loss is lower
    num_resamples: int


class TextStatistics(_Record):
    """What a set of texts shares with the training posts, and how varied it is. Words as copying.py counts them."""

    num_texts: int
    num_copied: int  # texts with a run of `copy_words` words of a training post in them, or that are a shorter one
    longest_copy: int  # words of the longest run that stands in a training post too
    novelty: dict[int, float]  # n -> share of the texts' n-grams that stand in no training post
    distinct: dict[int, float]  # n -> distinct n-grams / n-grams, every set cut to the same number of words


class Memorisation(_Record):
    """How much the model copies, beside two controls that never saw the training posts: its base, held-out posts."""

    copy_words: int
    num_words: int  # that every set was cut to for `distinct`
    tuned: TextStatistics
    base: TextStatistics
    heldout: TextStatistics
    excess: float  # share of copies among the tuned model's texts minus the larger of the controls' shares


class Check(_Record):
    """What texts were checked with before they were shown, and what was found. Copies are withheld in any case."""

    found: dict[str, int]  # "copies", "language", "personal_data" -> texts, each counted once, for the first of them
    word_list: str  # its name and version
    languages: tuple[str, ...]  # of the words looked for
    show_all: bool  # texts are shown for all their language and personal data


class Samples(_Record):
    """Continuations of one prompt, without it, the first of their seed. None is one withheld."""

    prompt: str
    tuned: tuple[str | None, ...]
    base: tuple[str | None, ...]


class Evaluation(StageRecord):
    """The tuned model beside its base, on the held-out posts and in words."""

    file = "evaluation.json"
    base: Metrics
    tuned: Metrics
    comparison: Comparison
    memorisation: Memorisation
    samples: tuple[Samples, ...]
    check: Check | None = None  # of the samples; None in records of before it, when copies alone were withheld
    sampling: dict[str, Any]  # temperature, top_p, max_new_tokens, do_sample: what generation_config.json holds too
    seed: int  # of the first prompt's samples; each further prompt has the next
    eval_seconds: float


class Snippet(StageRecord):
    """The card's lines of Python, run as they stand on the model that will be published."""

    file = "snippet.json"
    code: str
    printed: tuple[str | None, ...]  # what each print() wrote; None is a text withheld
    check: Check | None = None  # of what was printed
    stderr: str  # anything besides; empty when it was silent
    seconds: float


class Card(StageRecord):
    """The rendered model card: its outputs are README.md, its figures and manifest.json."""

    file = "card.json"


class Receipt(StageRecord):
    """What was published, read back from the Hub."""

    file = "receipt.json"
    endpoint: str  # "https://huggingface.co", or the local Hub's URL
    is_local: bool
    repo_id: str
    visibility: str  # "public" or "private"
    commit: str  # full commit hash
    url: str  # of the model page
    files: dict[str, str]  # path in the repository -> SHA-256, every one compared with the remote
    published_at: datetime
    pull_request: int | None = None  # its number, when the commit waits there for somebody's word
    notes: tuple[str, ...] = ()  # what of README.md others wrote and was kept, what was broken and repaired


class LoadBack(StageRecord):
    """What a reader of the card gets from `pipeline("text-generation", model=repo_id)` in a new process."""

    file = "loadback.json"
    prompt: str
    texts: tuple[str | None, ...]  # prompt included, as the pipeline returns them; None is one withheld
    stderr: str  # anything the pipeline printed besides; empty when it was silent
    seconds: float
