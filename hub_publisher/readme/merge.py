"""A newly rendered README.md and the one that stands on the Hub, made into one: ours, with other people's words.

    merge(remote, ours, published_front_matter, published_regions) -> Merged

What we wrote is replaced, what others wrote outside our regions and keys stays, and what they changed inside is a
conflict: ours takes its place in `content`, and the caller refuses to push that, or proposes it. Text in, text out:
nothing here asks the Hub or the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub_publisher.readme import frontmatter
from hub_publisher.readme.decode import decode
from hub_publisher.readme.escape import excerpt
from hub_publisher.readme.merge_body import merge_bodies
from hub_publisher.readme.merge_keys import merge_keys
from hub_publisher.readme.parse import BYTE_ORDER_MARK, front_matter_of, take_apart
from hub_publisher.readme.regions import seal, unix

__all__ = ["Merged", "front_matter_of", "merge"]


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
    """`ours`, a whole rendered README.md, in the place of `remote`, the one on the Hub; None where there is none.

    `published_front_matter` and `published_regions` (name -> SHA-256) are what we published last, as manifest.json
    tells: only by them a change of a key or a region is known as somebody's. Where they are None, ours wins without a
    word. Merging the result again changes nothing and finds no conflict. Line ends are those of `remote`. Raises
    CardError for a front matter that cannot be read, there or in `ours`, and for broken regions in `ours`.
    """
    ours = unix(ours).lstrip(BYTE_ORDER_MARK)
    metadata, rendered = front_matter_of(ours)
    head, sealed = ours[: len(ours) - len(rendered)], seal(rendered)
    fresh = (head + sealed).encode()
    if remote is None or remote == fresh:
        return Merged(fresh)
    text, has_crlf, repairs = decode(remote)
    there = take_apart(text)
    if there.comments:
        repairs += (f"comments in the front matter were dropped: {excerpt(' '.join(there.comments))}",)
    if not there.metadata and not there.body.strip():
        return Merged(fresh, repairs=repairs)
    keys = merge_keys(there.metadata, metadata, published_front_matter)
    body = merge_bodies(there.body, sealed, published_regions)
    if keys.metadata != metadata:
        head = frontmatter.dump(keys.metadata)
    content = head + (body.text if body.text.startswith("\n") else f"\n{body.text}")
    return Merged(
        (content.replace("\n", "\r\n") if has_crlf else content).encode(),
        (*body.conflicts, *keys.conflicts),
        (*body.kept, *keys.kept),
        (*repairs, *keys.repairs),
    )
