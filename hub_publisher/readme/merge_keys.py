"""The front matter's half of a merge: our keys, and those that others added, as long as the Hub takes them.

merge_keys(theirs, ours, published) -> Keys
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hub_publisher.readme import frontmatter
from hub_publisher.readme.escape import excerpt
from hub_publisher.readme.validate import find_problems

TAGS = "tags"
_MISSING = object()


@dataclass
class Keys:
    """A merged front matter, and a line for each conflict, each thing kept and each repair."""

    metadata: dict[str, Any]
    conflicts: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)


def merge_keys(theirs: dict[str, Any], ours: dict[str, Any], published: dict[str, Any] | None) -> Keys:
    """The metadata to write: ours in our order, more tags of theirs, then the keys that are only theirs.

    `published` is what we wrote last, None when that is not known.
    """
    keys = Keys(dict(ours))
    if published is None:
        keys.repairs += [
            f"front matter: {problem.key}: {problem.fault}, so ours took its place"
            for problem in find_problems(theirs)
            if _top(problem.key) in ours and _top(problem.key) != TAGS
        ]
    else:
        keys.conflicts += _conflicts(theirs, ours, published)
    _add_tags(keys, theirs.get(TAGS), _tags_of(published))
    _add_others(keys, {key: value for key, value in theirs.items() if key not in {**ours, **(published or {})}})
    return keys


def _conflicts(theirs: dict[str, Any], ours: dict[str, Any], published: dict[str, Any]) -> Iterator[str]:
    if published and not theirs.keys() & {*published, *ours}:
        yield "the front matter was removed by hand"
        return
    for key in dict.fromkeys((*ours, *published)):
        before, now, new = (values.get(key, _MISSING) for values in (published, theirs, ours))
        if _same(now, before) or _same(now, new):
            continue
        if key == TAGS and isinstance(now, list):  # more of them are no conflict
            lost = [tag for tag in _tags_of(published) if tag not in now and tag in _tags_of(ours)]
            yield from (f"front matter: the tag {_shown(tag)} was removed by hand" for tag in lost)
        else:
            yield f"front matter: {_change(key, before, now)}"


def _change(path: str, before: Any, now: Any) -> str:
    """Where two different values differ first, and by what."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = ((f"{path}.{name}", before.get(name, _MISSING), now.get(name, _MISSING)) for name in {**before, **now})
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        parts = ((f"{path}[{index}]", *pair) for index, pair in enumerate(zip(before, now, strict=True)))
    elif now is _MISSING:
        return f"{path} was removed by hand, which was {_shown(before)}"
    elif before is _MISSING:
        return f"{path} was added by hand, as {_shown(now)}"
    else:
        return f"{path} was changed by hand from {_shown(before)} to {_shown(now)}"
    return next(_change(*part) for part in parts if not _same(*part[1:]))


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a front matter mean the same to JavaScript: 1 is 1.0, and true is no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _tags_of(metadata: dict[str, Any] | None) -> list[str]:
    tags = metadata.get(TAGS) if metadata else None
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _add_tags(keys: Keys, tags: Any, published: list[str]) -> None:
    """Tags of others behind ours; those that we published, and write no more, go."""
    known = [*keys.metadata.get(TAGS, ()), *published]
    others: list[str] = []
    for tag in tags if isinstance(tags, list) else [] if tags is None else [tags]:
        if isinstance(tag, int | float) and math.isfinite(tag):
            text = frontmatter.scalar(tag)
            keys.repairs.append(f"front matter: the tag {text} is text now")
        elif isinstance(tag, str) and tag:
            text = tag
        else:
            keys.repairs.append(f"front matter: {_shown(tag)} is no tag and was dropped")
            continue
        if text not in (*known, *others):
            others.append(text)
    if others:
        keys.metadata[TAGS] = [*keys.metadata.get(TAGS, ()), *others]
        keys.kept += [f"front matter: the tag {_shown(tag)}" for tag in others]


def _add_others(keys: Keys, others: dict[str, Any]) -> None:
    """Keys that only others wrote, behind ours; what the Hub would refuse goes, also for what it needs beside it."""
    faults = {key: fault for key, value in others.items() if (fault := _unwritable(key, value))}
    while True:
        fine = {key: value for key, value in others.items() if key not in faults}
        found = {_top(problem.key): problem.fault for problem in find_problems({**keys.metadata, **fine})}
        if not found.keys() & fine.keys():
            break
        faults |= {key: fault for key, fault in found.items() if key in fine}
    keys.metadata |= fine
    keys.kept += [f"front matter: the key {key}" for key in fine]
    keys.repairs += [f"front matter: the key {excerpt(key)} was dropped: {fault}" for key, fault in faults.items()]


def _unwritable(key: str, value: Any) -> str:
    """Why a key and its value cannot stand in a front matter; empty when they can."""
    try:
        frontmatter.dump({key: value})
    except (TypeError, ValueError) as error:
        return excerpt(str(error))
    return ""


def _top(key: str) -> str:
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _shown(value: Any) -> str:
    return excerpt(json.dumps(value, ensure_ascii=False))
