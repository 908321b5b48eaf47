"""A README.md that somebody else may have written: its bytes, and the YAML at its top, read as the Hub reads it.

    decode(content) -> (text, has_crlf, repairs)
    read_page(text) -> Page              the metadata, body and comments of a whole README.md
    take_apart(text) -> (block, body)    the same as text
    load(block) -> (value, comments)     what stands between the two --- lines

That YAML is 1.2 with its core schema: `no` and a date are text, 08 and 1e3 are numbers. PyYAML itself speaks 1.1.
Checked against js-yaml 5 and yaml 2. Nothing but text, numbers, booleans, null, lists and dicts comes out.
"""

import codecs
import math
import re
from collections import Counter
from typing import Any, NamedTuple

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK  # "exact same regex as in the Hub server"
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from hub_publisher.errors import CardError
from hub_publisher.readme.escape import one_line
from hub_publisher.readme.regions import unix
from hub_publisher.text.characters import well_formed

# A few seconds of PyYAML's time, and a hundred times what a card needs.
SIZE_LIMIT = 256 * 1024
DEPTH_LIMIT = 40
BYTE_ORDER_MARK = "\ufeff"
_BAD_BYTE = re.compile("[\udc80-\udcff]")  # no UTF-8, as Python carries it

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": re.compile("(?:~|null|Null|NULL)?"),
    "bool": re.compile("true|True|TRUE|false|False|FALSE"),
    "int": re.compile("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
# A line's end to YAML 1.1 only: swapped for characters that nobody uses while PyYAML reads.
_TO_PRIVATE = str.maketrans("\x85\u2028\u2029", "\U0010fff0\U0010fff1\U0010fff2")
_FROM_PRIVATE = {after: before for before, after in _TO_PRIVATE.items()}
_LONGEST_INT = 300


class NotYaml(ValueError):
    """A front matter that cannot be read: what is wrong with it and in which line, in a few words."""


class Page(NamedTuple):
    """A README.md, line ends as LF: its metadata, its body, and the comments of its YAML, which belong to no value."""

    metadata: dict[str, Any]
    body: str
    comments: tuple[str, ...] = ()


def decode(content: bytes) -> tuple[str, bool, tuple[str, ...]]:
    """The text of a README.md, line ends as LF; whether most were CRLF; and a line for each thing that was repaired.

    Every byte string has one, whatever its encoding.
    """
    repairs: list[str] = []
    text = _text_of(content, repairs)
    ends = Counter(re.findall("\r\n|\r|\n", text))
    if len(ends) > 1:
        repairs.append("line ends of several kinds are one kind now")
    return unix(text), 2 * ends["\r\n"] > ends.total(), tuple(repairs)


def _text_of(content: bytes, repairs: list[str]) -> str:
    # Every second byte of western text is zero in UTF-16; in UTF-8 none is.
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and 4 * content.count(0) > len(content):
        repairs.append("the file was in UTF-16 and is in UTF-8 now")
        return content.decode("utf-16", "replace")
    text = content.decode("utf-8", "surrogateescape")
    if text.startswith(BYTE_ORDER_MARK):
        repairs.append("a byte order mark at the start, which hides the front matter, was removed")
    text, num_bad = _BAD_BYTE.subn(
        lambda match: match[0].encode("utf-8", "surrogateescape").decode("cp1252", "replace"), text
    )
    if num_bad:
        repairs.append(f"bytes that are no UTF-8 ({num_bad}) were read as Windows-1252")
    return text.lstrip(BYTE_ORDER_MARK)


def read_page(text: str) -> Page:
    """The parts of a README.md. The metadata is empty where there is none; text between --- lines is body.

    Raises CardError, naming the line, for a front matter that the Hub cannot read.
    """
    block, body = take_apart(text)
    try:
        metadata, comments = load(block)
    except NotYaml as error:
        raise CardError(
            f"The front matter of README.md cannot be read: {error}.",
            "Correct it in README.md, or take that file away and publish again.",
        ) from error
    if isinstance(metadata, dict):
        return Page(metadata, body, comments)
    return Page({}, unix(text) if block.strip() else body)


def take_apart(text: str) -> tuple[str, str]:
    """What the Hub takes for the front matter, in the lines where the file has it, or ""; and what follows."""
    text = unix(text).lstrip(BYTE_ORDER_MARK)
    match = REGEX_YAML_BLOCK.match(text)
    return ("\n" * text.count("\n", 0, match.start(2)) + match[2], text[match.end() :]) if match else ("", text)


def load(block: str) -> tuple[Any, tuple[str, ...]]:
    """What stands between two --- lines: its value, None when that is nothing, and its comments. Raises NotYaml.

    Keys are text, as in JavaScript: their source where it is a number or a boolean.
    """
    if len(block) > SIZE_LIMIT:
        raise NotYaml(f"it is larger than {SIZE_LIMIT // 1024} KiB")
    try:
        loader = _Loader(block.translate(_TO_PRIVATE))
        node = loader.get_single_node()
        return None if node is None else _value(node), tuple(loader.comments)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark or error.context_mark, one_line(str(error.problem))
        raise NotYaml(f"{problem}, line {mark.line + 1}" if mark else problem) from error
    except ReaderError as error:
        line = block.count("\n", 0, error.position) + 1
        raise NotYaml(f"the character U+{error.character:04X} has no place in YAML, line {line}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the core schema of YAML 1.2 and without aliases. Only nodes are asked of it, no objects."""

    def __init__(self, block: str) -> None:
        super().__init__(block)
        self.comments: list[str] = []
        self.depth = 0

    def scan_to_next_token(self) -> None:
        start = self.pointer
        super().scan_to_next_token()
        # Nothing is passed over here but white space and comments.
        passed = map(str.strip, self.buffer[start : self.pointer].split("\n"))
        self.comments += [line.translate(_FROM_PRIVATE) for line in passed if line.startswith("#")]

    def compose_node(self, parent: Any, index: Any) -> Any:
        # A few aliases of aliases make a terabyte; nested brackets exhaust the stack.
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "aliases (*) are not read", self.peek_event().start_mark)
        if self.depth == DEPTH_LIMIT:
            raise ComposerError(None, None, f"it is nested {DEPTH_LIMIT} deep", self.peek_event().start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            return _TAG + next((tag for tag, form in _SCALARS.items() if form.fullmatch(value)), "str")
        return super().resolve(kind, value, implicit)


def _value(node: yaml.Node) -> Any:
    tag = node.tag.removeprefix(_TAG)
    if isinstance(node, yaml.MappingNode) and tag == "map":
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode) and tag == "seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.ScalarNode):
        text = _text(node)
        if tag == "str":
            return text
        if tag in _SCALARS and _SCALARS[tag].fullmatch(text):
            return _scalar(tag, text)
    raise ConstructorError(None, None, f"the tag {tag} is not read here", node.start_mark)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConstructorError(None, None, "a key must be a word", key_node.start_mark)
        key = _text(key_node)
        if key in found:
            raise ConstructorError(None, None, f"the key {key} comes twice", key_node.start_mark)
        found[key] = _value(value_node)
    return found


def _text(node: yaml.ScalarNode) -> str:
    return well_formed(node.value.translate(_FROM_PRIVATE))


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    # Numbers that no double holds are text, as js-yaml has it, and int() reads no more than some thousand digits.
    if tag == "int":
        return text if len(text) > _LONGEST_INT else int(text, 0 if text[:2] in ("0o", "0x") else 10)
    number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text if math.isinf(number) and "inf" not in text.lower() else number
