"""Why a post is dropped: one rule after the other, each with its own count."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hub_publisher.curate.cleaning import Cleaned, clean
from hub_publisher.curate.sentences import whole_sentences
from hub_publisher.records import Post
from hub_publisher.text.words import is_too_short, words

# In the order the rules run. Every one of them is a row of the card's table.
REASONS = (
    "reposts",  # another account's post, passed on
    "without_text",  # the source holds no words of it, or withholds them (posts to few, deleted, older versions)
    "quotes_of_others",  # another account's words, quoted by hand: "@name: ..., MT @name
    "cut_off",  # the source cut the text, and before the cut is no whole sentence that is long enough
    "only_links",  # nothing is left without links and mentions
    "too_short",
    "exact_duplicates",
    "near_duplicates",
)
MASKED = ("emails", "phone_numbers", "special_tokens")

_REPOST = re.compile(r"RT @\w")
_QUOTE = re.compile(
    r"\W{0,3}[\"“”„‟«»‹›「『＂]\s*@(?P<name>\w+)"  # "@name: what they said
    r"|\W{0,3}\b[RM]T\b\s*:?\s*[\"“]?\s*@\w",  # RT @name, MT @name, RT: @name, whatever stands before
    re.IGNORECASE,
)
# my words RT @name: their words; my words “@name: their words”
_QUOTE_INSIDE = re.compile(r"(?:[RM](?<!\S.)T:? ?|[\"“„«](?<!\S.)\s?)@(?P<name>\w+):")
_MENTIONS = re.compile(r"@[A-Za-z0-9_]++(?:[.@-][A-Za-z0-9_]++)*+")
_LETTERS_OR_SYMBOLS = re.compile(r"[^\s!-/:-@\[-`{-~…–—“”‘’«»·•]")


@dataclass
class Sieve:
    """What the rules keep of one account's posts: the posts, their cleaned texts, and what was dropped and why."""

    dropped_posts: dict[str, list[Post]] = field(default_factory=lambda: {reason: [] for reason in REASONS})
    kept: list[tuple[Post, str]] = field(default_factory=list)
    masked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MASKED, 0))
    num_cut_back: int = 0  # kept posts that their source had cut off, up to their last whole sentence

    @property
    def dropped(self) -> dict[str, int]:
        """How many posts each rule dropped."""
        return {reason: len(posts) for reason, posts in self.dropped_posts.items()}


def sieve(posts: Iterable[Post], escapes_html: bool, handle: str = "") -> Sieve:
    """Run all rules over `posts`, oldest first: of duplicates the first is kept. Linear in the length of all texts.

    What names the account, @`handle`, in quotation marks is no quote of others: a headline about it, its own words.
    """
    from hub_publisher.curate.near_duplicates import WordSets, near_duplicates  # loads numpy

    result, sets, kept = Sieve(), WordSets(), []
    seen: set[str] = set()
    for post in posts:
        reason, cleaned = _judged(post, escapes_html, handle)
        found = words(cleaned.text)
        same = " ".join(found)
        if reason or same in seen:
            result.dropped_posts[reason or "exact_duplicates"].append(post)
        else:
            seen.add(same)
            sets.add(found)
            kept.append((post, cleaned))
    for (post, cleaned), is_near_duplicate in zip(kept, near_duplicates(sets), strict=True):
        if is_near_duplicate:
            result.dropped_posts["near_duplicates"].append(post)
        else:
            result.kept.append((post, cleaned.text))
            result.num_cut_back += post.is_truncated
            for name, num in zip(MASKED, cleaned[1:], strict=True):
                result.masked[name] += num
    return result


def _judged(post: Post, escapes_html: bool, handle: str) -> tuple[str | None, Cleaned]:
    """Why `post` is dropped whatever the others say, or None; and its cleaned text."""
    reason, text = None, whole_sentences(post.text) if post.is_truncated else post.text
    if post.is_repost or _REPOST.match(post.text):
        reason = "reposts"
    elif not post.text.strip():
        reason = "without_text"
    elif _is_quote(post.text, handle):
        reason = "quotes_of_others"
    elif not text:
        reason = "cut_off"
    if reason:
        return reason, Cleaned("")
    cleaned = clean(text, post.links, post.is_reply, escapes_html)
    if _is_quote(cleaned.text, handle):  # what stood before the quote was a link or a name
        reason = "quotes_of_others"
    elif is_too_short(cleaned.text):
        reason = "only_links" if _is_only_links(text, cleaned.text) else "too_short"
        reason = "cut_off" if post.is_truncated else reason
    return reason, cleaned


def _is_quote(text: str, handle: str) -> bool:
    found = (_QUOTE.match(text) or _QUOTE_INSIDE.search(text)) if "@" in text else None
    return found is not None and (found["name"] or "").lower() != (handle.lower() or None)


def _is_only_links(raw: str, text: str) -> bool:
    """Whether the post held links or mentions, and nothing but punctuation beside them."""
    without_mentions = _MENTIONS.sub("", text)
    return without_mentions != raw.strip() and not _LETTERS_OR_SYMBOLS.search(without_mentions)
