"""The front matter's keys, each from a record or left out. Shapes: the Hub's model card specification."""

from typing import Any

from hub_publisher.card.inputs import Inputs
from hub_publisher.config import HUGGING_FACE, Config
from hub_publisher.readme.escape import excerpt
from hub_publisher.readme.hub_rules import LICENSES, is_language
from hub_publisher.readme.validate import check_metadata
from hub_publisher.records import BaseModelInfo

TAGS = ("hub-publisher", "text-generation", "generated-posts")
AVATAR = "figures/avatar.png"
SOCIAL = "figures/social.png"
_JOULES_PER_KWH = 3.6e6
_LANGUAGE_SHARE = 0.1  # a language of fewer posts than this is noise of the detector or an exception


def build(inputs: Inputs) -> dict[str, Any]:
    """The front matter of a finished publication, keys in the order that they are written in."""
    metadata = {
        **_common(inputs.training.base_model, inputs.curation.languages, inputs.dataset),
        "widget": _widget(inputs),
        "inference": {"parameters": inputs.evaluation.sampling},
        "model-index": [_model_index(inputs)],
    }
    if inputs.is_on_hugging_face:
        metadata["thumbnail"] = f"https://{HUGGING_FACE}/{inputs.repo_id}/resolve/main/{SOCIAL}"
    if (grams := emissions(inputs)) is not None:
        metadata["co2_eq_emissions"] = {
            "emissions": round(grams, 3),
            "source": f"{inputs.training.energy_source}, times the grid intensity that the publisher states",
            "training_type": "fine-tuning",
            "hardware_used": inputs.training.hardware,
        }
    return metadata


def emissions(inputs: Inputs) -> float | None:
    """Grams of CO2-equivalent: energy that was measured, times the grid's intensity. None when either is missing."""
    if inputs.training.energy_joules is None or inputs.grid_intensity is None:
        return None
    return inputs.training.energy_joules / _JOULES_PER_KWH * inputs.grid_intensity


def check_early(config: Config, repo_id: str, base_model: BaseModelInfo, languages: dict[str, int]) -> None:
    """Raises CardError, before any training, for whatever the Hub would refuse of what is known by then."""
    name = repo_id.rpartition("/")[2]
    metadata = _common(base_model, languages, config.dataset)
    check_metadata({**metadata, "model-index": [{"name": name, "results": []}]})


def shared_languages(languages: dict[str, int]) -> dict[str, int]:
    """The languages that at least a tenth of the posts are in, by codes that the Hub knows -> posts, most first."""
    smallest = _LANGUAGE_SHARE * sum(languages.values())
    return {code: number for code, number in languages.items() if is_language(code) and number >= smallest}


def _common(base_model: BaseModelInfo, languages: dict[str, int], dataset: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if codes := shared_languages(languages):
        metadata["language"] = list(codes)
    metadata |= _license(base_model)
    metadata |= {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": list(TAGS)}
    if base_model.hub_id:
        metadata |= {"base_model": base_model.hub_id, "base_model_relation": "finetune"}
    if dataset:
        metadata["datasets"] = [dataset]
    return metadata


def _license(base_model: BaseModelInfo) -> dict[str, str]:
    """The base model's licence, by a name the Hub takes; a licence it has no id for by name and link."""
    if base_model.license is None:
        return {}
    if base_model.license in LICENSES - {"other"}:
        return {"license": base_model.license}
    if base_model.hub_id is None:
        return {}
    name = "base-model-license" if base_model.license == "other" else base_model.license
    return {"license": "other", "license_name": name, "license_link": f"https://{HUGGING_FACE}/{base_model.hub_id}"}


def _widget(inputs: Inputs) -> list[dict[str, Any]]:
    examples = []
    for group in inputs.evaluation.samples:
        example: dict[str, Any] = {"text": group.prompt, "example_title": excerpt(group.prompt)}
        # The first of the seed or none (it is withheld): the next would be a picked one. The page appends it.
        if group.tuned and group.tuned[0]:
            example["output"] = {"text": group.tuned[0]}
        examples.append(example)
    return examples


def _model_index(inputs: Inputs) -> dict[str, Any]:
    tuned = inputs.evaluation.tuned
    handles = " and ".join(f"@{account.handle}" for account in inputs.curation.accounts)
    # The posts are no data set on the Hub: type is a plain word, and their SHA-256 tells them apart.
    dataset = {
        "type": "heldout-posts",
        "name": f"Held-out posts of {handles}",
        "split": "heldout",
        "revision": inputs.curation.posts_sha256,
    }
    metrics = [
        {"type": "perplexity", "name": "Perplexity per token", "value": round(tuned.perplexity, 4)},
        {"type": "bits_per_byte", "name": "Bits per byte", "value": round(tuned.bits_per_byte, 4)},
    ]
    result = {"task": {"type": "text-generation", "name": "Text Generation"}, "dataset": dataset, "metrics": metrics}
    return {"name": inputs.repo_id.rpartition("/")[2], "results": [result]}
