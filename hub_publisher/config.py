"""Config: everything a publication depends on, in one frozen and validated place.

Precedence is TOML file < environment (HUB_PUBLISHER_<FIELD>) < command-line flag; cli/ reads the three and
builds one Config. From Python, `Config(handle="lampkeeper_bot")` is enough.
"""

import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from hub_publisher.errors import UsageError

BUNDLED_BASE_MODEL = "smollm2-135m"
HUGGING_FACE = "huggingface.co"
LOCAL = "local"

# X allows 1 to 15 word characters, Bluesky domain names, Mastodon user@server: what they have in common is
# that nothing in a handle means anything to a shell, a path or a URL.
_HANDLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@-]{0,98}[A-Za-z0-9_])?")
# https://huggingface.co/docs/huggingface_hub/package_reference/utilities#huggingface_hub.utils.validate_repo_id
_REPO_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")


def _option(default: Any, help: str, decides: str = "", used_by: str = "", kind: str = "") -> Any:
    """A setting: its help text, with its unit, is that of the flag of the same name.

    `decides` names the stages whose results change with it, which makes it part of their fingerprints; `used_by` those
    that take it without a change of their result, "*" all. `kind` is "hyperparameter", "sampling" or "" for any other.
    """
    metadata = {"help": help, "decides": tuple(decides.split()), "used_by": tuple(used_by.split()), "kind": kind}
    return field(default=default, metadata=metadata)


def _hyperparameter(default: Any, help: str, decides: str = "finetune") -> Any:
    """A setting of the training, which the card's table of hyperparameters shows."""
    return _option(default, help, decides, kind="hyperparameter")


def _sampling(default: Any, help: str, used_by: str = "") -> Any:
    """A setting of what the finished model is asked to write."""
    return _option(default, help, "evaluate", used_by, kind="sampling")


_EVERYWHERE = "*"
_ON_A_HUB = "finetune evaluate snippet card push loadback"  # which Hub it is decides which base model may be had


