"""What the template says about the posts, the training and its outcome; one function for each section."""

from typing import Any

from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs, TrackedPage
from hub_publisher.card.metadata import emissions
from hub_publisher.config import DEFAULTS
from hub_publisher.readme.escape import NAME_LIMIT, shorten
from hub_publisher.readme.hub_rules import LANGUAGES, is_model_id
from hub_publisher.records import Curation, Training

# The curation's reasons; another one is shown by its own name.
_DROP_LABELS = {
    "reposts": "Reposts",
    "without_text": "Without text of its own",
    "quotes_of_others": "Others' words, quoted by hand",
    "cut_off": "Cut off by the source",
    "only_links": "Nothing but links and mentions",
    "too_short": "Too short",
    "exact_duplicates": "Said before, word for word",
    "near_duplicates": "Said before, nearly the same",
}
_MASKED_LABELS = {
    "emails": "e-mail address",
    "phone_numbers": "phone number",
    "special_tokens": "special token",
}
_MAX_LOG_ROWS = 20
_MAX_LANGUAGE_ROWS = 8
_PACKAGE_NAMES = {"python": "Python", "torch": "PyTorch", "wandb": "Weights & Biases"}


def training_data(inputs: Inputs) -> dict[str, Any]:
    """The table of counts, one column per account, and what else is known of the posts."""
    curation = inputs.curation
    accounts = curation.accounts
    posts = inputs.posts
    return {
        "headers": [f"@{shorten(account.handle, NAME_LIMIT)}" for account in accounts],
        "rows": _count_rows(curation),
        "first_day": formatting.day(curation.first_post_at) if curation.first_post_at else None,
        "last_day": formatting.day(curation.last_post_at) if curation.last_post_at else None,
        "languages": _languages(curation),
        "splits": [
            ("Training", formatting.count(curation.num_train), formatting.count(curation.num_train_characters)),
            ("Held out", formatting.count(curation.num_heldout), formatting.count(curation.num_heldout_characters)),
        ],
        "split_by": curation.split_by,
        "lengths": [formatting.count(number) for number in (posts.shortest, posts.median, posts.longest)],
        "masked": _masked(curation),
        "notes": curation.notes,
    }


def drop_label(reason: str) -> str:
    """What the reader of the card sees for a reason of the curation."""
    return _DROP_LABELS.get(reason, reason.replace("_", " ").capitalize())


def _count_rows(curation: Curation) -> list[tuple[str, list[str]]]:
    """huggingtweets' table: downloaded, one row for each reason with what it took away, kept."""
    accounts = curation.accounts
    reasons = list(dict.fromkeys(reason for account in accounts for reason in account.dropped))
    table = [("Posts downloaded", [account.num_downloaded for account in accounts])]
    table += [(drop_label(reason), [-account.dropped.get(reason, 0) for account in accounts]) for reason in reasons]
    table += [("Posts kept", [account.num_kept for account in accounts])]
    totals = [(label, [*row, sum(row)] if len(row) > 1 else row) for label, row in table]
    return [(label, [formatting.count(number).replace("-", "−") for number in row]) for label, row in totals]


def _languages(curation: Curation) -> list[tuple[str, str, str]]:
    """Name, posts and share of the most frequent languages, the rest in one row; nothing when none is known."""
    total = sum(curation.languages.values())
    named = [(LANGUAGES.get(code, code), number) for code, number in curation.languages.items() if code != "und"]
    if not named:
        return []
    shown, rest = named[:_MAX_LANGUAGE_ROWS], named[_MAX_LANGUAGE_ROWS:]
    if rest:
        shown.append((f"{len(rest)} more languages", sum(number for _, number in rest)))
    if unknown := curation.languages.get("und"):
        shown.append(("Not recognised", unknown))
    return [(name, formatting.count(number), formatting.percent(number, total)) for name, number in shown]


def _masked(curation: Curation) -> list[str]:
    return [
        formatting.count(number, _MASKED_LABELS.get(kind, kind.replace("_", " ").removesuffix("s")))
        for kind, number in curation.masked.items()
        if number
    ]


