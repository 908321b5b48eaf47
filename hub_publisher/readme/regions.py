"""The regions of README.md that are ours: each between two comments.

    <!-- hub-publisher:begin NAME -->
    what hub_publisher writes
    <!-- hub-publisher:end NAME -->

    seal(body) -> body        checks the markers, and puts into regions what stands in none
    split(body) -> parts      Foreign | Region | Stray, in their order; reads any text

manifest.json states the SHA-256 of each region as it was published. A region that has another one was edited since;
whoever changes the manifest as well is not noticed.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from hub_publisher.errors import CardError

# A line of its own; four spaces before it would make it code. escape.fence breaks what would read as one. Versions up
# to 0.1 wrote the content's SHA-256 into the marker; it is not looked at.
_MARKER = re.compile(
    r"^ {0,3}<!-- *hub-publisher:(begin|end) +([a-z][a-z0-9-]*)(?: +sha256=[0-9a-f]*)? *-->[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
WHOLE_PAGE = "card"


@dataclass(frozen=True)
class Foreign:
    """Text outside the regions, with its blank lines: somebody else's."""

    text: str

    @property
    def is_blank(self) -> bool:
        """Whether it is nothing but the space between two regions."""
        return not self.text.strip()


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
        return f"<!-- hub-publisher:begin {self.name} -->\n{content}<!-- hub-publisher:end {self.name} -->\n"


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
    return tuple(_parts(unix(body)))


def _parts(body: str) -> Iterator[Part]:
    markers = list(_MARKER.finditer(body))
    position = number = 0
    while number < len(markers):
        marker = markers[number]
        kind, name = marker.groups()
        if position < marker.start():
            yield Foreign(body[position : marker.start()])
        partner = markers[number + 1] if number + 1 < len(markers) else None
        if kind == "begin" and partner and partner.group(1, 2) == ("end", name):
            yield Region(name, body[marker.end() : partner.start()])
            position, number = partner.end(), number + 2
        else:
            yield Stray(name, marker[0])
            position, number = marker.end(), number + 1
    if position < len(body):
        yield Foreign(body[position:])


def seal(body: str) -> str:
    """A rendered page with every text of it in a region.

    What a template has outside its regions becomes one, called "card" when it has no other, else "text-1" and so on:
    only then can a later page take its place. Sealing twice changes nothing. Raises CardError for a marker without
    its partner and for a name that comes twice.
    """
    parts = split(body)
    names = Counter(part.name for part in parts if not isinstance(part, Foreign))
    for part in parts:
        if isinstance(part, Stray):
            raise _unsound(part.name, "has a marker without its partner, or another region within")
        if isinstance(part, Region) and names[part.name] > 1:
            raise _unsound(part.name, "comes more than once")
    named = (f"text-{number}" for number in count(1) if f"text-{number}" not in names)
    free = named if names else iter((WHOLE_PAGE,))
    return "".join(_sealed(part, free) for part in parts)


def _sealed(part: Part, free: Iterator[str]) -> str:
    if isinstance(part, Foreign) and not part.is_blank:
        content = part.text.strip("\n")
        before, _, after = part.text.partition(content)
        return f"{before}{Region(next(free), content).text}" + after.removeprefix("\n")
    return part.text


def _unsound(name: str, fault: str) -> CardError:
    return CardError(
        f"The card's region {name} {fault}.",
        f"Let the template hold <!-- hub-publisher:begin {name} --> and <!-- hub-publisher:end {name} --> once each, "
        "one below the other.",
    )
