"""A newly rendered README.md and the one that stands on the Hub, made into one: ours, with other people's words.

    merge(remote, ours, published_front_matter, published_regions) -> Merged

What we wrote is replaced, what others wrote outside our regions and keys stays, and what they changed inside is a
conflict: ours takes its place in `content`, and the caller refuses to push that, or proposes it. Text in, text out:
nothing here asks the Hub or the disk.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub_publisher.readme import frontmatter
from hub_publisher.readme.escape import excerpt
from hub_publisher.readme.parse import decode, read_page
from hub_publisher.readme.regions import Foreign, Part, Region, Stray, join, split
from hub_publisher.readme.validate import find_problems, leaves

TAGS = "tags"


@dataclass(frozen=True)
class Merged:
    """A README.md to push, and a line for each thing about it that somebody may want to know."""

    content: bytes
    conflicts: tuple[str, ...] = ()  # what was edited by hand where we write; `content` has ours
    kept: tuple[str, ...] = ()  # what others wrote and is still there
    repairs: tuple[str, ...] = ()  # what was broken and is no more


def merge(
    remote: bytes | None,
    ours: str,
    published_front_matter: dict[str, Any] | None = None,
    published_regions: Mapping[str, str] | None = None,
) -> Merged:
    """`ours`, a README.md as card/ renders it, in the place of `remote`, the one on the Hub; None where there is none.

    `published_front_matter` and `published_regions` (name -> SHA-256) are what we published last, as manifest.json
    tells: only by them a change of a key or a region is known as somebody's. Where they are None, ours wins without a
    word. A text of others stays behind the region that it follows, with one blank line around it; what has none of our
    markers stays below ours. Merging the result again changes nothing and finds no conflict. Line ends are those of
    `remote`. Raises CardError for a front matter that cannot be read, there or in `ours`.
    """
    if remote is None or remote == ours.encode():
        return Merged(ours.encode())
    text, has_crlf, repairs = decode(remote)
    there, here = read_page(text), read_page(ours)
    if there.comments:
        repairs += (f"comments in the front matter were dropped: {excerpt(' '.join(there.comments))}",)
    if not there.metadata and not there.body.strip():
        return Merged(ours.encode(), repairs=repairs)
    metadata, dropped = _metadata(there.metadata, here.metadata, published_front_matter or {})
    parts = split(there.body)
    regions = {part.name: part for part in split(here.body) if isinstance(part, Region)}
    page = _page(parts, regions)
    content = f"{frontmatter.dump(metadata)}\n{join(page)}"
    return Merged(
        (content.replace("\n", "\r\n") if has_crlf else content).encode(),
        (
            *_changed_regions(parts, regions, published_regions),
            *_changed_keys(there.metadata, here.metadata, published_front_matter),
        ),
        (*_kept_texts(page), *_kept_keys(metadata, here.metadata)),
        (*repairs, *dropped),
    )


def _page(parts: tuple[Part, ...], regions: dict[str, Region]) -> list[Foreign | Region]:
    """Their texts, and each of our regions once: where they have it, else behind the one that it follows in ours."""
    missing = dict(regions)
    whole = {part.name for part in parts if isinstance(part, Region)}
    page: list[Foreign | Region] = []
    for part in parts:
        if isinstance(part, Foreign):
            page.append(part)
        elif part.name in missing and (isinstance(part, Region) or part.name not in whole):
            page.append(missing.pop(part.name))
    place = 0
    for region in regions.values():
        if region.name in missing:
            page.insert(place, region)
        place = page.index(region) + 1
    return page


def _changed_regions(
    parts: tuple[Part, ...], regions: dict[str, Region], published: Mapping[str, str] | None
) -> Iterator[str]:
    named: dict[str, list[Region | Stray]] = {name: [] for name in regions}
    for part in parts:
        if not isinstance(part, Foreign):
            named.setdefault(part.name, []).append(part)
    for name, found in named.items():
        hashes = [part.hash for part in found if isinstance(part, Region)]
        if len(hashes) < len(found):
            yield f"region {name} has lost a marker; what stood there is kept as text"
        if len(hashes) > 1:
            yield f"region {name} comes more than once"
        fine = {regions[name].hash} if name in regions else set()
        if published is not None and set(hashes) - fine - {published.get(name)}:
            yield f"region {name} was edited by hand"
        if published and name in published and not found:
            yield f"region {name} was removed by hand"


def _kept_texts(page: list[Foreign | Region]) -> Iterator[str]:
    where = "at the top"
    for part in page:
        if isinstance(part, Region):
            where = f"after region {part.name}"
        else:
            number = sum(bool(line.strip()) for line in part.text.split("\n"))
            yield f'{number} {"line" if number == 1 else "lines"} {where}: "{excerpt(part.text)}"'


def _metadata(
    theirs: dict[str, Any], ours: dict[str, Any], published: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Ours in our order, more tags of theirs, then the keys that are only theirs; and a line for what cannot stay."""
    merged, dropped = dict(ours), []
    known_tags, known_keys = {*_tags(ours), *_tags(published)}, {*ours, *published, TAGS}
    if more := [tag for tag in _tags(theirs) if tag not in known_tags]:
        merged[TAGS] = [*_tags(ours), *more]
    others = {key: value for key, value in theirs.items() if key not in known_keys}
    # What goes may be what another key needs.
    while faults := _faults(others, merged):
        dropped += [f"front matter: the key {excerpt(key)} was dropped: {fault}" for key, fault in faults.items()]
        others = {key: value for key, value in others.items() if key not in faults}
    if lost := [tag for tag in _listed(theirs.get(TAGS)) if not isinstance(tag, str)]:
        dropped.append(f"front matter: of the tags {excerpt(_json(lost))} were dropped, which are no text")
    return merged | others, dropped


