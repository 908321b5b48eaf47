"""The bytes of a README.md as text, whatever its encoding and its line ends; what was changed is said.

decode(content) -> Decoded
"""

import codecs
import re
from typing import NamedTuple

from hub_publisher.readme.parse import BYTE_ORDER_MARK
from hub_publisher.readme.regions import unix

# A byte that is no UTF-8, as Python carries it.
_BAD_BYTE = re.compile("[\udc80-\udcff]")


class Decoded(NamedTuple):
    """Text with its line ends as LF, whether most of them were CRLF, and a line for each thing that was repaired."""

    text: str
    has_crlf: bool
    repairs: tuple[str, ...]


def decode(content: bytes) -> Decoded:
    """The text of a README.md: every byte string has one."""
    repairs: list[str] = []
    text = _text(content, repairs)
    num_crlf = text.count("\r\n")
    num_others = text.count("\r") + text.count("\n") - 2 * num_crlf
    if (num_crlf and num_others) or "\r" in text.replace("\r\n", ""):
        repairs.append("line ends of several kinds are one kind now")
    return Decoded(unix(text), num_crlf > num_others, tuple(repairs))


def _text(content: bytes, repairs: list[str]) -> str:
    # Every second byte of western text is zero in UTF-16; in UTF-8 none is.
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and 4 * content.count(0) > len(content):
        repairs.append("the file was in UTF-16 and is in UTF-8 now")
        return content.decode("utf-16", "replace")
    text = content.decode("utf-8", "surrogateescape")
    if text.startswith(BYTE_ORDER_MARK):
        repairs.append("a byte order mark at the start, which hides the front matter, was removed")
        text = text.lstrip(BYTE_ORDER_MARK)
    text, num_bad = _BAD_BYTE.subn(
        lambda match: match[0].encode("utf-8", "surrogateescape").decode("cp1252", "replace"), text
    )
    if num_bad:
        repairs.append(f"bytes that are no UTF-8 ({num_bad}) were read as Windows-1252")
    return text
