"""The Hub's rules for a card's metadata, checked before there is a Hub.

The Hub answers 400 to a commit whose front matter breaks one of these: found after hours of training and
gigabytes of upload, unless it is found here. Sources: the "model card metadata" page of the Hub's documentation,
`ApiModelMetadata` in huggingface.js, and the error texts that users quote (hub-docs#193, autotrain-advanced#648,
transformers#13528, ai-toolkit#260).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hub_publisher.errors import CardError
from hub_publisher.readme.escape import excerpt, is_web_address
from hub_publisher.readme.hub_rules import LICENSES, is_language, is_model_id

_QUOTE = "Quote it, or leave it out."
_LICENSE_HELP = "See https://huggingface.co/docs/hub/repositories-licenses, or use other with a license_name."
_RELATIONS = ("adapter", "merge", "quantized", "finetune")


class Problem(NamedTuple):
    """A key of the front matter, what is wrong with it, and what to do."""

    key: str
    fault: str
    remedy: str


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises CardError, with every key at fault and the remedy of each, when the Hub would refuse `metadata`."""
    if problems := find_problems(metadata):
        faults = "; ".join(f"{key}: {fault}" for key, fault, _ in problems)
        remedies = dict.fromkeys(remedy for _, _, remedy in problems)
        raise CardError(f"The Hub would refuse this card. {faults}.", "\n".join(remedies))


def find_problems(metadata: dict[str, Any]) -> list[Problem]:
    """Every rule that `metadata` breaks. It may come from anybody: whatever its values are, they have a verdict."""
    problems = [problem for key, value in leaves(metadata) for problem in _unplain(key, value)]
    for paths, holds, fault, remedy in _RULES:
        for path in paths.split():
            name, *rest = path.replace("[]", ".[]").split(".")
            found = _at(metadata[name], rest, name) if metadata.get(name) is not None else ()
            problems += [
                Problem(key, fault.format(excerpt(repr(value))), remedy) for key, value in found if not holds(value)
            ]
    if metadata.get("license") == "other" and not (metadata.get("license_name") and metadata.get("license_link")):
        problems.append(Problem("license", "other needs a license_name and a license_link", "Give both."))
    if "base_model_relation" in metadata and "base_model" not in metadata:
        problems.append(Problem("base_model_relation", "there is no base_model to relate to", "Leave it out."))
    return problems


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in `value` that is no dict or list with something in it, each with its place: `widget[0].text`."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{key}[{index}]")
    else:
        yield key, value


def _unplain(key: str, value: Any) -> Iterator[Problem]:
    """Only what YAML and every reader of it agree on: no null, no NaN, no numpy scalar."""
    if type(value) not in (str, bool, int, float, list, dict):
        yield Problem(key, f"a {type(value).__name__} has no place in a card", "Leave the key out.")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(key, f"{value} is not a finite number", "Train again with a lower --learning-rate.")


def _at(value: Any, path: list[str], key: str) -> Iterator[tuple[str, Any]]:
    """What `value`, which stands at `key`, has at `path`, each with its place; None where it lacks that."""
    if not path:
        yield key, value
    elif path[0] != "[]":
        yield from _at(value.get(path[0]) if isinstance(value, dict) else None, path[1:], f"{key}.{path[0]}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _at(item, path[1:], f"{key}[{index}]")
    elif value is not None:
        yield from _at(value, path[1:], key)  # the Hub takes one for a list of one


def _text(holds: Callable[[str], object]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(holds(value))


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_inference(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, dict) and isinstance(value.get("parameters"), dict))


def _is_emission(value: Any) -> bool:
    grams = value.get("emissions") if isinstance(value, dict) else value
    return isinstance(grams, int | float) and not isinstance(grams, bool)


_is_url = _text(is_web_address)

# Where; what must hold there; else what is wrong, and what to do. [] is every item of a list, or what stands in its
# place. Several entries of model-index are legal, but huggingface_hub reads them back as one under the last name.
_RESULT = "model-index[].results[]"
_RULES: tuple[tuple[str, Callable[[Any], bool], str, str], ...] = (
    ("license[]", _text(LICENSES.__contains__),
     "{} is not a licence id of the Hub", _LICENSE_HELP),
    ("license_link", lambda value: value in ("LICENSE", "LICENSE.md") or _is_url(value),
     "{} is no URL", "Use LICENSE, LICENSE.md or an https:// address."),
    ("language[]", _text(is_language),
     "{} is not a language code", "Use ISO 639 codes in lower case, without region."),
    ("license_name library_name pipeline_tag", _text(bool), "it must be a string", _QUOTE),
    ("tags metrics", lambda value: isinstance(value, list) and all(map(_text(bool), value)),
     "it must be a list of strings", "Quote each, and leave out empty ones."),
    ("base_model[]", _text(is_model_id),
     "{} is not the id of a model on the Hub", "Name the base model as namespace/name with --base-model."),
    ("base_model_relation", _RELATIONS.__contains__, "{} is unknown", f"Use one of {', '.join(_RELATIONS)}."),
    ("datasets[]", _text(is_model_id), "{} is not the id of a data set on the Hub", "Leave it out."),
    ("thumbnail", _is_url, "{} is no URL", "Use an https:// address, or leave it out."),
    ("inference", _is_inference, "it must be true, false or hold parameters", "Give inference.parameters."),
    ("co2_eq_emissions", _is_emission, "it needs grams as a number", "Give co2_eq_emissions.emissions."),
    ("widget", lambda value: isinstance(value, list),
     "it must be an array", "Give a list of examples, each with a text."),
    ("widget[].text", _text(bool), "every example needs a text", "Give --prompt a text that is not empty."),
    ("widget[].example_title widget[].group", _is_text_or_none, "it must be a string", _QUOTE),
    ("widget[].output", lambda value: value is None or (isinstance(value, dict) and isinstance(value.get("text"), str)),
     "it must hold a text", "Give the continuation as output.text."),
    ("model-index", lambda value: isinstance(value, list) and len(value) == 1,
     "it must be a list of exactly one entry", "Give one entry for this model."),
    ("model-index[].name", _text(is_model_id), "{} is not a model's name", "Use the repository's name."),
    ("model-index[].results", lambda value: value is None or isinstance(value, list),
     "it must be a list", "Give a list of results, or leave it out."),
    (f"{_RESULT}.task.type {_RESULT}.dataset.type {_RESULT}.dataset.name", _text(bool),
     "it must be a string", "Give it, in quotes."),
    (f"{_RESULT}.dataset.config {_RESULT}.dataset.split {_RESULT}.dataset.revision", _is_text_or_none,
     "it must be a string", _QUOTE),
    (f"{_RESULT}.metrics", lambda value: isinstance(value, list) and value != [],
     "it must be a list of metrics", "Give at least one."),
    (f"{_RESULT}.metrics[].type", _text(bool), "a metric needs a type", "Give it, in quotes."),
    (f"{_RESULT}.metrics[].value", lambda value: value is not None, "a metric needs a value", "Give it."),
    (f"{_RESULT}.source", lambda value: value is None or (isinstance(value, dict) and _is_url(value.get("url"))),
     "a source needs a URL", "Give one, or leave the source out."),
)  # fmt: skip
