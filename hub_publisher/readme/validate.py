"""The Hub's rules for a card's metadata, checked before there is a Hub.

The Hub answers 400 to a commit whose front matter breaks one of these: found after hours of training and
gigabytes of upload, unless it is found here. Sources: the "model card metadata" page of the Hub's documentation,
`ApiModelMetadata` in huggingface.js, and the error texts that users quote (hub-docs#193, autotrain-advanced#648,
transformers#13528, ai-toolkit#260).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from hub_publisher.errors import CardError
from hub_publisher.readme import hub_rules
from hub_publisher.readme.escape import is_web_address

RELATIONS = ("adapter", "merge", "quantized", "finetune")


class Problem(NamedTuple):
    """A key of the front matter, what is wrong with it, and what to do."""

    key: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.fault}. {self.remedy}"


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises CardError, with every key at fault and the remedy of each, when the Hub would refuse `metadata`."""
    if problems := find_problems(metadata):
        faults = "; ".join(f"{problem.key}: {problem.fault}" for problem in problems)
        remedies = dict.fromkeys(problem.remedy for problem in problems)
        raise CardError(f"The Hub would refuse this card. {faults}.", "\n".join(remedies))


def validate_metadata(metadata: dict[str, Any]) -> list[str]:
    """One line for every rule that `metadata` breaks: key, fault, remedy. Empty when the Hub would take it."""
    return [str(problem) for problem in find_problems(metadata)]


def find_problems(metadata: dict[str, Any]) -> list[Problem]:
    """Every rule that `metadata` breaks. It may come from anybody: whatever its values are, they have a verdict."""
    return list(_problems(metadata))


def _problems(metadata: dict[str, Any]) -> Iterator[Problem]:
    yield from _plain_values(metadata)
    for key, rule in _RULES.items():
        if key in metadata and metadata[key] is not None:
            yield from rule(metadata[key], metadata)


