"""Why a post is dropped: one rule after the other, each with its own count."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hub_publisher.curate.cleaning import Cleaned, clean
from hub_publisher.curate.near_duplicates import WordSets, near_duplicates
from hub_publisher.records import Post
from hub_publisher.text.words import is_too_short, words

# In the order the rules run. Every one of them is a row of the card's table.
REASONS = (
    "reposts",  # another account's post, passed on
    "without_text",  # the source holds no words of it, or withholds them (posts to few, deleted, older versions)
    "quotes_of_others",  # another account's words, quoted by hand: "@name: ..., MT @name
    "cut_off",  # the source cut the text, and the rest is nowhere
    "only_links",  # nothing is left without links and mentions
    "too_short",
    "exact_duplicates",
    "near_duplicates",
)
MASKED = ("emails", "phone_numbers", "special_tokens")

_REPOST = re.compile(r"RT @\w")
_QUOTE = re.compile(
    r"\W{0,3}[\"“”„‟«»‹›「『＂]\s*@\w"  # "@name: what they said
    r"|\W{0,3}\b[RM]T\b\s*:?\s*[\"“]?\s*@\w",  # RT @name, MT @name, RT: @name, whatever stands before
    re.IGNORECASE,
)
_QUOTE_INSIDE = re.compile(r"[RM](?<!\S.)T:? ?@\w+:")  # my words RT @name: their words
_MENTIONS = re.compile(r"@[A-Za-z0-9_]++(?:[.@-][A-Za-z0-9_]++)*+")
_LETTERS_OR_SYMBOLS = re.compile(r"[^\s!-/:-@\[-`{-~…–—“”‘’«»·•]")


@dataclass
class Sieve:
    """What the rules keep of one account's posts: the posts, their cleaned texts, and what was dropped and why."""

    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    kept: list[tuple[Post, str]] = field(default_factory=list)
    masked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MASKED, 0))


def sieve(posts: Iterable[Post], escapes_html: bool) -> Sieve:
    """Run all rules over `posts`, oldest first: of duplicates the first is kept. Linear in the length of all texts."""
    result = Sieve()
    seen = _Seen()
    kept: list[tuple[Post, Cleaned]] = []
    for post in posts:
        reason = _before_cleaning(post)
        if reason is None:
            cleaned = clean(post.text, post.links, post.is_reply, escapes_html)
            reason = _after_cleaning(post, cleaned.text, seen)
        if reason is None:
            kept.append((post, cleaned))
        else:
            result.dropped[reason] += 1
    for (post, cleaned), is_near_duplicate in zip(kept, near_duplicates(seen.sets), strict=True):
        if is_near_duplicate:
            result.dropped["near_duplicates"] += 1
            continue
        result.kept.append((post, cleaned.text))
        for name, num in zip(MASKED, cleaned[1:], strict=True):
            result.masked[name] += num
    return result


class _Seen:
    """The texts so far without case and punctuation."""

    def __init__(self) -> None:
        self.sets = WordSets()
        self._keys: set[str] = set()

    def is_new(self, text: str) -> bool:
        """Whether no earlier text had the same words in the same order; remembers it if so."""
        found = words(text)
        key = " ".join(found)
        if key in self._keys:
            return False
        self._keys.add(key)
        self.sets.add(found)
        return True


def _before_cleaning(post: Post) -> str | None:
    if post.is_repost or _REPOST.match(post.text):
        return "reposts"
    if not post.text.strip():
        return "without_text"
    if _is_quote(post.text):
        return "quotes_of_others"
    return "cut_off" if post.is_truncated else None


def _after_cleaning(post: Post, text: str, seen: _Seen) -> str | None:
    # what stood before the quote may have been a link or a name
    if _is_quote(text):
        return "quotes_of_others"
    if is_too_short(text):
        return "only_links" if _is_only_links(post.text, text) else "too_short"
    return None if seen.is_new(text) else "exact_duplicates"


def _is_quote(text: str) -> bool:
    return "@" in text and bool(_QUOTE.match(text) or _QUOTE_INSIDE.search(text))


def _is_only_links(raw: str, text: str) -> bool:
    """Whether the post held links or mentions, and nothing but punctuation beside them."""
    without_mentions = _MENTIONS.sub("", text)
    return without_mentions != raw.strip() and not _LETTERS_OR_SYMBOLS.search(without_mentions)
