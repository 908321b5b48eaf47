"""What of a model's texts may be shown: the one rule, for samples, widget, snippet, preview and loadback alike.

A text that copies a post is withheld, always; so is one with a word that is on the list or with an e-mail address or
a telephone number, unless all are to be shown. Nothing takes its place, and every reason is counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from hub_publisher.records import Check, KeptPost
from hub_publisher.text import copying, offence
from hub_publisher.text.masking import mask_emails, mask_phone_numbers

COPIES, LANGUAGE, PERSONAL_DATA = "copies", "language", "personal_data"
_MIN_SHARE = 0.02  # of the posts; a rarer language is more likely a wrong guess than a second language
_VERSION = 1  # of this rule: raise it when it shows other texts than before

Shown = list[str | None]


def method() -> tuple[object, ...]:
    """What decides which texts are shown, for fingerprints."""
    return _VERSION, copying.COPY_WORDS, offence.version()


def check(texts: Sequence[str], posts: Iterable[KeptPost], show_all: bool) -> tuple[Shown, Check]:
    """The texts with None in the place of each that is not to be shown, and what they were checked with and for."""
    spoken: Counter[str | None] = Counter()
    copied = copying.copies(_texts(posts, spoken), texts)
    languages = offence.listed(
        code for code, number in spoken.most_common() if code and number >= _MIN_SHARE * spoken.total()
    )
    found = [COPIES if text in copied else _reason(text, languages) for text in texts]
    held = (COPIES,) if show_all else (COPIES, LANGUAGE, PERSONAL_DATA)
    counts = {reason: found.count(reason) for reason in (COPIES, LANGUAGE, PERSONAL_DATA)}
    shown = [None if reason in held else text for text, reason in zip(texts, found, strict=True)]
    return shown, Check(found=counts, word_list=offence.version(), languages=languages, show_all=show_all)


def _texts(posts: Iterable[KeptPost], spoken: Counter[str | None]) -> Iterable[str]:
    """The posts' texts, their languages counted on the way: there may be too many posts to hold."""
    for post in posts:
        spoken[post.language] += 1
        yield post.text


def _reason(text: str, languages: tuple[str, ...]) -> str | None:
    """Why a text that copies nothing is withheld, the first reason of both."""
    if offence.find(text, languages):
        return LANGUAGE
    return PERSONAL_DATA if mask_emails(text)[1] or mask_phone_numbers(text)[1] else None
