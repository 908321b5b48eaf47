"""What a repository says about itself: front matter, what the Hub refuses in it, tags, and the weights' headers."""

import math
from collections import Counter
from functools import lru_cache
from operator import index

from pydantic_core import from_json, to_json

from hub_publisher.errors import CardError
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.store import File
from hub_publisher.readme.parse import read_page
from hub_publisher.readme.validate import find_problems

CARD_LIMIT = 4 * 2**20  # bytes of a README that are looked at
MAX_HEADER = 100 * 2**20  # bytes; the safetensors format's own limit


def refused(content: str) -> list[str]:
    """Return a line for each thing in a README's metadata that the Hub would refuse, empty when it takes the file."""
    try:
        card = read_page(content).metadata
    except CardError as error:
        return [error.message]
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
    try:
        card, body, _ = read_page(text)
    except CardError:
        return {}, text
    return from_json(to_json(card, inf_nan_mode="strings")), body  # no reply can hold a NaN


def json_of(files: dict[str, File], path: str, blobs: BlobStore) -> dict:
    """Return the JSON object in a file of a tree; empty where there is none or it cannot be read."""
    return _read_json(blobs, files[path].sha256) if path in files else {}


@lru_cache(maxsize=64)
def _read_json(blobs: BlobStore, sha256: str) -> dict:
    try:
        data = from_json(blobs.read(sha256, CARD_LIMIT), allow_inf_nan=False)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


@lru_cache(maxsize=256)
def count_parameters(blobs: BlobStore, sha256: str) -> Counter[str]:
    """Return {dtype: number of parameters} from a safetensors header; empty when it is none."""
    counts: Counter[str] = Counter()
    path = blobs.path(sha256)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= MAX_HEADER else b""
    try:
        for name, tensor in from_json(text).items():
            if name != "__metadata__":
                counts[tensor["dtype"]] += math.prod(map(index, tensor["shape"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Counter()
    # No type is smaller than half a byte.
    return counts if 0 <= counts.total() <= 2 * path.stat().st_size else Counter()


def safetensors_of(files: dict[str, File], blobs: BlobStore) -> dict | None:
    """Return {"parameters": {dtype: count}, "total": count} over all safetensors files, None without any."""
    total: Counter[str] = Counter()
    for path, file in files.items():
        if path.endswith(".safetensors"):
            total.update(count_parameters(blobs, file.sha256))
    return {"parameters": total, "total": total.total()} if total else None


def tags_of(card: dict, config: dict, files: dict[str, File]) -> list[str]:
    """Return the tags that the Hub derives: library, formats, the card's own, language, licence, base model."""
    tags = [card.get("library_name"), *("safetensors" for path in files if path.endswith(".safetensors"))]
    tags += [config.get("model_type"), card.get("pipeline_tag")]
    relation = f"base_model:{card.get('base_model_relation', 'finetune')}:"
    for key, prefix in (
        ("tags", ""), ("language", ""), ("datasets", "dataset:"), ("base_model", "base_model:"),
        ("license", "license:"), ("base_model", relation),
    ):  # fmt: skip
        tags += [f"{prefix}{value}" for value in listed(card.get(key))]
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str) and tag))
