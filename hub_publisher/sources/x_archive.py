"""The X data archive: the download that the account's holder gets, of any year.

Layouts: tweets.js and tweets-partN.js (since late 2022), tweet.js with and without a {"tweet": ...} wrapper
(2019 to 2022), data/js/tweets/YYYY_MM.js ("Grailbird", to 2018). X documents them in the archive's own README.txt
and manifest; the rest is what archives were seen to hold, and each oddity has its test.
"""

import codecs
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.records import Post, Timeline
from hub_publisher.sources.json_stream import JsonStream
from hub_publisher.sources.members import HOW_TO_GET_ONE, Members, open_archive, opened_files
from hub_publisher.sources.reading import Reading, inner, state_of, strings, to_png
from hub_publisher.sources.x_records import Notes, Owner, edit_ids, post_id, to_post
from hub_publisher.system.bars import hidden, tqdm
from hub_publisher.text.characters import unescape, well_formed

NAME = "x_archive"
VERSION = 2  # raise it when the same archive gives other posts than before

_COUNT = re.compile("[0-9]{1,12}")
_GLOBAL = re.compile(r"(?:window\.)?(?:YTD|Grailbird\.data)\.(\w+?)(?:\.part\d+|_\d{4}_\d\d)")
_MAX_PICTURE = 16 * 2**20  # bytes
_MAX_RECORD = 8 * 2**20  # characters of JSON; a record takes some two thousand


def state(config: Config) -> str:
    """What identifies the archive's content."""
    assert config.archive is not None
    return state_of(opened_files(config.archive))


def read(config: Config) -> Reading:
    """The archive at `config.archive` as posts in its own order. Raises SourceError when it is no archive.

    Posts to a Circle, posts that were deleted and earlier versions of edited posts are counted but withheld:
    their text is empty. Direct messages and the account's e-mail address are never kept, nor read where avoidable.
    """
    assert config.archive is not None
    with open_archive(config.archive) as members:
        owner = _owner(members)
        posts, notes = _posts(members, owner if owner.username else Owner(username=config.handle))
        if owner.username.lower() not in ("", config.handle.lower()):
            notes.append(f"The archive is that of @{owner.username}; the model is published as {config.handle}.")
        timeline = Timeline(
            source=NAME,
            handle=config.handle,
            display_name=owner.display_name or config.handle,
            bio=owner.bio,
            profile_url=f"https://x.com/{owner.username}" if re.fullmatch(r"\w{1,15}", owner.username) else None,
            escapes_html=True,
            notes=tuple(notes),
            posts=tuple(posts),
        )
        return Reading(timeline, _avatar(members, owner))


def _posts(members: Members, owner: Owner) -> tuple[list[Post], list[str]]:
    notes_of_posts = Notes(_records(members, members.of_kind("note-tweet")))
    posts: list[Post] = []
    versions: defaultdict[str, list[str]] = defaultdict(list)  # first id of an edited post -> the ids that are there
    records = _records(members, members.tweets)
    for record in tqdm(records, "Reading posts", unit=" posts", disable=hidden(), leave=False):
        posts.append(to_post(record, owner, notes_of_posts))
        if ids := edit_ids(record):
            versions[ids[0]].append(posts[-1].id)
    newest = {max(ids, key=lambda id: (len(id), id)) for ids in versions.values()}  # ids are numbers that grow
    remarks = _withhold(members, posts, set(chain(*versions.values())) - newest)
    return posts, remarks + _compare_with_manifest(members, len(posts))


