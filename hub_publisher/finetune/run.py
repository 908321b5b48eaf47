"""Run: everything one training process holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.finetune.checkpoints import Progress
from hub_publisher.finetune.request import Request
from hub_publisher.model import dataset


@dataclass
class Run:
    """What to do, the posts, the model and how far it is."""

    request: Request
    run_dir: Path
    accelerator: Any
    tokenizer: Any  # as it will be published
    train: dataset.Encoded
    heldout: dataset.Encoded
    model: Any
    optimizer: Any
    plan: list[list[list[int]]]  # [epoch - 1][step in the epoch] -> posts of the global batch
    progress: Progress

    @property
    def config(self) -> Config:
        """The publication's settings."""
        return self.request.config

    @property
    def num_steps(self) -> int:
        """Optimizer steps of all epochs together."""
        return sum(map(len, self.plan))
