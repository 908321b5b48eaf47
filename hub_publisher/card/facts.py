"""What the template says about who this is, how to use it, what it wrote, and who made it.

One function for each section, named as its partial in templates/card/. Strings are plain text: the template
escapes them. training_facts.py has the sections about the data, the training and its outcome.
"""

from dataclasses import fields
from typing import Any

from hub_publisher import __version__
from hub_publisher.card import words
from hub_publisher.card.inputs import COPY_WORDS, Inputs
from hub_publisher.config import BUNDLED_BASE_MODEL, Config
from hub_publisher.readme.escape import NAME_LIMIT, Safe, link, python, shorten, visible
from hub_publisher.records import Account

_SNIPPET_PROMPT_LIMIT = 200
_ORIGINS = {
    "x_archive": "read from an X data archive, which X gives to the owner of an account only",
    "files": "read from a file of posts",
    "sample": "taken from the sample that comes with hub_publisher: an account invented for it",
}
# Config fields that decide the weights, and that a default leaves out of the command.
_REPRODUCED = (
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
)
READS = ("handle", *_REPRODUCED)


def identity(inputs: Inputs, has_avatar: bool) -> dict[str, Any]:
    """Whose style it is, and what that does not mean."""
    accounts = inputs.curation.accounts
    return {
        "name": display_name(accounts),
        "kind": "AI BOT" if len(accounts) == 1 else "AI CYBORG",
        "handles": Safe(", ".join(link(f"@{account.handle}", account.profile_url) for account in accounts)),
        "plain_handles": words.listing([f"@{account.handle}" for account in accounts]),
        "is_invented": all(account.source == "sample" for account in accounts),
        "num_posts": words.count(inputs.curation.num_train, "post"),
        "origins": words.listing(list(dict.fromkeys(_origin(account) for account in accounts))),
        "has_avatar": has_avatar,
    }


def display_name(accounts: tuple[Account, ...]) -> str:
    """The accounts' names as a reader knows them, each cut to a decent length."""
    return words.listing([shorten(visible(account.display_name, account.handle), NAME_LIMIT) for account in accounts])


def use(inputs: Inputs) -> dict[str, Any]:
    """What the snippet and the sentences around it need."""
    prompt = next((group.prompt for group in inputs.evaluation.samples), "My dream is")
    return {
        "repo_id": python(inputs.repo_id),
        "prompt": python(prompt[:_SNIPPET_PROMPT_LIMIT]),
        "num_texts": max((len(group.tuned) for group in inputs.evaluation.samples), default=1),
        "settings": settings(inputs),
        "is_on_hugging_face": inputs.is_on_hugging_face,
    }


def settings(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and value of each sampling setting, as Python would write them."""
    return [(name, repr(value)) for name, value in inputs.evaluation.sampling.items()]


def samples(inputs: Inputs) -> dict[str, Any]:
    """The samples of every prompt, side by side, and how many were withheld."""
    groups = inputs.evaluation.samples
    rows = [_sample_rows(group, inputs.posts.copied) for group in groups]
    texts = [text for group in rows for row in group["rows"] for text in row[1:]]
    return {
        "groups": rows,
        "seed": inputs.evaluation.seed,
        "settings": settings(inputs),
        "num_each": max((len(group.tuned) for group in groups), default=0),
        "num_withheld": texts.count(None),
        "num_texts": len(texts) - texts.count(""),
        "copy_words": COPY_WORDS,
    }


def _sample_rows(group: Any, copied: frozenset[str]) -> dict[str, Any]:
    """Rows of number, tuned text, base text. None is a text withheld, "" one that was never drawn."""
    shown = [[None if group.prompt + text in copied else text for text in texts] for texts in (group.tuned, group.base)]
    length = max(map(len, shown))
    tuned, base = (texts + [""] * (length - len(texts)) for texts in shown)
    return {
        "prompt": visible(group.prompt, "(no prompt)"),
        "rows": list(zip(range(1, length + 1), tuned, base, strict=True)),
    }


def about(inputs: Inputs) -> dict[str, Any]:
    """The version, the command that makes the model again and the one that takes it down."""
    return {
        "version": __version__,
        "command": reproduce_command(inputs),
        "needs_own_posts": any(account.source != "sample" for account in inputs.curation.accounts),
        "delete_command": f"hf repos delete {inputs.repo_id}",
        "discussions": f"{inputs.page_url}/discussions" if inputs.is_on_hugging_face else None,
        "is_invented": all(account.source == "sample" for account in inputs.curation.accounts),
    }


def reproduce_command(inputs: Inputs) -> str:
    """The one command that makes this model again. Paths are the reader's own, so only their place is shown."""
    base = inputs.training.base_model
    arguments = [f"USER={inputs.config.handle}"]
    sources = {account.source for account in inputs.curation.accounts}
    arguments += ["ARCHIVE=twitter-archive.zip"] if "x_archive" in sources else []
    arguments += ["FROM=posts.jsonl"] if "files" in sources else []
    if base.substituted_for:
        arguments.append(f"BASE_MODEL={BUNDLED_BASE_MODEL}")
    elif base.hub_id is None:
        arguments.append("BASE_MODEL=base-model-folder")
    elif base.requested != _DEFAULTS["base_model"]:
        arguments.append(f"BASE_MODEL={base.requested}")
    settings = [f"HUB_PUBLISHER_{name.upper()}={value}" for name, value in _changed(inputs).items()]
    return " ".join([*settings, "make publish", *arguments])


def _changed(inputs: Inputs) -> dict[str, Any]:
    values = {name: getattr(inputs.config, name) for name in _REPRODUCED}
    base = inputs.training.base_model
    # A branch moves on; the commit that was used does not.
    if base.revision and base.hub_id == base.requested:
        values["base_revision"] = base.revision
    return {name: value for name, value in values.items() if value != _DEFAULTS[name]}


def _origin(account: Account) -> str:
    return _ORIGINS.get(account.source, f"fetched through {account.source}")


_DEFAULTS = {field.name: field.default for field in fields(Config)}
