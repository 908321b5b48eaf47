"""One record of an X archive -> one Post; note tweets (long posts) found for the posts that X cut."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub_publisher.records import Post
from hub_publisher.sources.dates import parse_date
from hub_publisher.sources.reading import REPOST, inner, language_code, looks_cut, strings
from hub_publisher.text.characters import unescape, well_formed

_CUT_MARK = re.compile(r"…\s*(?:https?://\S*)?\s*$")
_LEADING_MENTIONS = re.compile(r"\s*(?:@\w{1,15}\s+)+")
_LINK = re.compile(r"https?://\S+")
_REPLY = [f"in_reply_to_{what}" for what in ("user_id_str", "user_id", "screen_name", "status_id_str", "status_id")]
# What is left of a cut post is long; a few equal words in the same second do not make two posts one.
_MIN_STEM = 20


@dataclass(frozen=True)
class Owner:
    """Whose archive it is, as far as the archive says so. Never holds the e-mail address."""

    account_id: str = ""
    username: str = ""
    display_name: str = ""
    bio: str = ""
    avatar_url: str = ""


class Notes:
    """The full texts of long posts, indexed by second: a note carries no id of the post it belongs to."""

    def __init__(self, records: Iterable[Any]) -> None:
        self._by_second: dict[int, list[tuple[str, list[str]]]] = defaultdict(list)
        for record in records:
            note = inner(record, "noteTweet")
            core = inner(note, "core")
            moment, text = parse_date(note.get("createdAt")), core.get("text")
            if moment and isinstance(text, str):
                links = strings(core.get("urls"), "shortUrl") + strings(core.get("urls"), "url")
                self._by_second[int(moment.timestamp())].append((well_formed(text), links))

    def full_text(self, text: str, created_at: datetime | None) -> tuple[str, list[str]] | None:
        """The note that begins as the cut `text` does, of the same second or the one before, and its links."""
        if created_at is None or not self._by_second or "…" not in text:
            return None
        stem, second = _comparable(_CUT_MARK.sub("", text)), int(created_at.timestamp())
        for note, links in self._by_second.get(second, []) + self._by_second.get(second - 1, []):
            if len(stem) >= _MIN_STEM and _comparable(note).startswith(stem):
                return note, links
        return None


def to_post(record: Any, owner: Owner, notes: Notes) -> Post:
    """The post that one element of tweets.js (with or without its {"tweet": ...} wrapper) or Grailbird describes."""
    tweet = inner(record, "tweet") or record
    text = well_formed(str(tweet.get("full_text") or tweet.get("text") or ""))
    created_at = parse_date(tweet.get("created_at"))
    links = links_of(tweet)
    is_repost = bool(REPOST.match(text) or tweet.get("retweeted_status"))
    is_cut = not is_repost and looks_cut(text)
    if not is_repost and (full := notes.full_text(text, created_at)):
        (text, note_links), is_cut = full, False
        links += note_links
    return Post(
        id=post_id(tweet),
        text=text,
        created_at=created_at,
        language=language_code(tweet.get("lang")),
        is_repost=is_repost,
        is_reply=any(map(tweet.get, _REPLY)) and is_to_other(tweet, text, owner),
        is_truncated=is_cut,
        links=tuple(dict.fromkeys(link for link in links if link in text)),
    )


def post_id(tweet: dict[str, Any]) -> str:
    """The id as text; ids do not fit the numbers of JavaScript."""
    return well_formed(str(tweet.get("id_str") or tweet.get("id") or ""))


def edit_ids(record: Any) -> list[str]:
    """Ids of all versions of an edited post, oldest first; empty for one that was never edited."""
    info = inner(inner(record, "tweet") or record, "edit_info")
    first = inner(info, "initial") or inner(inner(info, "edit"), "editControlInitial")
    ids = first.get("editTweetIds")
    return [str(one) for one in ids] if isinstance(ids, list) and len(ids) > 1 else []


def links_of(tweet: dict[str, Any]) -> list[str]:
    """The links that X lists beside the text, in the places where its archive and the versions of its API put them."""
    holders = (tweet, inner(tweet, "extended_tweet"), inner(tweet, "note_tweet"))
    listed = [entities for holder in holders if (entities := inner(holder, "entities"))]
    links = [url for entities in listed for kind in ("urls", "media") for url in strings(entities.get(kind), "url")]
    return [well_formed(link) for link in links]


def is_to_other(reply: dict[str, Any], text: str, owner: Owner) -> bool:
    """A reply to oneself goes on a thread, unless it opens with the name of somebody else in that thread."""
    user_id = str(reply.get("in_reply_to_user_id_str") or reply.get("in_reply_to_user_id") or "")
    name = str(reply.get("in_reply_to_screen_name") or "").lower()
    to_self = user_id == owner.account_id if user_id and owner.account_id else name == owner.username.lower()
    return not to_self or text.startswith("@")


def _comparable(text: str) -> str:
    """`text` without what differs between a post and its note: leading mentions, links' codes, white space."""
    plain = _LEADING_MENTIONS.sub("", unescape(text), count=1) if text.lstrip().startswith("@") else unescape(text)
    return " ".join(_LINK.sub("https://", plain).split())
