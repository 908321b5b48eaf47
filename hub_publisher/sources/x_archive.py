"""The X data archive: the download that the account's holder gets, of any year.

Layouts: tweets.js and tweets-partN.js (since late 2022), tweet.js with and without a {"tweet": ...} wrapper
(2019 to 2022), data/js/tweets/YYYY_MM.js ("Grailbird", to 2018). X documents them in the archive's own README.txt
and manifest; the rest is what archives were seen to hold, and each oddity has its test.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.records import Post, Timeline
from hub_publisher.sources.avatar import to_png
from hub_publisher.sources.json_stream import JsonStream
from hub_publisher.sources.members import HOW_TO_GET_ONE, Members, open_archive, opened_files
from hub_publisher.sources.reading import Reading, progress, state_of, undecodable_note
from hub_publisher.sources.x_records import Notes, Owner, age, edit_ids, inner, post_id, to_post, withheld
from hub_publisher.text.characters import unescape, well_formed

NAME = "x_archive"
VERSION = 1  # raise it when the same archive gives other posts than before

_GLOBAL = re.compile(r"(?:window\.)?(?:YTD\.(\w+)\.part\d+|Grailbird\.data\.(tweets)_\d{4}_\d\d)")
_KINDS_OF_POSTS = ("tweet", "tweets")
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
    return read_folder_or_zip(config.archive, config.handle)


def read_folder_or_zip(path: Path, handle: str) -> Reading:
    """The archive at `path` as the posts of `handle`."""
    with open_archive(path) as members:
        owner = _owner(members)
        posts, notes = _posts(members, owner if owner.username else Owner(username=handle))
        notes += _notes_on_owner(owner, handle)
        timeline = Timeline(
            fingerprint="",
            source=NAME,
            handle=handle,
            display_name=owner.display_name or handle,
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
    versions: dict[str, list[int]] = {}  # first id of an edited post -> where its versions stand in `posts`
    for record in progress(_records(members, members.tweets, _KINDS_OF_POSTS), "Reading posts"):
        if ids := edit_ids(record):
            versions.setdefault(ids[0], []).append(len(posts))
        posts.append(to_post(record, owner, notes_of_posts))
    remarks = _withhold_private(members, posts) + _withhold_older_versions(posts, versions)
    return posts, remarks + _compare_with_manifest(members, len(posts)) + undecodable_note(p.text for p in posts)


def _withhold_private(members: Members, posts: list[Post]) -> list[str]:
    """X lists posts to a Circle in a file of their own, yet leaves them unmarked among the others."""
    circle, deleted = (_ids(members, kind) for kind in ("twitter-circle-tweet", "deleted-tweets?"))
    num_circle = num_deleted = 0
    for i, post in enumerate(posts):
        if post.id in circle or post.id in deleted:
            num_circle += post.id in circle
            num_deleted += post.id not in circle
            posts[i] = withheld(post)
    notes = []
    if num_circle:
        notes.append(f"Posts to a Twitter Circle, counted but with their words left out: {num_circle}.")
    if num_deleted:
        notes.append(f"Deleted posts, counted but with their words left out: {num_deleted}.")
    if not members.of_kind("twitter-circle-tweet") and any(_in_circle_era(post) for post in posts):
        notes.append("The archive has no list of posts to a Twitter Circle (August 2022 to October 2023).")
    return notes


def _in_circle_era(post: Post) -> bool:
    moment = post.created_at
    return moment is not None and (2022, 8) <= (moment.year, moment.month) <= (2023, 10)


def _withhold_older_versions(posts: list[Post], versions: dict[str, list[int]]) -> list[str]:
    num_older = 0
    for places in versions.values():
        newest = max(places, key=lambda place: age(posts[place].id))
        for place in places:
            if posts[place].id != posts[newest].id:
                posts[place] = withheld(posts[place])
                num_older += 1
    return (
        [f"Earlier versions of edited posts, counted but with their words left out: {num_older}."] if num_older else []
    )


def _records(members: Members, names: Iterable[str], kinds: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    for name in names:
        decode = codecs.getincrementaldecoder("utf-8-sig")("replace")
        stream = JsonStream(
            filter(None, map(decode.decode, members.blocks(name))), f"{name} in {members.where}", _MAX_RECORD
        )
        if kinds:
            _check_global(stream.assignment(), name, kinds)
        else:
            stream.assignment()
        yield from (value for value in stream.values() if isinstance(value, dict))


def _check_global(assigned: str, name: str, kinds: tuple[str, ...]) -> None:
    """A file says what it holds by the name it assigns to: refuse one that holds anything but posts."""
    match = _GLOBAL.fullmatch(assigned)
    kind = (match[1] or match[2]) if match else None
    if kind not in kinds:
        holds = f"holds {kind.replace('_', ' ')}, not posts" if kind else "is no file of an X archive"
        raise SourceError(f"{name} {holds}.", f"Give the zip, its unzipped folder, or tweets.js. {HOW_TO_GET_ONE}")


def _ids(members: Members, kind: str) -> set[str]:
    return {post_id(inner(record, "tweet") or record) for record in _records(members, members.of_kind(kind))}


def _owner(members: Members) -> Owner:
    """Name, username, biography and picture. account.js also holds the e-mail address: it is dropped at once."""
    account = inner(_first(members, "account.js"), "account")
    profile = inner(_first(members, "profile.js"), "profile")
    user = inner(_manifest(members), "userInfo")
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
    records = _records(members, [name] if name in members.names else [])
    return next(records, {})


def _manifest(members: Members) -> dict[str, Any]:
    return _first(members, "manifest.js")


def _notes_on_owner(owner: Owner, handle: str) -> list[str]:
    if owner.username and owner.username.lower() != handle.lower():
        return [f"The archive is that of @{owner.username}; the model is published as {handle}."]
    return []


def _compare_with_manifest(members: Members, num_posts: int) -> list[str]:
    manifest = _manifest(members)
    types = inner(manifest, "dataTypes")
    files = (inner(types, "tweets") or inner(types, "tweet")).get("files")
    counts = [str(file.get("count")) for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    notes = []
    if counts and all(map(str.isdigit, counts)) and (promised := sum(map(int, counts))) != num_posts:
        notes.append(f"The archive's list of contents promises {promised} posts, its files hold {num_posts}.")
    if inner(manifest, "archiveInfo").get("isPartialArchive") is True:
        notes.append("The archive calls itself partial: posts may be missing.")
    return notes


def _avatar(members: Members, owner: Owner) -> bytes | None:
    """The profile picture, which lies beside the header picture under the last part of its address."""
    wanted = owner.avatar_url.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for name in members.names:
        if wanted and name.startswith("profile_media/") and name.rsplit(".", 1)[0].endswith(wanted):
            return to_png(members.read(name))
    return None
