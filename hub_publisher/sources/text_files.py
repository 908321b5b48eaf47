"""Text of unknown encoding, one line or one block at a time."""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK_BYTES = 2**20
# what Python's "surrogateescape" makes of the bytes 0x80 to 0xff that are not UTF-8
_STRAY = re.compile("[\udc80-\udcff]")


class TextFile:
    """A file read as UTF-8 (UTF-16 with its mark), where bytes that are not UTF-8 count as Windows-1252.

    Exports are mangled byte by byte more often than as a whole, so every byte is judged where it stands. After
    reading, `num_foreign` says how many bytes were read as Windows-1252, `num_lost` how many mean nothing there either.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_foreign = 0
        self.num_lost = 0
        with path.open("rb") as file:
            self._is_utf16 = file.read(2) in _UTF16

    def lines(self) -> Iterator[str]:
        """The lines with their ends as they are (a csv.reader wants them so)."""
        self.num_foreign = self.num_lost = 0
        if self._is_utf16:
            with io.TextIOWrapper(self.path.open("rb"), "utf-16", errors="replace", newline="\n") as text:
                yield from text
            return
        with self._past_mark() as file:
            for line in file:
                yield self._mended(line.decode("utf-8", "surrogateescape"))

    def blocks(self) -> Iterator[str]:
        """The text in blocks of about a megabyte, whatever its lines; none is empty."""
        self.num_foreign = self.num_lost = 0
        name, errors = ("utf-16", "replace") if self._is_utf16 else ("utf-8", "surrogateescape")
        decoder = codecs.getincrementaldecoder(name)(errors)
        with self._past_mark() as file:
            while block := file.read(_BLOCK_BYTES):
                if text := decoder.decode(block):
                    yield self._mended(text)
            if text := decoder.decode(b"", final=True):
                yield self._mended(text)

    def notes(self) -> list[str]:
        """Sentences about what could not be decoded as it should; empty when all was well."""
        if not self.num_foreign:
            return []
        return [
            f"Bytes of {self.path.name} that are not UTF-8 and were read as Windows-1252: {self.num_foreign}, "
            f"of which {self.num_lost} mean nothing there and were replaced."
        ]

    def _past_mark(self) -> io.BufferedReader:
        file = self.path.open("rb")
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        return file

    def _mended(self, text: str) -> str:
        return text if text.isascii() else _STRAY.sub(self._as_cp1252, text)

    def _as_cp1252(self, stray: re.Match[str]) -> str:
        char = bytes([ord(stray[0]) - 0xDC00]).decode("cp1252", "replace")
        self.num_foreign += 1
        self.num_lost += char == "\ufffd"
        return char
