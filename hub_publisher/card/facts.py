"""What the templates cannot read off the records as they stand: names, sums, shares, the command.

Strings are plain text and numbers are numbers: the templates format and escape them.
"""

from itertools import zip_longest
from typing import Any

from hub_publisher import __version__
from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.metadata import emissions, shared_languages
from hub_publisher.config import BUNDLED_BASE_MODEL, DEFAULTS
from hub_publisher.readme.escape import NAME_LIMIT, TEXT_LIMIT, Safe, link, shorten, visible
from hub_publisher.readme.hub_rules import LANGUAGES
from hub_publisher.records import Account, Samples
from hub_publisher.text import WITHHELD

_ORIGINS = {
    "x_archive": "read from an X data archive, which X gives to the owner of an account only",
    "files": "read from a file of posts",
    "sample": "taken from the sample that comes with hub_publisher: an account invented for it",
}
# Reasons of the curation whose own name says too little.
_DROP_LABELS = {
    "without_text": "Without text of its own",
    "quotes_of_others": "Others' words, quoted by hand",
    "cut_off": "Cut off by the source",
    "only_links": "Nothing but links and mentions",
    "exact_duplicates": "Said before, word for word",
    "near_duplicates": "Said before, nearly the same",
}
_MAX_LANGUAGE_ROWS = 8


def derive(inputs: Inputs) -> dict[str, Any]:
    """Everything that the templates see besides the inputs themselves and the figures."""
    curation, printed, check = inputs.curation, inputs.snippet.printed, inputs.evaluation.check
    return {
        "version": __version__,
        "identity": identity(curation.accounts),
        "printed": "\n".join(WITHHELD if text is None else shorten(text, TEXT_LIMIT) for text in printed),
        "samples": _samples(inputs.evaluation.samples),
        "checked_languages": [LANGUAGES.get(code, code) for code in check.languages] if check else [],
        "post_counts": post_counts(curation.accounts),
        "languages": _languages(curation.languages),
        "main_languages": [
            (LANGUAGES.get(code, code), number) for code, number in shared_languages(curation.languages).items()
        ],
        "masked": [formatting.number(number, _masked(kind)) for kind, number in curation.masked.items() if number],
        "hyperparameters": _hyperparameters(inputs.training.hyperparameters),
        "emissions": emissions(inputs),
        "command": _reproduce_command(inputs),
    }


def identity(accounts: tuple[Account, ...]) -> dict[str, Any]:
    """Whose style it is; names as a reader knows them, each cut to a decent length."""
    names = [shorten(visible(account.display_name, account.handle), NAME_LIMIT) for account in accounts]
    origins = [_ORIGINS.get(account.source, f"fetched through {account.source}") for account in accounts]
    return {
        "name": formatting.listing(names),
        "kind": "AI BOT" if len(accounts) == 1 else "AI CYBORG",
        "handles": Safe(", ".join(link(f"@{account.handle}", account.profile_url) for account in accounts)),
        "plain_handles": formatting.listing([f"@{account.handle}" for account in accounts]),
        "is_invented": all(account.source == "sample" for account in accounts),
        "origins": formatting.listing(list(dict.fromkeys(origins))),
    }


def _samples(groups: tuple[Samples, ...]) -> dict[str, Any]:
    """Prompts with rows of tuned and base text. None is a text withheld, "" one that was never drawn."""
    texts = [text for group in groups for text in (*group.tuned, *group.base)]
    return {
        "groups": [
            (visible(group.prompt, "(no prompt)"), list(zip_longest(group.tuned, group.base, fillvalue="")))
            for group in groups
        ],
        "num_withheld": texts.count(None),
        "num_texts": len(texts) - texts.count(""),
    }


def post_counts(accounts: tuple[Account, ...]) -> list[tuple[str, list[int]]]:
    """huggingtweets' table: downloaded, one row for each reason with what it took away, kept; the last column sums."""
    reasons = dict.fromkeys(reason for account in accounts for reason in account.dropped)
    table = [("Posts downloaded", [account.num_downloaded for account in accounts])]
    for reason in reasons:
        label = _DROP_LABELS.get(reason, reason.replace("_", " ").capitalize())
        table.append((label, [-account.dropped.get(reason, 0) for account in accounts]))
    table.append(("Posts kept", [account.num_kept for account in accounts]))
    return [(label, [*row, sum(row)] if len(row) > 1 else row) for label, row in table]


def _languages(languages: dict[str, int]) -> list[tuple[str, int]]:
    """Name and posts of the most frequent languages, the rest in one row; nothing when none is known."""
    named = [(LANGUAGES.get(code, code), number) for code, number in languages.items() if code != "und"]
    shown, rest = named[:_MAX_LANGUAGE_ROWS], named[_MAX_LANGUAGE_ROWS:]
    if rest:
        shown.append((f"{len(rest)} more languages", sum(number for _, number in rest)))
    if named and (unknown := languages.get("und")):
        shown.append(("Not recognised", unknown))
    return shown


def _masked(kind: str) -> str:
    return "e-mail address" if kind == "emails" else kind.replace("_", " ").removesuffix("s")


def _hyperparameters(values: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Those a reader cannot know from the defaults, and those equal to a default of Config."""
    found: dict[str, list[tuple[str, str]]] = {"changed": [], "default": []}
    for name, value in values.items():
        is_default = name in DEFAULTS and DEFAULTS[name] == value
        found["default" if is_default else "changed"].append((name, _value(value)))
    return found


def _value(value: str | float) -> str:
    if isinstance(value, str | bool):
        return str(value)
    return formatting.number(value) if isinstance(value, int) else f"{value:g}"


def _reproduce_command(inputs: Inputs) -> str:
    """The one command that makes this model again. Paths are the reader's own, so only their place is shown."""
    base = inputs.training.base_model
    sources = {account.source for account in inputs.curation.accounts}
    arguments = [f"USER={inputs.handle}"]
    arguments += ["ARCHIVE=twitter-archive.zip"] if "x_archive" in sources else []
    arguments += ["FROM=posts.jsonl"] if "files" in sources else []
    if base.substituted_for:
        arguments.append(f"BASE_MODEL={BUNDLED_BASE_MODEL}")
    elif base.hub_id is None:
        arguments.append("BASE_MODEL=base-model-folder")
    elif base.requested != DEFAULTS["base_model"]:
        arguments.append(f"BASE_MODEL={base.requested}")
    # A branch moves on; the commit that was used does not.
    pinned = {"base_revision": base.revision} if base.revision and base.hub_id == base.requested else {}
    settings = {**pinned, **inputs.settings, **pinned}
    return " ".join(
        [*(f"HUB_PUBLISHER_{name.upper()}={settings[name]}" for name in settings), "make publish", *arguments]
    )
