"""JSON read one value at a time, so that a file of a million posts is never in memory as a whole."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hub_publisher.errors import SourceError

_START_OF_VALUE = re.compile(r"[^\s,;\ufeff]")
_MIN_FILL = 2**20  # characters read at once
_LONGEST_WORD = 20  # characters of -Infinity or of an escaped surrogate pair, and a few more


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
        self._line = 1  # in which the buffer begins
        # Exports hold raw line breaks inside strings now and then: strict=False lets them pass.
        self._decoder = json.JSONDecoder(strict=False)

    def assignment(self) -> str:
        """The text before the first `=` (JavaScript's `name = [...]`), or "" when the document is plain JSON."""
        if self._peek() in ("[", "{", ""):
            return ""
        name, equals, _ = self._buffer[self._at : self._at + 1000].partition("=")
        self._at += len(name + equals) if equals else 0
        return name.strip()

    def values(self) -> Iterator[Any]:
        """The elements of the arrays at the top of the document, and its other values (JSON lines)."""
        in_array = False
        while char := self._peek():
            if char == ("]" if in_array else "["):
                in_array = not in_array
                self._at += 1
            else:
                yield self._value()
        if in_array:
            raise self._error(f"{self._where} ends in the middle.")

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                in_string = error.msg.startswith("Unterminated")
                if (in_string or error.pos > len(self._buffer) - _LONGEST_WORD) and self._fill():
                    continue
                if in_string or error.pos >= len(self._buffer.rstrip()):
                    raise self._error(f"{self._where} ends in the middle.") from error
                line = self._line + self._buffer.count("\n", 0, error.pos)
                raise self._error(f"Line {line} of {self._where} is not JSON: {error.msg}.") from error
            except (ValueError, RecursionError) as error:
                raise self._error(f"{self._where} holds a value that no export writes.") from error
            # a number may go on in the next block
            if end < len(self._buffer) - _LONGEST_WORD or not self._fill():
                self._at = end
                return value

    def _peek(self) -> str:
        """The next character that is not white space, comma or semicolon, or "" at the end; it stays unread."""
        while not (found := _START_OF_VALUE.search(self._buffer, self._at)):
            self._at = len(self._buffer)
            if not self._fill():
                return ""
        self._at = found.start()
        return found[0]

    def _fill(self) -> bool:
        """Read on, as much again as is unread: so a value of any length is parsed twice at most on average."""
        wanted, parts = max(_MIN_FILL, len(self._buffer) - self._at), [self._buffer[self._at :]]
        if self._max_value is not None and len(parts[0]) > self._max_value:
            raise self._error(f"{self._where} holds a value of more than {self._max_value:,} characters.")
        while wanted > 0 and (block := next(self._blocks, "")):
            parts.append(block)
            wanted -= len(block)
        if len(parts) > 1:
            self._line += self._buffer.count("\n", 0, self._at)
            self._buffer, self._at = "".join(parts), 0
        return len(parts) > 1

    def _error(self, message: str) -> SourceError:
        return SourceError(message, "Export or copy it again: the file is damaged.")
