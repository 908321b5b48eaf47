"""What the template says about who this is, how to use it, what it wrote, and who made it.

One function for each section, named as its partial in templates/card/. Strings are plain text: the template
escapes them. training_facts.py has the sections about the data, the training and its outcome.
"""

from typing import Any

from hub_publisher import __version__
from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs
from hub_publisher.config import BUNDLED_BASE_MODEL, DEFAULTS
from hub_publisher.readme.escape import NAME_LIMIT, TEXT_LIMIT, Safe, link, shorten, visible
from hub_publisher.records import Account, Samples

_WITHHELD_OUTPUT = "(withheld: it repeats a post)"
_ORIGINS = {
    "x_archive": "read from an X data archive, which X gives to the owner of an account only",
    "files": "read from a file of posts",
    "sample": "taken from the sample that comes with hub_publisher: an account invented for it",
}


def identity(inputs: Inputs) -> dict[str, Any]:
    """Whose style it is, and what that does not mean."""
    accounts = inputs.curation.accounts
    return {
        "name": display_name(accounts),
        "kind": "AI BOT" if len(accounts) == 1 else "AI CYBORG",
        "handles": Safe(", ".join(link(f"@{account.handle}", account.profile_url) for account in accounts)),
        "plain_handles": formatting.listing([f"@{account.handle}" for account in accounts]),
        "is_invented": all(account.source == "sample" for account in accounts),
        "num_posts": formatting.count(inputs.curation.num_train, "post"),
        "origins": formatting.listing(list(dict.fromkeys(_origin(account) for account in accounts))),
        "has_avatar": inputs.has_avatar,
    }


def display_name(accounts: tuple[Account, ...]) -> str:
    """The accounts' names as a reader knows them, each cut to a decent length."""
    return formatting.listing(
        [shorten(visible(account.display_name, account.handle), NAME_LIMIT) for account in accounts]
    )


def use(inputs: Inputs) -> dict[str, Any]:
    """The snippet as it was run, what it printed, and the settings that it used."""
    printed = inputs.snippet.printed
    return {
        "code": inputs.snippet.code.rstrip("\n"),
        "printed": "\n".join(_WITHHELD_OUTPUT if text is None else shorten(text, TEXT_LIMIT) for text in printed),
        "num_printed": formatting.count(len(printed), "text"),
        "names_dtype": "dtype=" in inputs.snippet.code,
        "settings": settings(inputs),
        "is_on_hugging_face": inputs.is_on_hugging_face,
    }


def settings(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and value of each sampling setting, as Python would write them."""
    return [(name, repr(value)) for name, value in inputs.evaluation.sampling.items()]


def samples(inputs: Inputs) -> dict[str, Any]:
    """The samples of every prompt, side by side, and how many were withheld."""
    groups = [_sample_rows(group) for group in inputs.evaluation.samples]
    texts = [text for group in groups for row in group["rows"] for text in row[1:]]
    return {
        "groups": groups,
        "seeds": _seeds(inputs.evaluation.seed, len(groups)),
        "num_each": formatting.count(max((len(group["rows"]) for group in groups), default=0), "text"),
        "num_withheld": texts.count(None),
        "num_texts": len(texts) - texts.count(""),
        "copy_words": inputs.evaluation.memorisation.copy_words,
    }


def _seeds(first: int, number: int) -> str:
    """`seed 42`, or `seeds 42 to 45, one for each prompt`."""
    return f"seed {first}" if number == 1 else f"seeds {first} to {first + number - 1}, one for each prompt"


def _sample_rows(group: Samples) -> dict[str, Any]:
    """Rows of number, tuned text, base text. None is a text withheld, "" one that was never drawn."""
    length = max(len(group.tuned), len(group.base))
    tuned, base = ([*texts, *[""] * (length - len(texts))] for texts in (group.tuned, group.base))
    return {
        "prompt": visible(group.prompt, "(no prompt)"),
        "rows": list(zip(range(1, length + 1), tuned, base, strict=True)),
    }


def about(inputs: Inputs) -> dict[str, Any]:
    """The version, the command that makes the model again, the one that takes it down, and whom to ask for that."""
    return {
        "version": __version__,
        "license": inputs.training.base_model.license,
        "command": reproduce_command(inputs),
        "needs_own_posts": any(account.source != "sample" for account in inputs.curation.accounts),
        "verify_command": f"hub-publisher verify {inputs.repo_id}",
        "delete_command": f"hf repos delete {inputs.repo_id}",
        "contact": contact(inputs),
        "discussions": f"{inputs.page_url}/discussions" if inputs.is_on_hugging_face else None,
        "is_invented": all(account.source == "sample" for account in inputs.curation.accounts),
    }


def contact(inputs: Inputs) -> Safe | None:
    """Where people ask for removal, as the publisher gave it: an address that is linked, or an e-mail address."""
    return link(inputs.contact, inputs.contact) if inputs.contact else None


def reproduce_command(inputs: Inputs) -> str:
    """The one command that makes this model again. Paths are the reader's own, so only their place is shown."""
    base = inputs.training.base_model
    arguments = [f"USER={inputs.handle}"]
    sources = {account.source for account in inputs.curation.accounts}
    arguments += ["ARCHIVE=twitter-archive.zip"] if "x_archive" in sources else []
    arguments += ["FROM=posts.jsonl"] if "files" in sources else []
    if base.substituted_for:
        arguments.append(f"BASE_MODEL={BUNDLED_BASE_MODEL}")
    elif base.hub_id is None:
        arguments.append("BASE_MODEL=base-model-folder")
    elif base.requested != DEFAULTS["base_model"]:
        arguments.append(f"BASE_MODEL={base.requested}")
    settings = [f"HUB_PUBLISHER_{name.upper()}={value}" for name, value in _settings(inputs).items()]
    return " ".join([*settings, "make publish", *arguments])


def _settings(inputs: Inputs) -> dict[str, Any]:
    """Settings that are not the defaults, the base model's revision as the commit that was used."""
    base = inputs.training.base_model
    # A branch moves on; the commit that was used does not.
    pinned = {"base_revision": base.revision} if base.revision and base.hub_id == base.requested else {}
    return {**pinned, **{name: value for name, value in inputs.settings.items() if name not in pinned}}


def _origin(account: Account) -> str:
    return _ORIGINS.get(account.source, f"fetched through {account.source}")