def _faults(others: dict[str, Any], ours: dict[str, Any]) -> dict[str, str]:
    """Why keys of others cannot stand beside ours: the Hub would refuse them, or YAML."""
    found = {re.split(r"[.\[]", key, maxsplit=1)[0]: fault for key, fault, _ in find_problems(ours | others)}
    for key, value in others.items():
        try:
            frontmatter.dump({key: value})
        except (TypeError, ValueError) as error:
            found.setdefault(key, excerpt(str(error)))
    return {key: found[key] for key in others if key in found}


def _changed_keys(theirs: dict[str, Any], ours: dict[str, Any], published: dict[str, Any] | None) -> Iterator[str]:
    """A line for each of our keys that says neither what we published nor what we write now. More tags are none."""
    if published is None:
        return
    lost = {*_tags(ours)} - {*_tags(theirs)}
    for tag in _tags(published):
        if tag in lost:
            yield f"front matter: the tag {excerpt(_json(tag))} was removed by hand"
    for key in dict.fromkeys((*ours, *published)):
        before, now, new = (_leaves(metadata, key) for metadata in (published, theirs, ours))
        for place in {**before, **now}:
            if key != TAGS and now.get(place) not in (before.get(place), new.get(place)):
                yield f"front matter: {excerpt(place)} {_change(before.get(place), now.get(place))}"
                break


def _leaves(metadata: dict[str, Any], key: str) -> dict[str, str]:
    """Each plain value within that of `key`, as JSON, by its place; 1.0 is 1, as in JavaScript."""
    found = leaves(metadata[key], key) if key in metadata else ()
    return {
        place: _json(int(value) if isinstance(value, float) and value.is_integer() else value) for place, value in found
    }


def _change(before: str | None, now: str | None) -> str:
    if now is None:
        return f"was removed by hand, which was {excerpt(before or '')}"
    if before is None:
        return f"was added by hand, as {excerpt(now)}"
    return f"was changed by hand from {excerpt(before)} to {excerpt(now)}"


def _kept_keys(merged: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    yield from (f"front matter: the tag {excerpt(_json(tag))}" for tag in _tags(merged)[len(_tags(ours)) :])
    yield from (f"front matter: the key {key}" for key in merged if key not in ours and key != TAGS)


def _tags(metadata: dict[str, Any]) -> list[str]:
    """The texts among its tags, each once."""
    return list(dict.fromkeys(tag for tag in _listed(metadata.get(TAGS)) if isinstance(tag, str) and tag))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
