"""Reads the transaction log of an offline Weights & Biases run: what `wandb sync` would send."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = 32768  # LevelDB's log format, after a header of 7 bytes


def records(path: Path) -> Iterator[Any]:
    """Every record of one `run-<id>.wandb`, in order, as protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    for content in _contents(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        yield record


def _contents(data: bytes) -> Iterator[bytes]:
    position, parts = 7, b""
    while position + 7 <= len(data):
        if _BLOCK - position % _BLOCK < 7:
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield parts
            parts = b""


def logs(folder: Path, num_killed: int = 0) -> list[Path]:
    """The transaction logs of all runs under a publication's folder, oldest first.

    wandb closes them a moment after `finish` returns, so this waits for the end of all but `num_killed`.
    """
    paths = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    give_up_at = time.monotonic() + 20
    while sum(not _has_ended(path) for path in paths) > num_killed:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    return paths


def _has_ended(path: Path) -> bool:
    return any(record.WhichOneof("record_type") == "exit" for record in records(path))


def history(path: Path) -> list[dict[str, Any]]:
    """The logged rows, wandb's own columns left out."""
    rows = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            rows.append({key: json.loads(value) for key, value in items.items() if not key.startswith("_")})
    return rows


def summary(path: Path) -> dict[str, Any]:
    """The last value of everything in the summary."""
    values = {}
    for record in records(path):
        if record.WhichOneof("record_type") == "summary":
            for item in record.summary.update:
                values["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return values


def artifacts(path: Path) -> dict[str, Any]:
    """The logged artifacts by name."""
    return {
        record.artifact.name: record.artifact
        for record in records(path)
        if record.WhichOneof("record_type") == "artifact"
    }
