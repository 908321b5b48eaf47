"""What a repository says about itself: front matter, the Hub's rules for it, tags, and the weights' headers."""

import json
import math
from functools import lru_cache
from typing import Any

from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.store import File
from hub_publisher.readme.hub_rules import LICENSES, is_language, is_model_id
from hub_publisher.readme.parse import BYTE_ORDER_MARK, find_block, load
from hub_publisher.readme.regions import unix

CARD_LIMIT = 4 * 2**20  # bytes of a README that are looked at
MAX_HEADER = 100 * 2**20  # bytes; the safetensors format's own limit
_TASKS = (
    "text-classification token-classification table-question-answering question-answering zero-shot-classification"
    " translation summarization feature-extraction text-generation fill-mask sentence-similarity text-to-speech"
    " text-to-audio automatic-speech-recognition audio-to-audio audio-classification voice-activity-detection"
    " depth-estimation image-classification object-detection image-segmentation text-to-image image-to-text"
    " image-to-image image-to-video unconditional-image-generation video-classification reinforcement-learning"
    " robotics tabular-classification tabular-regression text-to-video visual-question-answering"
    " document-question-answering zero-shot-image-classification graph-ml mask-generation text-to-3d image-to-3d"
    " image-feature-extraction image-text-to-text audio-text-to-text any-to-any other"
)
TASKS = set(_TASKS.split())


def parse(text: str) -> dict:
    """Return the front matter of a README; ValueError with a one-line reason when it is no YAML mapping."""
    block = find_block(unix(text).lstrip(BYTE_ORDER_MARK))
    data = load(block.text, block.first_line).value if block else None
    if not isinstance(data, dict | None):
        raise ValueError("the metadata must be a mapping of keys to values")
    return plain(data or {})


def plain(value: object) -> Any:
    """Return `value` of YAML or JSON made of what a reply in JSON can hold."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # JSON cannot carry half of a character
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def validate(content: str) -> tuple[list[str], list[str]]:
    """Return (errors, warnings) for a README, by the Hub's rules as far as they are known."""
    try:
        card = parse(content)
    except ValueError as error:
        return [f"Invalid YAML: {error}"], []
    if not card:
        return [], ["empty or missing yaml metadata in repo card"]
    errors = [*_check_names(card), *_check_widget(card), *_check_index(card)]
    task = card.get("pipeline_tag")
    known = task is None or task in TASKS
    return errors, [] if known else [
        f'The pipeline tag "{task}" is not in the official list: {", ".join(sorted(TASKS))}'
    ]


def listed(value: object) -> list:
    """Return `value` as a list: itself, or of one, or empty for None."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _check_names(card: dict) -> list[str]:
    errors = []
    for value in listed(card.get("license")):
        if not (isinstance(value, str) and value in LICENSES):
            errors.append(f'"license" must be one of [{", ".join(sorted(LICENSES))}]')
    for value in listed(card.get("language")):
        if not (isinstance(value, str) and is_language(value)):
            errors.append(
                f'"language" with value "{value}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 code.'
            )
    for key, where in (("base_model", "models"), ("datasets", "datasets")):
        for index, value in enumerate(listed(card.get(key))):
            if not (isinstance(value, str) and is_model_id(value)):
                name = f"{key}[{index}]" if isinstance(card[key], list) else key
                kind = where.removesuffix("s")
                errors.append(
                    f'"{name}" with value "{value}" is not valid. Use a {kind} id from https://hf.co/{where}.'
                )
    relation = card.get("base_model_relation")
    if relation not in (None, "adapter", "merge", "quantized", "finetune"):
        errors.append('"base_model_relation" must be one of [adapter, merge, quantized, finetune]')
    return errors + [f'"{key}" must be a string' for key in ("library_name", "pipeline_tag", "thumbnail")
                     if card.get(key) is not None and not isinstance(card[key], str)]  # fmt: skip


def _check_widget(card: dict) -> list[str]:
    errors = []
    if "widget" in card and not isinstance(card["widget"], list):
        errors.append('"widget" must be an array')
    tags = card.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        errors.append('"tags" must be an array of strings')
    return errors


def _check_index(card: dict) -> list[str]:
    errors = []
    index = card.get("model-index")
    if index is not None and not isinstance(index, list):
        return ['"model-index" must be an array']
    for i, model in enumerate(index or []):
        at = f"model-index[{i}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            errors.append(f'"{at}.name" is required')
            continue
        for j, result in enumerate(listed(model.get("results"))):
            errors += _check_result(result, f"{at}.results[{j}]")
    return errors


def _check_result(result: object, at: str) -> list[str]:
    if not isinstance(result, dict):
        return [f'"{at}" must be an object']
    dataset = result.get("dataset")
    fields = dataset.items() if isinstance(dataset, dict) else ()
    named = ("config", "split", "revision", "name", "type")
    errors = [
        f'"{at}.dataset.{key}" must be a string' for key, value in fields if key in named and not isinstance(value, str)
    ]
    for k, metric in enumerate(listed(result.get("metrics"))):
        if not isinstance(metric, dict) or metric.get("value") is None:
            errors.append(f'"{at}.metrics[{k}].value" is required')
    source = result.get("source")
    if source is not None and not (isinstance(source, dict) and source.get("url")):
        errors.append(f'"{at}.source.url" is required')
    return errors


def card_of(files: dict[str, File], blobs: BlobStore) -> tuple[dict, str]:
    """Return (metadata, Markdown body) of a tree's README; empty where there is none or it cannot be read."""
    readme = files.get("README.md")
    return _read_card(blobs, readme.sha256) if readme else ({}, "")


