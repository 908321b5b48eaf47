"""Rows of any file of posts: each format yields dictionaries, column name -> value."""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

from hub_publisher.errors import SourceError
from hub_publisher.sources.json_stream import JsonStream
from hub_publisher.sources.reading import inner

Rows = Iterator[dict[str, Any]]

_SEPARATOR = re.compile(r"^[^\S\n]*-{3,}[^\S\n]*$|<\|endoftext\|>", re.MULTILINE)
_MAX_FIELD = 2**27  # characters; csv's own limit of 131,072 breaks on one long post
# what Python's "surrogateescape" makes of the bytes 0x80 to 0xff that are not UTF-8
_STRAY = re.compile("[\udc80-\udcff]")


class TextFile:
    """A file read as UTF-8 (UTF-16 with its mark), where bytes that are not UTF-8 count as Windows-1252.

    Exports are mangled byte by byte more often than as a whole, so every byte is judged where it stands. After
    reading, `num_foreign` says how many bytes were read as Windows-1252, `num_lost` how many mean nothing there either.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_foreign = self.num_lost = 0

    def lines(self) -> Iterator[str]:
        """The lines with their ends as they are (a csv.reader wants them so)."""
        with self._open() as text:
            yield from map(self._mended, text)

    def blocks(self) -> Iterator[str]:
        """The text in blocks of about a megabyte, whatever its lines; none is empty."""
        with self._open() as text:
            yield from map(self._mended, iter(partial(text.read, 2**20), ""))

    def notes(self) -> list[str]:
        """Sentences about what could not be decoded as it should; empty when all was well."""
        if not self.num_foreign:
            return []
        return [
            f"Bytes of {self.path.name} that are not UTF-8 and were read as Windows-1252: {self.num_foreign}, "
            f"of which {self.num_lost} mean nothing there and were replaced."
        ]

    def _open(self) -> IO[str]:
        with self.path.open("rb") as file:
            is_utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding, errors = ("utf-16", "replace") if is_utf16 else ("utf-8-sig", "surrogateescape")
        return self.path.open(encoding=encoding, errors=errors, newline="\n")

    def _mended(self, text: str) -> str:
        return text if text.isascii() else _STRAY.sub(self._as_cp1252, text)

    def _as_cp1252(self, stray: re.Match[str]) -> str:
        char = bytes([ord(stray[0]) - 0xDC00]).decode("cp1252", "replace")
        self.num_foreign += 1
        self.num_lost += char == "\ufffd"
        return char


def csv_rows(file: TextFile) -> Rows:
    """The rows of a CSV whose first line names its columns; between them commas, semicolons or tabs."""
    csv.field_size_limit(_MAX_FIELD)
    lines = file.lines()
    header = next(lines)
    delimiter = max(",;\t", key=re.sub('"[^"]*"', "", header).count)
    reader = csv.DictReader(chain([header], lines), delimiter=delimiter)
    try:
        for row in reader:
            row.pop(None, None)  # fields beyond the header have no name
            yield row
    except csv.Error as error:
        raise SourceError(
            f"{file.path.name} is no CSV: line {reader.line_num}: {error}.", "Export it again, with quoted texts."
        ) from error


def json_rows(file: TextFile) -> Rows:
    """One post after the other, lists of them, or pages {"data": [...]}, with or without line breaks between."""
    for value in JsonStream(file.blocks(), file.path.name).values():
        yield from _unwrapped(value)


def _unwrapped(value: Any) -> Rows:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield {"text": value}
        elif isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            pages = [value[key] for key in ("data", "tweets", "statuses", "posts") if _is_page(value.get(key))]
            if pages:
                waiting.append(pages[0])
            else:
                yield inner(value, "tweet") or value


def _is_page(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def text_rows(file: TextFile) -> Rows:
    """One post a line; or blocks between lines of --- or <|endoftext|> marks, where the file has any."""
    text = "".join(file.blocks()).replace("<|startoftext|>", "")
    blocks = _SEPARATOR.split(text)
    for post in blocks if len(blocks) > 1 else text.split("\n"):
        if post.strip():
            yield {"text": post.strip()}


def parquet_rows(path: Path, wanted: Callable[[list[str]], list[str]]) -> Rows:
    """The rows of a Parquet file; of its columns only those that `wanted` picks are read."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            columns = wanted(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=10_000, columns=columns):
                yield from _without_nanoseconds(batch).to_pylist()
    except (ArrowException, OSError) as error:
        raise SourceError(f"{path.name} is no Parquet file, or a damaged one.", "Export or copy it again.") from error
    except (ValueError, OverflowError) as error:
        remedy = "Export it again, with texts in UTF-8 and dates as ISO 8601."
        raise SourceError(f"{path.name} holds a value that cannot be read: {error}.", remedy) from error


def _without_nanoseconds(batch: Any) -> Any:
    """The batch with its times, which pandas writes in nanoseconds, in the microseconds that Python has."""
    import pyarrow

    types = ((field, field.type) for field in batch.schema)
    fields = [
        field.with_type(pyarrow.timestamp("us", kind.tz)) if pyarrow.types.is_timestamp(kind) else field
        for field, kind in types
    ]
    return batch.cast(pyarrow.schema(fields), safe=False)
