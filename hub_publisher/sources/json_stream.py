"""JSON read one value at a time, so that a file of a million posts is never in memory as a whole."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hub_publisher.errors import SourceError

_BETWEEN = re.compile(r"[\s,\ufeff]*")
_MIN_FILL = 2**20  # characters read at once


class JsonStream:
    """The values of a JSON document that arrives in blocks of text; `where` names it in errors.

    A value longer than `max_value` characters is refused. Raises SourceError for what is not JSON.
    """

    def __init__(self, blocks: Iterable[str], where: str, max_value: int | None = None) -> None:
        self._blocks = iter(blocks)
        self._where = where
        self._max_value = max_value
        self._buffer = ""
        self._at = 0
        # Exports hold raw line breaks inside strings now and then: strict=False lets them pass.
        self._decoder = json.JSONDecoder(strict=False)

    def assignment(self) -> str:
        """The text before the first `=` (JavaScript's `name = [...]`), or "" when the document is plain JSON."""
        if self._peek() in ("[", "{", ""):
            return ""
        while "=" not in self._buffer[:1000] and len(self._buffer) < 1000 and self._fill():
            pass
        end = self._buffer.find("=", 0, 1000)
        if end < 0:
            return self._buffer[:1000].strip()
        name, self._at = self._buffer[self._at : end].strip(), end + 1
        return name

    def values(self) -> Iterator[Any]:
        """The elements of the array that the document is, or else its top-level values (JSON lines)."""
        in_array = self._peek() == "["
        if in_array:
            self._at += 1
        while True:
            char = self._peek()
            if char == "" and in_array:
                raise self._error("ends in the middle")
            if char == "" or (in_array and char == "]"):
                return
            yield self._value()

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.pos >= len(self._buffer.rstrip()) or error.msg.startswith("Unterminated")
                if not self._fill():
                    raise self._error("ends in the middle" if is_cut else f"is not JSON: {error.msg}") from error
                continue
            except (ValueError, RecursionError) as error:
                raise self._error("holds a value that no export writes") from error
            # a number may go on in the next block
            if end < len(self._buffer) or not self._fill():
                self._at = end
                return value

    def _peek(self) -> str:
        """The next character that is not white space or a comma, or "" at the end; it stays unread."""
        while True:
            match = _BETWEEN.match(self._buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        """Read on, as much again as is unread: so a value of any length is parsed twice at most on average."""
        unread = self._buffer[self._at :]
        if self._max_value is not None and len(unread) > self._max_value:
            raise self._error(f"holds a value of more than {self._max_value:,} characters")
        wanted, parts = max(_MIN_FILL, len(unread)), []
        while wanted > 0 and (block := next(self._blocks, "")):
            parts.append(block)
            wanted -= len(block)
        self._buffer, self._at = unread + "".join(parts), 0
        return bool(parts)

    def _error(self, what: str) -> SourceError:
        return SourceError(f"{self._where} {what}.", "Export or copy it again: the file is damaged.")