def _plain_values(value: Any, key: str = "") -> Iterator[Problem]:
    """Only what YAML and every reader of it agree on: no null, no NaN, no numpy scalar."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _plain_values(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plain_values(item, f"{key}[{index}]")
    elif type(value) not in (str, bool, int, float):
        yield Problem(key, f"a {type(value).__name__} has no place in a card", "Leave the key out.")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(key, f"{value} is not a finite number", "Train again with a lower --learning-rate.")


def _license(value: Any, metadata: dict[str, Any]) -> Iterator[Problem]:
    for license_id in value if isinstance(value, list) else [value]:
        if not isinstance(license_id, str) or license_id not in hub_rules.LICENSES:
            yield Problem(
                "license",
                f"{license_id!r} is not a licence id of the Hub",
                "See https://huggingface.co/docs/hub/repositories-licenses, or use other with a license_name.",
            )
    if value == "other" and not (metadata.get("license_name") and metadata.get("license_link")):
        yield Problem("license", "other needs a license_name and a license_link", "Give both.")


def _license_link(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    if value not in ("LICENSE", "LICENSE.md") and not _is_url(value):
        yield Problem("license_link", f"{value!r} is no URL", "Use LICENSE, LICENSE.md or an https:// address.")


def _language(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    for code in value if isinstance(value, list) else [value]:
        if not isinstance(code, str) or not hub_rules.is_language(code):
            yield Problem(
                "language", f"{code!r} is not a language code", "Use ISO 639 codes in lower case, without region."
            )


def _base_model(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    for model in value if isinstance(value, list) else [value]:
        if not isinstance(model, str) or not hub_rules.is_model_id(model):
            yield Problem(
                "base_model",
                f"{model!r} is not the id of a model on the Hub",
                "Name the base model as namespace/name with --base-model.",
            )


def _datasets(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    for dataset in value if isinstance(value, list) else [value]:
        if not isinstance(dataset, str) or not hub_rules.is_model_id(dataset):
            yield Problem("datasets", f"{dataset!r} is not the id of a data set on the Hub", "Leave it out.")


def _relation(value: Any, metadata: dict[str, Any]) -> Iterator[Problem]:
    if value not in RELATIONS:
        yield Problem("base_model_relation", f"{value!r} is unknown", f"Use one of {', '.join(RELATIONS)}.")
    if "base_model" not in metadata:
        yield Problem("base_model_relation", "there is no base_model to relate to", "Leave it out.")


def _strings(key: str) -> Any:
    def rule(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            yield Problem(key, "it must be a list of strings", "Quote each, and leave out empty ones.")

    return rule


def _string(key: str) -> Any:
    def rule(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
        if not isinstance(value, str) or not value:
            yield Problem(key, "it must be a string", "Quote it, or leave it out.")

    return rule


def _thumbnail(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    if not _is_url(value):
        yield Problem("thumbnail", f"{value!r} is no URL", "Use an https:// address, or leave it out.")


def _widget(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem("widget", "it must be an array", "Give a list of examples, each with a text.")
        return
    for index, example in enumerate(value):
        key = f"widget[{index}]"
        if not isinstance(example, dict) or not isinstance(example.get("text"), str) or not example["text"]:
            yield Problem(f"{key}.text", "every example needs a text", "Give --prompt a text that is not empty.")
            continue
        for name in ("example_title", "group"):
            if name in example and not isinstance(example[name], str):
                yield Problem(f"{key}.{name}", "it must be a string", "Quote it, or leave it out.")
        output = example.get("output")
        if output is not None and not (isinstance(output, dict) and isinstance(output.get("text"), str)):
            yield Problem(f"{key}.output", "it must hold a text", "Give the continuation as output.text.")


def _inference(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(value, bool) and not (isinstance(value, dict) and isinstance(value.get("parameters"), dict)):
        yield Problem("inference", "it must be true, false or hold parameters", "Give inference.parameters.")


def _co2(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    emissions = value.get("emissions") if isinstance(value, dict) else value
    if isinstance(emissions, bool) or not isinstance(emissions, int | float):
        yield Problem("co2_eq_emissions", "it needs grams as a number", "Give co2_eq_emissions.emissions.")


def _model_index(value: Any, _: dict[str, Any]) -> Iterator[Problem]:
    # Several entries are legal, but huggingface_hub reads them back as one under the last name.
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        yield Problem("model-index", "it must be a list of exactly one entry", "Give one entry for this model.")
        return
    entry = value[0]
    name = entry.get("name")
    if not isinstance(name, str) or not hub_rules.is_model_id(name):
        yield Problem("model-index[0].name", f"{name!r} is not a model's name", "Use the repository's name.")
    results = entry.get("results", [])
    if not isinstance(results, list):
        yield Problem("model-index[0].results", "it must be a list", "Give a list of results, or leave it out.")
        return
    for index, result in enumerate(results):
        yield from _result(result, f"model-index[0].results[{index}]")


def _result(result: Any, key: str) -> Iterator[Problem]:
    for name in ("task.type", "dataset.type", "dataset.name"):
        found = _within(result, name)
        if not isinstance(found, str) or not found:
            yield Problem(f"{key}.{name}", "it must be a string", "Give it, in quotes.")
    for name in ("dataset.config", "dataset.split", "dataset.revision"):
        if not isinstance(_within(result, name, ""), str):
            yield Problem(f"{key}.{name}", "it must be a string", "Quote it, or leave it out.")
    metrics = _within(result, "metrics")
    for number, metric in enumerate(metrics if isinstance(metrics, list) and metrics else [{}]):
        if not isinstance(_within(metric, "type"), str) or _within(metric, "value") is None:
            yield Problem(f"{key}.metrics[{number}]", "it needs a type and a value", "Give both.")
    if _within(result, "source") is not None and not _is_url(_within(result, "source.url")):
        yield Problem(f"{key}.source.url", "a source needs a URL", "Give one, or leave the source out.")


def _within(value: Any, path: str, missing: Any = None) -> Any:
    """What lies at a dotted `path` of nested dicts, or `missing`."""
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return missing
        value = value[name]
    return value


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and is_web_address(value)


_RULES = {
    "license": _license,
    "license_name": _string("license_name"),
    "license_link": _license_link,
    "language": _language,
    "library_name": _string("library_name"),
    "pipeline_tag": _string("pipeline_tag"),
    "tags": _strings("tags"),
    "metrics": _strings("metrics"),
    "base_model": _base_model,
    "base_model_relation": _relation,
    "datasets": _datasets,
    "widget": _widget,
    "inference": _inference,
    "model-index": _model_index,
    "thumbnail": _thumbnail,
    "co2_eq_emissions": _co2,
}
# The keys that the Hub knows and this module has a rule for.
KEYS = frozenset(_RULES)