def _withhold(members: Members, posts: list[Post], older: set[str]) -> list[str]:
    """X lists posts to a Circle in a file of their own, yet leaves them unmarked among the others."""
    withheld = {
        "Posts to a Twitter Circle": _ids(members, "twitter-circle-tweet"),
        "Deleted posts": _ids(members, "deleted-tweets?"),
        "Earlier versions of edited posts": older,
    }
    counts: Counter[str] = Counter()
    for i, post in enumerate(posts):
        if why := next((what for what, ids in withheld.items() if post.id in ids), None):
            counts[why] += 1
            posts[i] = Post(id=post.id, text="", is_repost=post.is_repost)  # nothing of it goes further
    notes = [f"{why}, counted but with their words left out: {counts[why]}." for why in withheld if counts[why]]
    if not members.of_kind("twitter-circle-tweet") and any(
        post.created_at and "2022-08" <= f"{post.created_at:%Y-%m}" <= "2023-10" for post in posts
    ):
        notes.append("The archive has no list of posts to a Twitter Circle (August 2022 to October 2023).")
    return notes


def _records(members: Members, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        text = codecs.iterdecode(members.blocks(name), "utf-8-sig", "replace")
        stream = JsonStream(text, f"{name} in {members.where}", _MAX_RECORD)
        assigned = stream.assignment()
        if name in members.tweets:
            _check_global(assigned, name)
        yield from (value for value in stream.values() if isinstance(value, dict))


def _check_global(assigned: str, name: str) -> None:
    """A file says what it holds by the name it assigns to: refuse one that holds anything but posts."""
    match = _GLOBAL.fullmatch(assigned)
    kind = match[1] if match else ""
    if kind not in ("tweet", "tweets"):
        holds = f"holds {kind.replace('_', ' ')}, not posts" if kind else "is no file of an X archive"
        raise SourceError(f"{name} {holds}.", f"Give the zip, its unzipped folder, or tweets.js. {HOW_TO_GET_ONE}")


def _ids(members: Members, kind: str) -> set[str]:
    return {post_id(inner(record, "tweet") or record) for record in _records(members, members.of_kind(kind))}


def _owner(members: Members) -> Owner:
    """Name, username, biography and picture. account.js also holds the e-mail address: it is dropped at once."""
    account = inner(_first(members, "account.js"), "account")
    profile = inner(_first(members, "profile.js"), "profile")
    user = inner(_first(members, "manifest.js"), "userInfo")
    old = _first(members, "js/user_details.js")  # Grailbird

    def text(*values: Any) -> str:
        return next((unescape(well_formed(value)).strip() for value in values if isinstance(value, str) and value), "")

    return Owner(
        account_id=text(account.get("accountId"), user.get("accountId"), old.get("id")),
        username=text(account.get("username"), user.get("userName"), old.get("screen_name")),
        display_name=text(account.get("accountDisplayName"), user.get("displayName"), old.get("full_name")),
        bio=text(inner(profile, "description").get("bio"), old.get("bio")),
        avatar_url=text(profile.get("avatarMediaUrl")),
    )


def _first(members: Members, name: str) -> dict[str, Any]:
    return next(_records(members, [name] if name in members.files else []), {})


def _compare_with_manifest(members: Members, num_posts: int) -> list[str]:
    manifest = _first(members, "manifest.js")
    types = inner(manifest, "dataTypes")
    counts = strings((inner(types, "tweets") or inner(types, "tweet")).get("files"), "count")
    notes = []
    if counts and all(map(_COUNT.fullmatch, counts)) and (promised := sum(map(int, counts))) != num_posts:
        notes.append(f"The archive's list of contents promises {promised} posts, its files hold {num_posts}.")
    if inner(manifest, "archiveInfo").get("isPartialArchive") is True:
        notes.append("The archive calls itself partial: posts may be missing.")
    return notes


def _avatar(members: Members, owner: Owner) -> bytes | None:
    """The profile picture, which lies beside the header picture under the last part of its address."""
    wanted = PurePosixPath(owner.avatar_url).stem
    for name in members.files:
        if wanted and name.startswith("profile_media/") and PurePosixPath(name).stem.endswith(wanted):
            return to_png(b"".join(members.blocks(name, _MAX_PICTURE)))
    return None
