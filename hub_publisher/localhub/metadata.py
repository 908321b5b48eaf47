"""What a repository says about itself: front matter, what the Hub refuses in it, tags, and the weights' headers."""

import json
import math
from functools import lru_cache
from typing import Any

from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.store import File
from hub_publisher.readme.parse import load, take_apart
from hub_publisher.readme.validate import find_problems

CARD_LIMIT = 4 * 2**20  # bytes of a README that are looked at
MAX_HEADER = 100 * 2**20  # bytes; the safetensors format's own limit


def parse(text: str) -> dict:
    """Return the front matter of a README; ValueError with a one-line reason when it is no YAML mapping."""
    data, _ = load(take_apart(text)[0])
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


def refused(content: str) -> list[str]:
    """Return a line for each thing in a README's metadata that the Hub would refuse, empty when it takes the file."""
    try:
        card = parse(content)
    except ValueError as error:
        return [f"Invalid YAML: {error}"]
    stated = {key: value for key, value in card.items() if value is not None}
    return [f"{key}: {fault}. {remedy}" for key, fault, remedy in find_problems(stated)]


def listed(value: object) -> list:
    """Return `value` as a list: itself, or of one, or empty for None."""
    return value if isinstance(value, list) else [] if value is None else [value]


def card_of(files: dict[str, File], blobs: BlobStore) -> tuple[dict, str]:
    """Return (metadata, Markdown body) of a tree's README; empty where there is none or it cannot be read."""
    readme = files.get("README.md")
    return _read_card(blobs, readme.sha256) if readme else ({}, "")


@lru_cache(maxsize=256)
def _read_card(blobs: BlobStore, sha256: str) -> tuple[dict, str]:
    text = blobs.read(sha256, CARD_LIMIT).decode("utf-8", "replace")
    body = take_apart(text)[1]
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
