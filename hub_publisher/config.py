"""Config: everything a publication depends on, in one frozen and validated place.

Precedence is TOML file < environment (HUB_PUBLISHER_<FIELD>) < command-line flag; cli/ reads the three and
builds one Config. From Python, `Config(handle="lampkeeper_bot")` is enough.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from hub_publisher.errors import UsageError

BUNDLED_BASE_MODEL = "smollm2-135m"
HUGGING_FACE = "huggingface.co"
LOCAL = "local"
SAMPLE = "lampkeeper_bot"  # the bundled account, which exists nowhere else

# X allows 1 to 15 word characters, Bluesky domain names, Mastodon user@server: what they have in common is
# that nothing in a handle means anything to a shell, a path or a URL.
_HANDLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@-]{0,98}[A-Za-z0-9_])?")
# https://huggingface.co/docs/huggingface_hub/package_reference/utilities#huggingface_hub.utils.validate_repo_id
_CONTACT = re.compile(r"https?://[^\s/]+\.[^\s]+|[^\s@/:]+@[^\s@/:]+\.[^\s@/:.]+")
_REPO_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")


def _option(default: Any, help: str, decides: str = "", used_by: str = "", group: str = "") -> Any:
    """A setting: its help text, with its unit, is that of the flag of the same name.

    `decides` names the stages whose results change with it, which makes it part of their fingerprints; `used_by` those
    that take it without a change of their result, "*" all. `group` begins a group of --help, which goes on to the next.
    """
    told = {"help": help, "decides": decides.split(), "used_by": used_by.split(), "group": group}
    return field(default=default, metadata=told)


_EVERYWHERE = "*"
_ON_A_HUB = "finetune evaluate snippet card push loadback"  # which Hub it is decides which base model may be had


@dataclass(frozen=True, kw_only=True)
class Config:
    """One publication. Raises UsageError when a value makes no sense; the message names the flag."""

    handle: str = _option(MISSING, "Account whose posts become the model.", decides="fetch card")

    archive: Path | None = _option(
        None, "X data archive: the zip, its folder, or a bare tweets.js.", used_by="fetch", group="Posts"
    )
    from_path: Path | None = _option(None, "File of posts: .jsonl, .json, .csv, .parquet or .txt.", used_by="fetch")
    text_column: str | None = _option(None, "Column of the text, where its name does not tell.", decides="fetch")
    display_name: str | None = _option(None, "Name on the card [default: the source's].", decides="fetch")
    profile_url: str | None = _option(None, "Web address of the account [default: the source's].", decides="fetch")
    avatar: Path | None = _option(None, "Picture of it: a PNG or JPEG [default: the source's].", used_by="fetch")

    hub: str = _option(
        "auto",
        "Where to publish: local, huggingface.co, a URL, or auto: with a token huggingface.co, the sample local.",
        used_by=_ON_A_HUB,
        group="Where it goes",
    )
    namespace: str | None = _option(None, "User or organisation [default: the token's user].", used_by=_ON_A_HUB)
    repo_name: str | None = _option(None, "Repository name [default: the handle, lower case].", used_by=_EVERYWHERE)
    private: bool = _option(False, "Publish as a private repository.", decides="push", used_by="snippet card loadback")

    base_model: str = _option(
        "openai-community/gpt2",
        "Causal LM to start from: Hub id, folder, or smollm2-135m.",
        decides="finetune",
        used_by="evaluate",
        group="Base model",
    )
    base_revision: str | None = _option(
        None, "Branch, tag or commit of the base model on the Hub.", decides="finetune", used_by="evaluate"
    )

    min_posts: int = _option(
        50, "Refuse to train on fewer kept posts than this.", decides="curate", group="Which posts are learned from"
    )
    heldout_ratio: float = _option(
        0.1, "Share of the kept posts, the newest, held out to evaluate on.", decides="curate"
    )
    max_post_tokens: int = _option(512, "Posts longer than this many tokens are cut.", decides="finetune evaluate")

    # Measured on the bundled sample (580 posts, a 135M model), held-out loss after one pass, base model at 4.94:
    # 2e-4 with 10 % warm-up and 512 tokens a batch 3.76; 3e-4 with 5 % and 512 tokens 3.89, with 1,024 tokens 4.07.
    # Two passes at 3e-4 and 1,024 tokens 3.78 after the first, 3.81 after the second; at 1.5e-4 3.83 and 3.80.
    learning_rate: float = _option(2e-4, "Peak learning rate of AdamW.", decides="finetune", group="Training")
    warmup_ratio: float = _option(0.1, "Share of the optimizer steps spent warming up.", decides="finetune")
    weight_decay: float = _option(0.0, "Weight decay of AdamW.", decides="finetune")
    max_grad_norm: float = _option(1.0, "Gradients are clipped to this norm.", decides="finetune")
    num_epochs: int = _option(1, "Passes over the posts at most; it stops when it gets worse.", decides="finetune")
    tokens_per_batch: int = _option(
        512, "Tokens in one optimizer step, padding included, over all processes.", decides="finetune evaluate"
    )
    gradient_accumulation_steps: int = _option(1, "Micro-batches that make up one optimizer step.", decides="finetune")
    seed: int = _option(
        42,
        "Seed of the split, the order of the posts and the samples.",
        decides="curate finetune evaluate snippet loadback",
    )
    dtype: str = _option(
        "bfloat16", "Number format of the published weights: bfloat16 or float32.", decides="finetune evaluate snippet"
    )
    checkpoint_seconds: float = _option(120.0, "Seconds between two checkpoints.", used_by="finetune")
    num_processes: int | None = _option(
        None, "Training processes [default: one per GPU, on CPU one].", used_by="finetune"
    )
    accelerate_config: Path | None = _option(None, "Accelerate's configuration file.", used_by="finetune")

    prompts: tuple[str, ...] = _option(
        ("My dream is", "Today I", "The best thing about", "Nobody tells you that"),
        "Prompt of the samples and of the widget; repeat it for several.",
        used_by="finetune",
        decides="evaluate",
        group="Samples",
    )
    num_samples: int = _option(5, "Samples shown for each prompt.", decides="evaluate")
    num_measured_samples: int = _option(100, "Samples to measure copying with, over all prompts.", decides="evaluate")
    temperature: float = _option(1.0, "Sampling temperature.", decides="evaluate")
    top_p: float = _option(0.95, "Share of the probability mass that sampling draws from.", decides="evaluate")

    show_all: bool = _option(
        False, "Show texts with slurs, sexual words or personal data too.", decides="evaluate snippet loadback"
    )

    contact: str | None = _option(
        None, "Where people ask for removal: an https:// or e-mail address.", decides="card", group="Model card"
    )
    dataset: str | None = _option(None, "Id of the posts' data set, where it is on the Hub.", decides="card")
    template: Path | None = _option(None, "Jinja template of the card, or a folder with parts of it.", used_by="card")
    eval_results: Path | None = _option(None, "YAML file of benchmark results, for .eval_results/.", used_by="card")
    grid_intensity: float | None = _option(
        None, "Grams of CO2-equivalent per kWh of the power used here.", decides="card"
    )

    wandb: str = _option("auto", "Weights & Biases: auto, online, offline or disabled.", group="Tracking")
    wandb_project: str = _option("hub-publisher", "Weights & Biases project.")
    dataset_artifact: str = _option("full", "What Weights & Biases may hold of the posts: full, ids or none.")
    log_with: str | None = _option(None, "More trackers of Accelerate's: tensorboard, trackio, mlflow ...")

    runs_dir: Path = _option(
        Path("runs"), "Folder that holds one folder for each publication.", used_by=_EVERYWHERE, group="Folders"
    )
    hub_dir: Path = _option(Path("runs/.hub"), "Folder of the local Hub's repositories.", used_by=_ON_A_HUB)

    def __post_init__(self) -> None:
        for setting in fields(self):
            typed = _prompts if setting.name == "prompts" else _typed
            object.__setattr__(self, setting.name, typed(setting.name, setting.type, getattr(self, setting.name)))
        object.__setattr__(self, "handle", check_handle(self.handle))
        _check_numbers(self)
        _check_names(self)

    @property
    def name(self) -> str:
        """Name of the publication: of its folder under `runs_dir` and, by default, of its repository."""
        return self.repo_name or re.sub(r"[-.]{2,}", "-", self.handle.lower().replace("@", "-"))

    @property
    def is_of_sample(self) -> bool:
        """Whether the posts are the bundled ones."""
        return self.handle.lower() == SAMPLE and not self.archive and not self.from_path

    @property
    def run_dir(self) -> Path:
        """Folder that holds everything about this publication."""
        return self.runs_dir / self.name


_KINDS: dict[type, tuple[tuple[type, ...], str]] = {  # what a setting is -> what it may be given as, in words
    str: ((str,), "a text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "True or False"),
    Path: ((str, os.PathLike), "the path of a file or folder"),
}


def _typed(name: str, annotation: Any, value: object) -> object:
    """The value of a setting, paths as Path. Raises UsageError when it is of another type than the setting's."""
    kinds = get_args(annotation) or (annotation,)
    if value is None and NoneType in kinds:
        return None
    accepted, words = _KINDS[kinds[0]]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kinds[0] is not bool):
        remedy = "Write it without quotes." if isinstance(value, str) else ""
        raise UsageError(f"{name} must be {words}, not {value!r:.60} ({type(value).__name__}).", remedy)
    return Path(value).expanduser() if kinds[0] is Path and isinstance(value, str | os.PathLike) else value