@dataclass(frozen=True, kw_only=True)
class Config:
    """One publication. Raises UsageError when a value makes no sense; the message names the flag."""

    handle: str = _option(MISSING, "Account whose posts become the model.", decides="fetch card")

    archive: Path | None = _option(
        None, "X data archive: the zip, its unzipped folder, or a bare tweets.js.", used_by="fetch"
    )
    from_path: Path | None = _option(None, "File of posts: .jsonl, .json, .csv, .parquet or .txt.", used_by="fetch")
    text_column: str | None = _option(
        None, "Column that holds the text, when it cannot be told from its name.", decides="fetch"
    )

    hub: str = _option(
        "auto",
        "Where to publish: local, huggingface.co, a URL, or auto (huggingface.co with a token).",
        used_by=_ON_A_HUB,
    )
    namespace: str | None = _option(
        None, "User or organisation to publish under [default: the token's user].", used_by=_ON_A_HUB
    )
    repo_name: str | None = _option(None, "Repository name [default: the handle, lower case].", used_by=_EVERYWHERE)
    private: bool = _option(False, "Publish as a private repository.", decides="push", used_by="snippet card loadback")

    base_model: str = _option(
        "openai-community/gpt2",
        "Causal LM to start from: Hub id, folder, or smollm2-135m.",
        decides="finetune",
        used_by="evaluate",
    )
    base_revision: str | None = _option(
        None, "Branch, tag or commit of the base model on the Hub.", decides="finetune", used_by="evaluate"
    )

    min_posts: int = _option(50, "Refuse to train on fewer kept posts than this.", decides="curate")
    heldout_ratio: float = _option(
        0.1, "Share of the kept posts, the newest, that is only ever used to evaluate.", decides="curate"
    )
    max_post_tokens: int = _hyperparameter(
        512, "Posts longer than this many tokens are cut.", decides="finetune evaluate"
    )

    # Measured on the bundled sample (580 posts, a 135M model), held-out loss after one pass, base model at 4.94:
    # 2e-4 with 10 % warm-up and 512 tokens a batch 3.76; 3e-4 with 5 % and 512 tokens 3.89, with 1,024 tokens 4.07.
    # Two passes at 3e-4 and 1,024 tokens 3.78 after the first, 3.81 after the second; at 1.5e-4 3.83 and 3.80.
    learning_rate: float = _hyperparameter(2e-4, "Peak learning rate of AdamW.")
    warmup_ratio: float = _hyperparameter(0.1, "Share of the optimizer steps spent warming up.")
    weight_decay: float = _hyperparameter(0.0, "Weight decay of AdamW.")
    max_grad_norm: float = _hyperparameter(1.0, "Gradients are clipped to this norm.")
    num_epochs: int = _hyperparameter(1, "Passes over the posts at most; training stops early when it gets worse.")
    tokens_per_batch: int = _hyperparameter(
        512, "Tokens in one optimizer step, padding included, over all processes.", decides="finetune evaluate"
    )
    gradient_accumulation_steps: int = _hyperparameter(1, "Micro-batches that make up one optimizer step.")
    seed: int = _hyperparameter(
        42,
        "Seed of the split, the order of the posts and the samples.",
        decides="curate finetune evaluate snippet loadback",
    )
    dtype: str = _hyperparameter(
        "bfloat16", "Number format of the published weights: bfloat16 or float32.", decides="finetune evaluate snippet"
    )
    checkpoint_seconds: float = _option(
        120.0, "Seconds between checkpoints that a killed training goes on from.", used_by="finetune"
    )
    num_processes: int | None = _option(
        None, "Training processes [default: one per GPU, or one on CPU].", used_by="finetune"
    )
    accelerate_config: Path | None = _option(
        None, "Accelerate configuration file, as `accelerate config` writes it.", used_by="finetune"
    )

    prompts: tuple[str, ...] = _sampling(
        ("My dream is", "Today I", "The best thing about", "Nobody tells you that"),
        "Prompt of the samples and of the widget; repeat it for several.",
        used_by="finetune",
    )
    num_samples: int = _sampling(5, "Samples shown for each prompt.")
    num_measured_samples: int = _sampling(100, "Samples drawn from each model, over all prompts, to measure copying.")
    temperature: float = _sampling(1.0, "Sampling temperature.")
    top_p: float = _sampling(0.95, "Share of the probability mass that sampling draws from.")

    contact: str | None = _option(
        None, "Where people ask for removal: an https:// address or an e-mail address.", decides="card"
    )
    dataset: str | None = _option(
        None, "Id of the posts' data set on the Hub, when they are published there.", decides="card"
    )
    template: Path | None = _option(
        None, "Jinja template of the card, or a folder that replaces parts of ours.", used_by="card"
    )
    eval_results: Path | None = _option(
        None, "YAML file of benchmark results, published as .eval_results/.", used_by="card"
    )
    grid_intensity: float | None = _option(
        None, "Grams of CO2-equivalent per kWh of the electricity used here.", decides="card"
    )

    wandb: str = _option("auto", "Weights & Biases: auto, online, offline or disabled.")
    wandb_project: str = _option("hub-publisher", "Weights & Biases project.")
    dataset_artifact: str = _option("full", "What Weights & Biases may hold of the posts: full, ids or none.")
    log_with: str | None = _option(
        None, "More trackers of Accelerate's for the metrics: tensorboard, trackio, mlflow ..."
    )

    runs_dir: Path = _option(Path("runs"), "Folder that holds one folder for each publication.", used_by=_EVERYWHERE)
    hub_dir: Path = _option(Path("runs/.hub"), "Folder of the local Hub's repositories.", used_by=_ON_A_HUB)

    def __post_init__(self) -> None:
        object.__setattr__(self, "handle", check_handle(self.handle))
        for name in ("archive", "from_path", "accelerate_config", "template", "eval_results", "runs_dir", "hub_dir"):
            value = getattr(self, name)
            object.__setattr__(self, name, Path(value).expanduser() if value is not None else None)
        object.__setattr__(self, "prompts", tuple(self.prompts))
        _check_numbers(self)
        _check_names(self)

    @property
    def name(self) -> str:
        """Name of the publication: of its folder under `runs_dir` and, by default, of its repository."""
        return self.repo_name or re.sub(r"[-.]{2,}", "-", self.handle.lower().replace("@", "-"))

    @property
    def run_dir(self) -> Path:
        """Folder that holds everything about this publication."""
        return self.runs_dir / self.name


