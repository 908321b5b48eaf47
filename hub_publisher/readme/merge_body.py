"""The body's half of a merge: our regions replaced where they stand, and every text between them kept.

merge_bodies(theirs, ours, published) -> Body
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub_publisher.readme.escape import excerpt
from hub_publisher.readme.regions import Foreign, Region, Stray, split

_GAP = Foreign("\n")


@dataclass(frozen=True)
class Body:
    """A merged body, a line for each conflict, and one for each text of others in it."""

    text: str
    conflicts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def merge_bodies(theirs: str, ours: str, published: Mapping[str, str] | None = None) -> Body:
    """`theirs` with our regions as `ours`, which is sealed, has them; `published` is what we wrote last.

    Its names and hashes, or None when that is not known: then no region counts as edited.
    A region new to `theirs` comes behind the one that it follows in `ours`. One that `ours` lacks goes, and so do
    markers without a partner; the text around those stays. Without any marker in `theirs`, `ours` stands above it.
    """
    parts = split(theirs)
    marked = [part for part in parts if not isinstance(part, Foreign)]
    regions = [part for part in split(ours) if isinstance(part, Region)]
    if not marked:
        return _above(theirs, ours, published)
    placed = _closed(_inserted(_replaced(parts, regions), regions))
    conflicts = tuple(_conflicts(marked, {region.name: region for region in regions}, published))
    return Body("".join(part.text for part in placed), conflicts, tuple(_kept(placed)))


def _above(theirs: str, ours: str, published: Mapping[str, str] | None) -> Body:
    if not theirs.strip():
        return Body(ours)
    conflicts = ("every region was removed by hand",) if published else ()
    ours = ours.rstrip("\n")
    below = theirs.lstrip("\n")
    return Body(f"{ours}\n\n{below}", conflicts, (f"{_count(below)} of the old text, below ours",))


def _conflicts(
    marked: list[Region | Stray], wanted: dict[str, Region], published: Mapping[str, str] | None
) -> Iterator[str]:
    found: dict[str, list[Region | Stray]] = defaultdict(list)
    for part in marked:
        found[part.name].append(part)
    for name, parts in found.items():
        regions = [part for part in parts if isinstance(part, Region)]
        if len(regions) < len(parts):
            yield f"region {name} has lost a marker; what stood there is kept as text"
        if len(regions) > 1:
            yield f"region {name} comes more than once"
        fine = {wanted[name].hash} if name in wanted else set()
        if published is not None and {region.hash for region in regions} - fine - {published.get(name)}:
            yield f"region {name} was edited by hand"
    for name in wanted:
        if published and name in published and name not in found:
            yield f"region {name} was removed by hand"


def _replaced(parts: tuple[Foreign | Region | Stray, ...], regions: list[Region]) -> list[Foreign | Region]:
    """`parts` with our regions in the places of theirs; where no place is left, the first of ours gets one."""
    missing = {region.name: region for region in regions}
    complete = {part.name for part in parts if isinstance(part, Region)}
    placed: list[Foreign | Region] = []
    first_gone = None
    for part in parts:
        if isinstance(part, Foreign):
            placed.append(part)
        elif part.name in missing and (isinstance(part, Region) or part.name not in complete):
            placed.append(missing.pop(part.name))
        elif first_gone is None:
            first_gone = len(placed)
    if regions and len(missing) == len(regions):
        placed.insert(first_gone or 0, regions[0])
    return placed


def _inserted(placed: list[Foreign | Region], regions: list[Region]) -> list[Foreign | Region]:
    """`placed`, which has one of our regions at least, with all of them."""
    placed = list(placed)
    for number, region in enumerate(regions):
        if region in placed:
            continue
        if number == 0:
            at = placed.index(next(other for other in regions if other in placed))
            placed[at:at] = [region, _GAP]
            continue
        at = placed.index(regions[number - 1]) + 1
        is_followed = at < len(placed) and isinstance(placed[at], Region)
        placed[at:at] = [_GAP, region, _GAP] if is_followed else [_GAP, region]
    return placed


def _closed(placed: list[Foreign | Region]) -> list[Foreign | Region]:
    """`placed` with the texts joined between which a region is gone, and nothing blank at the end."""
    closed: list[Foreign | Region] = []
    for part in placed:
        before = closed[-1] if closed else None
        if isinstance(part, Foreign) and isinstance(before, Foreign):
            closed[-1] = _joined(before, part)
        else:
            closed.append(part)
    if len(closed) > 1 and isinstance(closed[-1], Foreign) and closed[-1].is_blank:
        closed.pop()
    return closed


def _joined(one: Foreign, other: Foreign) -> Foreign:
    """Two texts with a blank line between them, so that they stay two paragraphs."""
    if one.is_blank or one.text.endswith("\n\n"):
        return Foreign(one.text + other.text.lstrip("\n"))
    return Foreign(one.text + other.text if other.text.startswith("\n") else f"{one.text}\n{other.text}")


def _kept(placed: list[Foreign | Region]) -> Iterator[str]:
    where = "at the top"
    for part in placed:
        if isinstance(part, Region):
            where = f"after region {part.name}"
        elif not part.is_blank:
            yield f'{_count(part.text)} {where}: "{excerpt(part.text)}"'


def _count(text: str) -> str:
    number = sum(bool(line.strip()) for line in text.split("\n"))
    return "1 line" if number == 1 else f"{number} lines"
