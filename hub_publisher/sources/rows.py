"""Rows of any file of posts: each format yields dictionaries, column name -> value."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from hub_publisher.errors import SourceError
from hub_publisher.sources.json_stream import JsonStream
from hub_publisher.sources.text_files import TextFile

Rows = Iterator[dict[str, Any]]

_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r"\s*-{3,}\s*")
_END_OF_TEXT = "<|endoftext|>"
_START_OF_TEXT = "<|startoftext|>"
_MAX_FIELD = 2**27  # characters; csv's own limit of 131,072 breaks on one long post


def csv_rows(file: TextFile) -> Rows:
    """The rows of a CSV whose first line names its columns; commas, semicolons or tabs."""
    csv.field_size_limit(_MAX_FIELD)
    delimiter = _delimiter(list(islice(file.lines(), 50)))
    reader = csv.DictReader(file.lines(), delimiter=delimiter)
    try:
        for row in reader:
            row.pop(None, None)  # fields beyond the header have no name
            yield row
    except csv.Error as error:
        raise SourceError(
            f"{file.path.name} is no CSV: line {reader.line_num}: {error}.", "Export it again, with quoted texts."
        ) from error


def _delimiter(lines: list[str]) -> str:
    """The delimiter that splits most rows into as many fields as the header has, and into most fields."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            return (0, 0)
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) if width > 1 else 0, width)

    return max(_DELIMITERS, key=score)


def json_lines_rows(file: TextFile) -> Rows:
    """One object a line, or one page {"data": [...]} a line. Empty lines are skipped."""
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        try:
            yield from _unwrapped(json.loads(line, strict=False))
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"Line {number} of {file.path.name} is not JSON.", "Each line must hold one post as a JSON object."
            ) from error


def json_rows(file: TextFile) -> Rows:
    """A list of posts, {"data": [...]}, or one object after the other."""
    for value in JsonStream(file.blocks(), file.path.name).values():
        yield from _unwrapped(value)


def _unwrapped(value: Any) -> Rows:
    if isinstance(value, str):
        yield {"text": value}
    elif isinstance(value, list):
        for item in value:
            yield from _unwrapped(item)
    elif isinstance(value, dict):
        inner = next((value[key] for key in ("data", "tweets", "statuses", "posts") if _is_page(value.get(key))), None)
        if inner is not None:
            yield from _unwrapped(inner)
        else:
            yield value["tweet"] if isinstance(value.get("tweet"), dict) else value


def _is_page(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def text_rows(file: TextFile) -> Rows:
    """One post a line; or blocks between lines of --- or <|endoftext|> marks, where the file has any."""
    in_blocks = any(_SEPARATOR_LINE.fullmatch(line) or _END_OF_TEXT in line for line in file.lines())
    for text in _blocks(file) if in_blocks else file.lines():
        if text.strip():
            yield {"text": text.replace(_START_OF_TEXT, "").strip()}


def _blocks(file: TextFile) -> Iterator[str]:
    block: list[str] = []
    for line in file.lines():
        if _SEPARATOR_LINE.fullmatch(line):
            yield "".join(block)
            block = []
            continue
        *finished, rest = line.split(_END_OF_TEXT)
        for text in finished:
            yield "".join([*block, text])
            block = []
        block.append(rest)
    yield "".join(block)


def parquet_rows(path: Path, wanted: Callable[[list[str]], list[str]]) -> Rows:
    """The rows of a Parquet file; of its columns only those that `wanted` picks are read."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            columns = wanted(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=10_000, columns=columns):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise SourceError(f"{path.name} is no Parquet file, or a damaged one.", "Export or copy it again.") from error
