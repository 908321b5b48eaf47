"""The regions of README.md that are ours: each between two comments.

    <!-- hub-publisher:begin NAME -->
    what hub_publisher writes
    <!-- hub-publisher:end NAME -->

    seal(body) -> body        checks the markers, and puts into regions what stands in none
    split(body) -> parts      Foreign | Region | Stray, in their order; reads any text
    join(parts) -> body

manifest.json states the SHA-256 of each region as it was published. A region that has another one was edited since;
whoever changes the manifest as well is not noticed.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from hub_publisher.errors import CardError

_NAME = "[a-z][a-z0-9-]*"


def _marker(kind: str, name: str) -> str:
    # A line of its own; four spaces before it would make it code. escape.fence breaks what would read as one. Versions
    # up to 0.1 wrote the content's SHA-256 into the marker; it is not looked at.
    return rf"^ {{0,3}}<!-- *hub-publisher:{kind} +{name}(?: +sha256=[0-9a-f]*)? *-->[ \t]*(?:\n|\Z)"


_ANY_MARKER = _marker("(?:begin|end)", _NAME)
_BEGIN, _END = _marker("begin", f"(?P<name>{_NAME})"), _marker("end", "(?P=name)")
_REGION = rf"{_BEGIN}(?P<content>(?:(?!{_ANY_MARKER}).*\n)*+){_END}"
_PART = re.compile(f"{_REGION}|{_marker('(?:begin|end)', f'(?P<stray>{_NAME})')}", re.MULTILINE)


@dataclass(frozen=True)
class Foreign:
    """Text outside the regions, without the blank lines around it: somebody else's."""

    text: str


@dataclass(frozen=True)
class Region:
    """What stands between two markers of one name."""

    name: str
    content: str

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the content without white space at line ends and blank lines around it."""
        lines = [line.rstrip(" \t") for line in self.content.split("\n")]
        return hashlib.sha256("\n".join(lines).strip("\n").encode("utf-8", "replace")).hexdigest()

    @property
    def text(self) -> str:
        """The region with its markers."""
        content = self.content if self.content.endswith("\n") or not self.content else f"{self.content}\n"
        return f"<!-- hub-publisher:begin {self.name} -->\n{content}<!-- hub-publisher:end {self.name} -->"


@dataclass(frozen=True)
class Stray:
    """A marker without its partner: the region has no end, no beginning, or another marker within."""

    name: str
    text: str


Part = Foreign | Region | Stray


def unix(text: str) -> str:
    """`text` with its line ends as LF. Markdown and YAML take a lone CR for one too."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split(body: str) -> tuple[Part, ...]:
    """The parts of `body` in their order, line ends as LF. Any text has parts; a name may come more than once."""
    return tuple(part for part in _parts(unix(body)) if not isinstance(part, Foreign) or part.text.strip())


def _parts(body: str) -> Iterator[Part]:
    position = 0
    for match in _PART.finditer(body):
        yield Foreign(body[position : match.start()].strip("\n"))
        name, content, stray = match.group("name", "content", "stray")
        yield Stray(stray, match[0]) if stray else Region(name, content)
        position = match.end()
    yield Foreign(body[position:].strip("\n"))


def join(parts: Iterable[Foreign | Region]) -> str:
    """A page of `parts`, a blank line between each two."""
    return "\n\n".join(part.text for part in parts) + "\n"


def seal(body: str) -> str:
    """A rendered page with every text of it in a region.

    What a template has outside its regions becomes one, called "text-1" and so on: only then can a later page take its
    place. Sealing twice changes nothing. Raises CardError for a marker without its partner and for a name that comes
    twice.
    """
    parts = split(body)
    names = Counter(part.name for part in parts if not isinstance(part, Foreign))
    free = (f"text-{number}" for number in count(1) if f"text-{number}" not in names)
    sealed = [Region(next(free), part.text) if isinstance(part, Foreign) else part for part in parts]
    for part in sealed:
        if isinstance(part, Stray) or names[part.name] > 1:
            name, is_stray = part.name, isinstance(part, Stray)
            fault = "has a marker without its partner, or another region within" if is_stray else "comes more than once"
            raise CardError(
                f"The card's region {name} {fault}.",
                f"Let the template hold <!-- hub-publisher:begin {name} --> and <!-- hub-publisher:end {name} --> "
                "once each, one below the other.",
            )
    return join(part for part in sealed if isinstance(part, Region))
