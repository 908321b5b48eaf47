"""A README.md that stands on the Hub, whatever its state: taken apart, what is broken repaired, each repair said.

    read(content) -> Readme

Old cards rot: the Hub refuses every commit to a repository whose front matter it cannot read, so publishing again must
repair it. What cannot be a front matter is text, and stays.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from yaml.reader import Reader

from hub_publisher.readme.escape import printable, shorten
from hub_publisher.readme.frontmatter import is_word
from hub_publisher.readme.parse import BYTE_ORDER_MARK, SIZE_LIMIT, Block, NotYaml, block_at, find_block, load
from hub_publisher.readme.regions import has_markers, unix
from hub_publisher.readme.validate import KEYS

_SHOWN = 60  # characters of somebody's text in a message
# A byte that is no UTF-8, as Python carries it.
_BAD_BYTE = re.compile("[\udc80-\udcff]")
_EMPTY = re.compile(r"\A\s*---[ \t]*\n---[ \t]*(?:\n|\Z)")
_OPENING = re.compile(r"\s*---[ \t]*\n")
_CLOSING = re.compile(r"\n---[ \t]*(?:\n|\Z)")
# Where a front matter ends that nobody closed: a blank line, or a comment as our regions begin with.
_AFTER = re.compile(r"^(?:[ \t]*$| {0,3}<!--)", re.MULTILINE)
# A new key, or a line of text: whatever is not indented, no item of a list, no comment and no closing bracket.
_NEW_PIECE = re.compile(r"^(?=[^\s\-#\]}])", re.MULTILINE)
_COMMENT = re.compile("^#.*", re.MULTILINE)
_KEY_LINE = re.compile(r"[\w-]+[ \t]*:")
_KEY = re.compile(r"^([A-Za-z_-]+):", re.MULTILINE)
_PLAIN_LINE = re.compile(r"([A-Za-z][\w-]*):[ \t]+([\w@%`].*?)[ \t]*\n?\Z")


@dataclass(frozen=True)
class Readme:
    """What a README.md holds, line ends as LF. `is_whole` is False when keys of its front matter may be missing."""

    front_matter: dict[str, Any]
    body: str
    is_whole: bool = True
    has_crlf: bool = False
    repairs: tuple[str, ...] = ()


def read(content: bytes) -> Readme:
    """The parts of a README.md: every byte string has some. `repairs` says in a line each what was wrong with it."""
    repairs: list[str] = []
    text = _decoded(content, repairs)
    num_crlf = text.count("\r\n")
    num_others = text.count("\r") + text.count("\n") - 2 * num_crlf
    if (num_crlf and num_others) or "\r" in text.replace("\r\n", ""):
        repairs.append("line ends of several kinds are one kind now")
    front_matter, body, is_whole = _front_matter(unix(text), repairs)
    return Readme(front_matter, body, is_whole, num_crlf > num_others, tuple(repairs))


def excerpt(text: str) -> str:
    """The beginning of somebody's text, fit for a line of a message."""
    return shorten(" ".join(printable(text).split()), _SHOWN)


def _decoded(content: bytes, repairs: list[str]) -> str:
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


def _front_matter(text: str, repairs: list[str]) -> tuple[dict[str, Any], str, bool]:
    """The metadata, the body, and whether the metadata is whole."""
    text = _EMPTY.sub("", text)
    block = find_block(text)
    if block and has_markers(block.text):
        block = None  # it ends at a ruler somewhere in the body
    metadata, fault = _loaded(block, repairs) if block else (None, "")
    if block and metadata is not None:
        return metadata, block.body, True
    for candidate, place in ((_unclosed(text), "after"), (_unopened(text), "before")):
        if candidate and (found := _of_the_hub(candidate)):
            repairs.append(f"the front matter had no --- {place} it")
            return found, candidate.body, True
    if block:
        found, notes, kept = _key_by_key(block)
        if found or KEYS & {match[1] for match in _KEY.finditer(block.text)}:
            repairs += [f"the front matter could not be read ({fault}), so each key was read alone", *notes]
            return found, kept + (block.body.lstrip("\n") if kept else block.body), False
        repairs.append(f"what stood between --- lines at the top is no front matter ({fault}) and is kept as text")
    return {}, text, True


def _loaded(block: Block, repairs: list[str]) -> tuple[dict[str, Any] | None, str]:
    """The metadata, or None and why there is none."""
    try:
        metadata, comments = load(block.text, block.first_line)
    except NotYaml as error:
        return None, str(error)
    if not isinstance(metadata, dict) and block.text.strip():
        return None, "it holds no keys"
    if comments:
        repairs.append(_without(comments))
    return metadata or {}, ""


def _without(comments: Iterable[str]) -> str:
    return f"comments in the front matter were dropped: {excerpt(' '.join(comments))}"


def _unclosed(text: str) -> Block | None:
    opening = _OPENING.match(text)
    after = opening and _AFTER.search(text, opening.end())
    return block_at(text, opening.end(), after.start(), after.start()) if opening and after else None


def _unopened(text: str) -> Block | None:
    closing = _CLOSING.search(text)
    return block_at(text, 0, closing.start(), closing.end()) if closing else None


def _of_the_hub(block: Block) -> dict[str, Any]:
    """What `block` holds if that is plainly metadata of the Hub; empty otherwise."""
    try:
        found = load(block.text).value
    except NotYaml:
        return {}
    return found if isinstance(found, dict) and found.keys() & KEYS and all(map(is_word, found)) else {}


def _key_by_key(block: Block) -> tuple[dict[str, Any], list[str], str]:
    """What can be read of a front matter that cannot be read whole; a line for each repair; lines that are no YAML."""
    found: dict[str, Any] = {}
    repairs: list[str] = []
    text = ""
    if len(block.text) > SIZE_LIMIT:
        return found, repairs, text
    if comments := _COMMENT.findall(block.text):
        repairs.append(_without(comments))
    line = block.first_line
    for piece in _NEW_PIECE.split(_COMMENT.sub("", block.text)):
        shown = f'line {line}, "{excerpt(piece)}",'
        as_it_is = _words(piece)
        mended = as_it_is or _mended(piece)
        if twice := found.keys() & mended.keys():
            repairs.append(f"{shown} is the second {', '.join(sorted(twice))}, and the one that was taken")
        elif mended and not as_it_is:
            repairs.append(f"{shown} was corrected")
        elif not mended and _KEY_LINE.match(piece):
            repairs.append(f"{shown} was dropped")
        elif not mended and piece.strip():
            repairs.append(f"{shown} is no metadata and is kept as text")
            text += piece
        found |= mended
        line += piece.count("\n")
    return found, repairs, f"\n{text.rstrip()}\n\n" if text else ""


def _mended(piece: str) -> dict[str, Any]:
    """The key of a piece of a front matter and its value, with what people do wrong put right; empty if in vain.

    That is: tabs, control characters, and text that needs quotes for its colon or its first character.
    """
    cleaned = Reader.NON_PRINTABLE.sub("", piece).expandtabs(2)
    plain = _PLAIN_LINE.match(cleaned)
    return (cleaned != piece and _words(cleaned)) or ({plain[1]: plain[2]} if plain and is_word(plain[1]) else {})


def _words(piece: str) -> dict[str, Any]:
    try:
        found = load(piece).value
    except NotYaml:
        return {}
    return found if isinstance(found, dict) and all(map(is_word, found)) else {}
