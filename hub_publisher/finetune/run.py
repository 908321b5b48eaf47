"""What the training processes are asked to do, how far they are, and everything that one of them holds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hub_publisher.config import HYPERPARAMETERS, Config
from hub_publisher.model.base_model import ResolvedBaseModel
from hub_publisher.model.dataset import Encoded
from hub_publisher.records import EpochEval
from hub_publisher.system.files import fingerprint

if TYPE_CHECKING:
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

REQUEST = "training-request.json"
SCRATCH = "training"
RESULT = f"{SCRATCH}/result.json"


class Request(BaseModel):
    """One training: a file that `finetune` leaves for the training processes."""

    config: Config
    base: ResolvedBaseModel
    posts_sha256: str

    @property
    def key(self) -> str:
        """Two requests with the same key train the same weights, so one may go on where the other ended.

        The number of processes is no part of it. Of a base model in a folder the record says little, so the folder's
        name counts too.
        """
        origin = (self.config.base_model, self.base.record.model_dump())
        return fingerprint("training", self.hyperparameters, self.posts_sha256, origin)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings that shape the weights, by name."""
        return {name: getattr(self.config, name) for name in HYPERPARAMETERS}


class Progress(BaseModel):
    """How far training has come. `evals` begins with epoch 0: the base model, before the first step."""

    key: str  # of the request: what is trained on what
    step: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    evals: list[EpochEval] = []
    stopped_early: bool = False

    @property
    def best(self) -> EpochEval:
        """The pass with the lowest held-out loss, the earliest of equals; the base model does not count."""
        return min(self.evals[1:], key=lambda point: point.eval_loss)


@dataclass
class Run:
    """What to do, the posts, the model and how far it is."""

    request: Request
    accelerator: "Accelerator"
    tokenizer: "PreTrainedTokenizerFast"  # as it will be published
    train: Encoded
    heldout: Encoded
    model: "PreTrainedModel"  # as Accelerate wrapped it
    optimizer: "AcceleratedOptimizer"
    steps: list[tuple[float, list[int]]]  # where in the passes each optimizer step ends, posts of its global batch
    progress: Progress

    @property
    def config(self) -> Config:
        """The publication's settings."""
        return self.request.config