def _prompts(name: str, annotation: Any, value: object) -> tuple[str, ...]:
    """The prompts as a tuple; a single text is one prompt."""
    prompts = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    for prompt in prompts:
        _typed(name, str, prompt)
    return prompts


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


_CHOICES = {
    "dtype": "bfloat16, float32",
    "wandb": "auto, online, offline, disabled",
    "dataset_artifact": "full, ids, none",
}


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
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices.split(", "):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {getattr(config, name)!r} is not one of {choices}.")
    if config.contact is not None and not _CONTACT.fullmatch(config.contact):
        raise UsageError(
            f"--contact {config.contact[:100]!r} is no address that people can write to.",
            "Give a page, such as https://example.org/contact, or an e-mail address, such as me@example.org",
        )
    if not config.prompts or not all(prompt.strip() for prompt in config.prompts):
        raise UsageError("--prompts holds an empty prompt.", "Give each prompt at least one word.")


_NUMBERS: dict[str, tuple[Callable[[float], bool], str]] = {  # what a number must be -> whether it is, which ones
    "at least 1": (lambda number: number >= 1, "min_posts max_post_tokens num_epochs tokens_per_batch num_samples "
                   "gradient_accumulation_steps num_measured_samples num_processes"),
    "above 0": (lambda number: number > 0, "learning_rate max_grad_norm temperature"),
    "0 or more": (lambda number: number >= 0, "weight_decay grid_intensity"),
    "between 0 and 1": (lambda number: 0 < number < 1, "heldout_ratio"),
    "from 0 to below 1": (lambda number: 0 <= number < 1, "warmup_ratio"),
    "above 0 and at most 1": (lambda number: 0 < number <= 1, "top_p"),
    "from 0 to 4294967295": (lambda number: 0 <= number < 2**32, "seed"),
}  # fmt: skip


def _check_numbers(config: Config) -> None:
    for rule, (holds, names) in _NUMBERS.items():
        for name in names.split():
            value = getattr(config, name)
            if value is not None and not holds(value):
                raise UsageError(f"--{name.replace('_', '-')} is {value}, it must be {rule}.")


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


# setting -> its group of --help: its own, or that of the setting before it
_titles: Iterable[str] = accumulate(
    (setting.metadata["group"] for setting in fields(Config)), lambda before, own: own or before
)
GROUPS = dict(zip(DEFAULTS, _titles, strict=True))
HYPERPARAMETERS = tuple(name for name in deciding("finetune") if not name.startswith("base_"))
