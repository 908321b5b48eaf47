"""Which texts are shown: one rule, one reason for each that is not, and nothing in its place."""

import pytest

from hub_publisher.records import KeptPost
from hub_publisher.text import offence, showing

COPIED = "The gulls were up before the harbour and wanted everybody to know."
TEXTS = [
    COPIED,
    "The tide is out.",
    "What a shit tide.",
    "Write to me at keeper@lamp.example today.",
    "Call me at 555 0123 88, or +49 30 123456.",
    f"Shit. {COPIED} keeper@lamp.example",
]


def posts(*languages: str | None) -> list[KeptPost]:
    return [KeptPost(id=str(n), text=COPIED, language=language) for n, language in enumerate(languages or ("en",))]


def test_each_reason_withholds_and_is_counted_once() -> None:
    shown, check = showing.check(TEXTS, posts(), show_all=False)
    assert shown == [None, "The tide is out.", None, None, None, None]
    assert check.found == {"copies": 2, "language": 1, "personal_data": 2}
    assert (check.word_list, check.languages, check.show_all) == (offence.version(), ("en",), False)


def test_all_are_shown_but_copies() -> None:
    shown, check = showing.check(TEXTS, posts(), show_all=True)
    assert shown == [None, *TEXTS[1:5], None]
    assert check.found == {"copies": 2, "language": 1, "personal_data": 2} and check.show_all


def test_no_text_needs_no_post() -> None:
    shown, check = showing.check([], [], show_all=False)
    assert shown == [] and check.languages == ("en",) and not any(check.found.values())


@pytest.mark.parametrize(
    ("languages", "expected"),
    [(["de"], ("en", "de")), (["de"] * 99 + ["fr"], ("en", "de")), (["de"] * 49 + ["fr"], ("en", "de", "fr")),
     ([None] * 60 + ["fr"] * 2, ("en", "fr")), (["th", "xx"], ("en",))],
)  # fmt: skip
def test_words_are_those_of_the_posts_languages(languages: list[str | None], expected: tuple[str, ...]) -> None:
    assert showing.check(["Du Arschloch!"], posts(*languages), False)[1].languages == expected


def test_a_masked_address_is_none() -> None:
    assert showing.check(["Write to [e-mail] or [phone], @lamp@harbour.example"], posts(), False)[0] != [None]
