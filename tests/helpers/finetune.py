"""A publication's folder as curation leaves it, on the tiny model, and a training without a process of its own."""

from pathlib import Path
from typing import Any

import pytest

from hub_publisher import finetune
from hub_publisher.config import Config
from hub_publisher.curate.statistics import summarise
from hub_publisher.finetune.loop import train
from hub_publisher.finetune.run import RESULT
from hub_publisher.model import base_model
from hub_publisher.records import POSTS, Curation, KeptPost, Training
from hub_publisher.system.files import read_record, sha256_of, write_jsonl
from tests.helpers.tiny import TEXTS

WORDS = ["lamp", "fog", "gull", "kettle", "tide", "lens", "ship", "bell", "rope", "stair", "oil", "brass", "log"]


def posts(num_posts: int) -> list[str]:
    """Different posts of different lengths."""
    return [
        f"{TEXTS[i % len(TEXTS)]} {' '.join(WORDS[(i * k) % len(WORDS)] for k in range(1, i % 7 + 1))} {i}".strip()
        for i in range(num_posts)
    ]


def prepare(
    folder: Path, base: Path, num_posts: int = 40, **settings: Any
) -> tuple[Config, Curation, base_model.ResolvedBaseModel]:
    """posts.jsonl under `folder` with a tenth held out, the Curation that goes with it, and the model in `base`."""
    defaults: dict[str, Any] = {"tokens_per_batch": 256, "num_epochs": 2, "learning_rate": 3e-3, "dtype": "float32"}
    config = Config(handle="tiny", runs_dir=folder / "runs", base_model=str(base), **(defaults | settings))
    num_heldout = num_posts // 10
    kept = [
        KeptPost(id=str(i), text=text, split="heldout" if i >= num_posts - num_heldout else "train")
        for i, text in enumerate(posts(num_posts))
    ]
    write_jsonl(config.run_dir / POSTS, kept)
    curation = Curation(
        posts=summarise(kept),
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


def train_here(config: Config, curation: Curation, base: base_model.ResolvedBaseModel) -> Training:
    """What `finetune` does, but the one training process is this one, and computes in float32 on every machine."""
    from accelerate.state import AcceleratorState, GradientState

    request = finetune.begin(config, curation, base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("ACCELERATE_MIXED_PRECISION", "no")
        try:
            train(request)
        finally:  # Accelerate keeps what it found for as long as the process lives
            AcceleratorState._reset_state(reset_partial_state=True)
            GradientState._reset_state()
    training = read_record(config.run_dir / RESULT, Training)
    assert training is not None
    return training