def procedure(inputs: Inputs) -> dict[str, Any]:
    """Hyperparameters, hardware, time, the log and the versions."""
    training = inputs.training
    base = training.base_model
    changed, default = _hyperparameters(training)
    return {
        "base_id": base.hub_id,
        "base_url": f"https://huggingface.co/{base.hub_id}" if base.hub_id and is_model_id(base.hub_id) else None,
        "base_revision": base.revision,
        "num_parameters": formatting.millions(base.num_parameters),
        "substituted_for": base.substituted_for,
        "base_notes": base.notes,
        "changed": changed,
        "default": default,
        "facts": _run_facts(inputs),
        "log": _log_rows(training),
        "evals": [
            (
                "before training" if point.epoch == 0 else f"after pass {point.epoch}",
                point.step,
                f"{point.eval_loss:.3f}",
            )
            for point in training.evals
        ],
        "best_epoch": training.best_epoch,
        "last_epoch": training.evals[-1].epoch if training.evals else 0,
        "stopped_early": training.stopped_early,
        "versions": [(_PACKAGE_NAMES.get(name, name), version) for name, version in training.versions.items()],
        "runs": [_run_page(job, run) for job, run in inputs.runs.items() if run.url],
    }


def _run_page(job: str, run: TrackedPage) -> dict[str, Any]:
    """A run's page on Weights & Biases, what it was made from and what it left there."""
    kinds = {"inputs": run.inputs, "artifacts": run.artifacts}
    listed = {
        kind: formatting.listing([f"{name} ({version})" for name, version in of.items()]) for kind, of in kinds.items()
    }
    return {"job": job, "url": run.url, **listed}


def _hyperparameters(training: Training) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Those a reader cannot know from the defaults, and those equal to a default of Config."""
    defaults = DEFAULTS
    values = {name: value for name, value in training.hyperparameters.items() if isinstance(value, str | int | float)}
    changed = [
        (name, _value(value)) for name, value in values.items() if name not in defaults or defaults[name] != value
    ]
    default = [(name, _value(value)) for name, value in values.items() if name in defaults and defaults[name] == value]
    return changed, default


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return formatting.count(value) if isinstance(value, int) else f"{value:g}"


def _run_facts(inputs: Inputs) -> list[tuple[str, str]]:
    training = inputs.training
    precision = "float32" if training.mixed_precision == "no" else f"{training.mixed_precision} autocast"
    rows = [
        ("Hardware", training.hardware),
        ("Processes", formatting.count(training.num_processes)),
        ("Precision", precision),
        ("Wall time", formatting.duration(training.train_seconds)),
        ("Peak memory", formatting.size(training.peak_memory_bytes)),
        ("Optimizer steps", formatting.count(training.num_steps)),
        ("Tokens in one pass", formatting.count(training.num_train_tokens)),
        ("Padding", formatting.percent(training.padding_ratio, 1)),
        ("Evaluation time", formatting.duration(inputs.evaluation.eval_seconds)),
    ]
    if training.energy_joules is not None:
        rows.append(
            ("Energy", f"{formatting.significant(training.energy_joules / 3600)} Wh ({training.energy_source})")
        )
    if (grams := emissions(inputs)) is not None:
        intensity = formatting.significant(inputs.grid_intensity or 0)
        rows.append(
            ("CO2 equivalent", f"{formatting.significant(grams)} g at {intensity} g/kWh, the publisher's figure")
        )
    return rows


def _log_rows(training: Training) -> list[tuple[str, str, str, str]]:
    """Some twenty steps of the log, evenly spread, the last one among them."""
    stride = -(-len(training.log) // _MAX_LOG_ROWS) or 1
    points = training.log[::-1][::stride][::-1]
    return [
        (formatting.count(point.step), f"{point.epoch:.2f}", f"{point.loss:.3f}", f"{point.learning_rate:.2e}")
        for point in points
    ]
