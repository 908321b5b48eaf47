"""The YAML at the top of a card that somebody else may have written, read as the Hub reads it.

    front_matter_of(text) -> (metadata, body)    of a whole README.md
    take_apart(text) -> Page                     the same, with the comments of its YAML
    load(block) -> Loaded                        what stands between the two --- lines: a value, and comments

That is YAML 1.2 with its core schema: `no` and a date are text, 08 and 1e3 are numbers. PyYAML itself speaks 1.1.
Checked against js-yaml 5 and yaml 2. Nothing but text, numbers, booleans, null, lists and dicts comes out.
"""

import math
import re
from typing import Any, NamedTuple

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK  # "exact same regex as in the Hub server"
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from hub_publisher.errors import CardError
from hub_publisher.readme.escape import encodable
from hub_publisher.readme.regions import unix

# A few seconds of PyYAML's time, and a hundred times what a card needs.
SIZE_LIMIT = 256 * 1024
DEPTH_LIMIT = 40
BYTE_ORDER_MARK = "\ufeff"

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
# A line's end to YAML 1.1 only: swapped for characters that nobody uses while PyYAML reads.
_TO_PRIVATE = str.maketrans("\x85\u2028\u2029", "\U0010fff0\U0010fff1\U0010fff2")
_FROM_PRIVATE = {after: before for before, after in _TO_PRIVATE.items()}
_DIGITS = [*"-+0123456789"]
_LONGEST_INT = 300


class NotYaml(ValueError):
    """A front matter that cannot be read: what is wrong with it and in which line, in a few words."""


class Block(NamedTuple):
    """A front matter within its file: the text between the --- lines, that of its first line, and what follows."""

    text: str
    first_line: int
    body: str


class Loaded(NamedTuple):
    """What a front matter holds, None when that is nothing; and its comments, which belong to no value."""

    value: Any
    comments: tuple[str, ...]


class Page(NamedTuple):
    """A README.md, line ends as LF: its metadata, its body, and the comments of its YAML, which belong to no value."""

    metadata: dict[str, Any]
    body: str
    comments: tuple[str, ...] = ()


def front_matter_of(text: str) -> tuple[dict[str, Any], str]:
    """The metadata and the body of a README.md: see take_apart."""
    page = take_apart(text)
    return page.metadata, page.body


def take_apart(text: str) -> Page:
    """The parts of a README.md. The metadata is empty where there is none; text between --- lines is body.

    Raises CardError, naming the line, for a front matter that the Hub cannot read.
    """
    text = unix(text).lstrip(BYTE_ORDER_MARK)
    block = find_block(text)
    if block is None:
        return Page({}, text)
    try:
        metadata, comments = load(block.text, block.first_line)
    except NotYaml as error:
        raise CardError(
            f"The front matter of README.md cannot be read: {error}.",
            "Correct it in README.md, or take that file away and publish again.",
        ) from error
    if isinstance(metadata, dict):
        return Page(metadata, block.body, comments)
    return Page({}, text if block.text.strip() else block.body)


def find_block(text: str) -> Block | None:
    """What the Hub takes for the front matter of `text`, whose line ends are LF."""
    match = REGEX_YAML_BLOCK.match(text)
    return block_at(text, match.start(2), match.end(2), match.end()) if match else None


def block_at(text: str, start: int, end: int, body: int) -> Block:
    """The front matter that lies in `text` from `start` to `end`, before the body that begins at `body`."""
    return Block(text[start:end], text.count("\n", 0, start) + 1, text[body:])


def load(block: str, first_line: int = 1) -> Loaded:
    """What `block` holds. Raises NotYaml, with lines counted from `first_line`.

    Keys are text, as in JavaScript: their source where it is a number or a boolean.
    """
    if len(block) > SIZE_LIMIT:
        raise NotYaml(f"it is larger than {SIZE_LIMIT // 1024} KiB")
    try:
        loader = _Loader(block.translate(_TO_PRIVATE))
        node = loader.get_single_node()
        return Loaded(None if node is None else _value(node), tuple(loader.comments))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + first_line}" if mark else ""
        raise NotYaml(f"{error.problem}{where}") from error
    except ReaderError as error:
        line = block.count("\n", 0, error.position) + first_line
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


_Loader.yaml_implicit_resolvers = {}
for _tag, _first in (("null", ["~", "n", "N", ""]), ("bool", [*"tTfF"]), ("int", _DIGITS), ("float", [*_DIGITS, "."])):
    _Loader.add_implicit_resolver(f"{_TAG}{_tag}", _SCALARS[_tag], _first)


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
        if tag in _SCALARS and _SCALARS[tag].match(text):
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
    return encodable(node.value.translate(_FROM_PRIVATE))


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
