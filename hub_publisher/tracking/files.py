"""Files made for artifacts, in the publication's folder."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.disk import write_bytes
from hub_publisher.tracking.server import home


def facts_file(config: Config, name: str, facts: Mapping[str, Any]) -> Path:
    """A JSON file of that name with these facts."""
    path = _folder(config) / name
    write_bytes(path, json.dumps(facts, indent=2).encode() + b"\n")
    return path


def rows_file(config: Config, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
    """A file of that name with one JSON object a line."""
    path = _folder(config) / name
    write_bytes(path, (json.dumps(row).encode() + b"\n" for row in rows))
    return path


def _folder(config: Config) -> Path:
    return home(config) / "artifacts"
