"""A publication's folder as curation leaves it, on the tiny model: what the training tests start from."""

from pathlib import Path
from typing import Any

from hub_publisher import base_model
from hub_publisher.config import Config
from hub_publisher.disk import sha256_of, write_jsonl
from hub_publisher.records import POSTS, Curation, KeptPost
from tests.tiny import TEXTS, make_tiny_model

WORDS = ["lamp", "fog", "gull", "kettle", "tide", "lens", "ship", "bell", "rope", "stair", "oil", "brass", "log"]


def posts(num_posts: int) -> list[str]:
    """Different posts of different lengths."""
    return [
        f"{TEXTS[i % len(TEXTS)]} {' '.join(WORDS[(i * k) % len(WORDS)] for k in range(1, i % 7 + 1))} {i}".strip()
        for i in range(num_posts)
    ]


def prepare(folder: Path, num_posts: int = 40, **settings: Any) -> tuple[Config, Curation, base_model.BaseModel]:
    """posts.jsonl with a tenth held out, the Curation that goes with it, and a base model."""
    base = folder / "base"
    if not base.exists():
        make_tiny_model(base)
    defaults: dict[str, Any] = {"tokens_per_batch": 256, "num_epochs": 2, "learning_rate": 3e-3, "dtype": "float32"}
    config = Config(handle="tiny", runs_dir=folder / "runs", base_model=str(base), **(defaults | settings))
    num_heldout = num_posts // 10
    kept = [
        KeptPost(id=str(i), text=text, split="heldout" if i >= num_posts - num_heldout else "train")
        for i, text in enumerate(posts(num_posts))
    ]
    write_jsonl(config.run_dir / POSTS, kept)
    curation = Curation(
        fingerprint="curation",
        accounts=(),
        masked={},
        languages={"en": num_posts},
        first_post_at=None,
        last_post_at=None,
        num_train=num_posts - num_heldout,
        num_heldout=num_heldout,
        num_train_characters=1,
        num_heldout_characters=1,
        split_by="hash",
        may_share_texts=True,
        posts_sha256=sha256_of(config.run_dir / POSTS),
    )
    return config, curation, base_model.resolve(config, may_substitute=False)
