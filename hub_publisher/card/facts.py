"""What the templates cannot read off the records as they stand: names, sums, shares, the command.

Strings are plain text and numbers are numbers: the templates format and escape them.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from hub_publisher import __version__
from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.metadata import TAGS, emissions, shared_languages
from hub_publisher.config import BUNDLED_BASE_MODEL, DEFAULTS, HUGGING_FACE
from hub_publisher.readme.escape import NAME_LIMIT, TEXT_LIMIT, Safe, is_web_address, link, shorten, visible
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
PROMPT_LIMIT = 200
NUM_SHOWN = 6  # texts that a reader sees without unfolding anything
PROJECT_URL: str | None = None  # of hub_publisher's own repository; its links are shown once it has a public one
# Where people who read the account would share a link: host of its profile -> its name, what comes before the address.
_SHARE = {
    "x.com": ("X", "https://x.com/intent/post?url="),
    "twitter.com": ("X", "https://x.com/intent/post?url="),
    "bsky.app": ("Bluesky", "https://bsky.app/intent/compose?text="),
}


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
        "project_url": PROJECT_URL,
        "links": list(_links(inputs)),
        "citation": _citation(inputs),
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
    """The first texts of the prompts in turn, and what remains of each prompt. None is a text withheld, "" is none."""
    turns = sorted((turn, place) for place, group in enumerate(groups) for turn in range(len(group.tuned)))
    shown, prompts = (
        turns[:NUM_SHOWN],
        [shorten(visible(group.prompt, "(no prompt)"), PROMPT_LIMIT) for group in groups],
    )
    num_shown = Counter(place for _, place in shown)
    texts = [text for group in groups for text in (*group.tuned, *group.base) if text != ""]
    return {
        "shown": [(prompts[place], groups[place].tuned[turn]) for turn, place in shown],
        "groups": [(prompts[place], group.tuned[num_shown[place] :], group.base) for place, group in enumerate(groups)],
        "num_withheld": texts.count(None),
        "num_texts": len(texts),
    }


def post_counts(accounts: tuple[Account, ...]) -> list[tuple[str, list[int]]]:
    """huggingtweets' table: read, one row for each reason with what it took away, kept; the last column sums."""
    reasons = dict.fromkeys(reason for account in accounts for reason in account.dropped)
    table = [("Posts read", [account.num_downloaded for account in accounts])]
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


def _hyperparameters(values: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, value, and whether that is the default of Config; what a reader cannot know from those comes first."""
    rows = [(name, _value(value), name in DEFAULTS and DEFAULTS[name] == value) for name, value in values.items()]
    return sorted(rows, key=lambda row: row[2])


def _value(value: str | float) -> str:
    if isinstance(value, str | bool):
        return str(value)
    return formatting.number(value) if isinstance(value, int) else f"{value:g}"


def _links(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Label and address of what a reader may do next, as far as the account and the model have addresses."""
    page = f"https://{HUGGING_FACE}/{inputs.repo_id}"
    profiles = [
        one for one in inputs.curation.accounts if is_web_address(one.profile_url or "") and one.source != "sample"
    ]
    yield from ((f"Follow @{one.handle}", str(one.profile_url)) for one in profiles)
    if inputs.is_on_hugging_face:
        hosts = [str(urlsplit(str(one.profile_url)).hostname) for one in profiles]
        for site, begin in dict.fromkeys(_SHARE[host] for host in hosts if host in _SHARE):
            yield f"Share on {site}", begin + quote(page, safe="")
        yield "Like this model", page
        yield "More models made with hub_publisher", f"https://{HUGGING_FACE}/models?other={TAGS[0]}"
    if PROJECT_URL:
        yield "Star hub_publisher", PROJECT_URL


def _citation(inputs: Inputs) -> str:
    """BibTeX. The year is left to the reader: no record says when the page was first published."""
    who, (publisher, name) = identity(inputs.curation.accounts), inputs.repo_id.split("/")
    base = inputs.training.base_model.hub_id or "a local folder"
    fields = {
        "title": f"{who['name']}: a language model fine-tuned on posts of {who['plain_handles']}",
        "author": publisher,
        "note": f"Fine-tuned from {base} with hub_publisher {__version__}",
    }
    rows = [f"  {field} = {{{{{_bibtex(text)}}}}}" for field, text in fields.items()]
    rows += [f"  url = {{https://{HUGGING_FACE}/{inputs.repo_id}}}"] if inputs.is_on_hugging_face else []
    return ",\n".join([f"@misc{{{re.sub('[^A-Za-z0-9]+', '-', name)}", *rows]) + "\n}"


def _bibtex(text: str) -> str:
    """`text` within a field's braces: TeX's special characters escaped, those that have no short escape left out."""
    return re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[\\{}~^]", "", text))


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