def check_handle(handle: str) -> str:
    """The handle without a leading @. Raises UsageError when it is not one any service would accept."""
    bare = handle.strip().removeprefix("@")
    if not _HANDLE.fullmatch(bare):
        raise UsageError(
            f"{handle[:100]!r} is not a handle: letters, digits and _ . - @ only, 100 characters at most.",
            "Name the account without spaces or slashes: hub-publisher publish lampkeeper_bot",
        )
    return bare


def check_repo_name(name: str, what: str) -> None:
    """Raises UsageError when the Hub would refuse `name`; `what` says which part of the repo id it is."""
    if not _REPO_NAME.fullmatch(name) or name.endswith((".git", ".ipynb")):
        raise UsageError(
            f"The Hub refuses {name[:100]!r} as a {what}: at most 96 letters, digits and _ . -, "
            "no -- or .., not ending in .git.",
            "Choose another with --repo-name or --namespace.",
        )


def _check_names(config: Config) -> None:
    check_repo_name(config.name, "repository name")
    if config.namespace is not None:
        check_repo_name(config.namespace, "namespace")
    if config.archive and config.from_path:
        raise UsageError("Both an archive and a file of posts are given.", "Keep one of --archive and --from-path.")
    if "://" not in config.hub and config.hub not in ("auto", LOCAL, HUGGING_FACE):
        raise UsageError(
            f"--hub {config.hub!r} is neither local, huggingface.co nor a URL.",
            "Try --hub local or --hub huggingface.co",
        )
    for name, choices in (
        ("dtype", ("bfloat16", "float32")),
        ("wandb", ("auto", "online", "offline", "disabled")),
        ("dataset_artifact", ("full", "ids", "none")),
    ):
        if getattr(config, name) not in choices:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {getattr(config, name)!r} is not one of {', '.join(choices)}.")
    if not config.prompts or not all(prompt.strip() for prompt in config.prompts):
        raise UsageError("--prompts holds an empty prompt.", "Give each prompt at least one word.")


def _check_numbers(config: Config) -> None:
    for name in (
        "min_posts",
        "max_post_tokens",
        "num_epochs",
        "tokens_per_batch",
        "gradient_accumulation_steps",
    ):
        _require(config, name, getattr(config, name) >= 1, "at least 1")
    for name in ("learning_rate", "max_grad_norm", "temperature"):
        _require(config, name, getattr(config, name) > 0, "above 0")
    _require(config, "num_samples", config.num_samples >= 1, "at least 1")
    _require(config, "num_measured_samples", config.num_measured_samples >= 1, "at least 1")
    _require(config, "grid_intensity", config.grid_intensity is None or config.grid_intensity >= 0, "0 or more")
    _require(config, "num_processes", config.num_processes is None or config.num_processes >= 1, "at least 1")
    _require(config, "heldout_ratio", 0 < config.heldout_ratio < 1, "between 0 and 1")
    _require(config, "warmup_ratio", 0 <= config.warmup_ratio < 1, "from 0 to below 1")
    _require(config, "top_p", 0 < config.top_p <= 1, "above 0 and at most 1")
    _require(config, "weight_decay", config.weight_decay >= 0, "0 or more")
    _require(config, "seed", 0 <= config.seed < 2**32, "from 0 to 4294967295")


def _require(config: Config, name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise UsageError(f"--{name.replace('_', '-')} is {getattr(config, name)}, it must be {rule}.")


DEFAULTS: dict[str, Any] = {setting.name: setting.default for setting in fields(Config)}
FIELD_NAMES = frozenset(DEFAULTS)


def deciding(stage: str) -> tuple[str, ...]:
    """The settings that the result of `stage` depends on."""
    return tuple(setting.name for setting in fields(Config) if stage in setting.metadata["decides"])


def taken_by(stage: str) -> tuple[str, ...]:
    """The settings that the command of `stage` takes: those that decide its result, and those that it uses besides."""
    return tuple(
        setting.name
        for setting in fields(Config)
        if setting.name != "handle"
        and {stage, _EVERYWHERE} & {*setting.metadata["decides"], *setting.metadata["used_by"]}
    )


def of_kind(kind: str) -> tuple[str, ...]:
    """The settings that are a "hyperparameter" of the training, or about "sampling"."""
    return tuple(setting.name for setting in fields(Config) if setting.metadata["kind"] == kind)