@lru_cache(maxsize=256)
def _read_card(blobs: BlobStore, sha256: str) -> tuple[dict, str]:
    text = unix(blobs.read(sha256, CARD_LIMIT).decode("utf-8", "replace"))
    block = find_block(text.lstrip(BYTE_ORDER_MARK))
    body = block.body if block else text
    try:
        return parse(text), body
    except ValueError:
        return {}, body


def json_of(files: dict[str, File], path: str, blobs: BlobStore) -> dict:
    """Return the JSON object in a file of a tree; empty where there is none or it cannot be read."""
    return _read_json(blobs, files[path].sha256) if path in files else {}


@lru_cache(maxsize=64)
def _read_json(blobs: BlobStore, sha256: str) -> dict:
    try:
        data = plain(json.loads(blobs.read(sha256, CARD_LIMIT)))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def config_of(files: dict[str, File], blobs: BlobStore) -> dict:
    """Return what a tree's config.json says about architecture and model type."""
    config = json_of(files, "config.json", blobs)
    return {key: config[key] for key in ("architectures", "model_type") if key in config}


@lru_cache(maxsize=256)
def count_parameters(blobs: BlobStore, sha256: str) -> dict[str, int]:
    """Return {dtype: number of parameters} from a safetensors header; empty when it is none."""
    with open(blobs.path(sha256), "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length)) if length <= MAX_HEADER else {}
            tensors = [item for name, item in header.items() if name != "__metadata__"]
            counts: dict[str, int] = {}
            for tensor in tensors:
                dtype = plain(tensor["dtype"])
                counts[dtype] = counts.get(dtype, 0) + math.prod(tensor["shape"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
    return counts


def safetensors_of(files: dict[str, File], blobs: BlobStore) -> dict | None:
    """Return {"parameters": {dtype: count}, "total": count} over all safetensors files, None without any."""
    total: dict[str, int] = {}
    for file in files.values():
        if file.path.endswith(".safetensors"):
            for dtype, count in count_parameters(blobs, file.sha256).items():
                total[dtype] = total.get(dtype, 0) + count
    return {"parameters": total, "total": sum(total.values())} if total else None


def tags_of(card: dict, config: dict, files: dict[str, File]) -> list[str]:
    """Return the tags that the Hub derives: library, formats, the card's own, language, licence, base model."""
    tags = [card.get("library_name"), "safetensors" if any(p.endswith(".safetensors") for p in files) else None]
    tags += [
        config.get("model_type"),
        card.get("pipeline_tag"),
        *listed(card.get("tags")),
        *listed(card.get("language")),
    ]
    for key, prefix in (("datasets", "dataset:"), ("base_model", "base_model:"), ("license", "license:")):
        tags += [f"{prefix}{value}" for value in listed(card.get(key))]
    relation = card.get("base_model_relation", "finetune")
    tags += [f"base_model:{relation}:{value}" for value in listed(card.get("base_model"))]
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str) and tag))
