"""The regions of README.md that are ours: found in any text, and none of them forged by what a stranger wrote."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.errors import CardError
from hub_publisher.readme import escape
from hub_publisher.readme.regions import Foreign, Region, Stray, join, seal, split, unix
from tests.helpers.merge import has_markers
from tests.readme.test_escape import texts

HELLO = hashlib.sha256(b"hello").hexdigest()
BEGIN, END = "<!-- hub-publisher:begin a -->\n", "<!-- hub-publisher:end a -->\n"
markers = st.builds(
    "{}<!--{}hub-publisher:{} {}{} -->{}".format,
    st.sampled_from(["", "\n", "\n  ", "x"]),
    st.sampled_from([" ", ""]),
    st.sampled_from(["begin", "end"]),
    st.sampled_from(["a", "b", "training-data"]),
    st.sampled_from(["", f" sha256={HELLO}", " sha256="]),
    st.sampled_from(["\n", "", " \n", "\r\n", "x\n"]),
)
pages = st.lists(texts | markers, max_size=8).map("".join)


def test_sealing_takes_hashes_out_of_markers_and_leaves_what_stands_between_them() -> None:
    begin = f"<!-- hub-publisher:begin a sha256={HELLO} -->\n"
    for page in (f"{BEGIN}hello\n{END}", f"{BEGIN}\n\nhello  \n\t\n{END}", f"{BEGIN}{END}"):
        assert seal(page) == seal(page.replace(BEGIN, begin)) == page


@pytest.mark.parametrize("content", ["hello", "hello \t\n", "\n \nhello\n\n", "hello\r\n", "\r\nhello\r"])
def test_editors_may_trim_and_convert_line_ends(content: str) -> None:
    (region,) = split(f"{BEGIN}{content}\n{END}")
    assert isinstance(region, Region)
    assert region.hash == HELLO


@pytest.mark.parametrize("content", ["", "Hello", " hello", "hel\nlo", "hello\u2060", "hello\xa0"])
def test_any_other_change_is_noticed(content: str) -> None:
    (region,) = split(f"{BEGIN}{content}\n{END}")
    assert isinstance(region, Region)
    assert region.hash != HELLO


@pytest.mark.parametrize("stated", [f" sha256={HELLO}", " sha256="])
def test_a_hash_in_a_marker_is_read_past(stated: str) -> None:
    assert split(f"<!-- hub-publisher:begin a{stated} -->\nhello\n{END}") == (Region("a", "hello\n"),)


B_BEGIN, B_END = BEGIN.replace(" a ", " b "), END.replace(" a ", " b ")


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", ()),
        ("\n\none\n", (Foreign("one"),)),
        (f"one\n{BEGIN}two\n{END}three", (Foreign("one"), Region("a", "two\n"), Foreign("three"))),
        (f"{BEGIN}one\n", (Stray("a", BEGIN), Foreign("one"))),
        (f"one\n{END}", (Foreign("one"), Stray("a", END))),
        (f"{BEGIN}{B_BEGIN}one\n{B_END}{END}", (Stray("a", BEGIN), Region("b", "one\n"), Stray("a", END))),
        (f"{BEGIN}one\n{B_END}", (Stray("a", BEGIN), Foreign("one"), Stray("b", B_END))),
        (f"{BEGIN}one\n{BEGIN}two\n{END}", (Stray("a", BEGIN), Foreign("one"), Region("a", "two\n"))),
        (f"{BEGIN}one\n{END}{BEGIN}two\n{END}", (Region("a", "one\n"), Region("a", "two\n"))),
        (f"{BEGIN}one\n{END.strip()}", (Region("a", "one\n"),)),
        (f"  {BEGIN}one\n   {END}", (Region("a", "one\n"),)),
        (f"    {BEGIN}", (Foreign(f"    {BEGIN}".strip("\n")),)),
        (f"x {BEGIN}", (Foreign(f"x {BEGIN}".strip("\n")),)),
        (BEGIN.replace("a", "A"), (Foreign(BEGIN.replace("a", "A").strip("\n")),)),
        ("<!-- hub-publisher:begin a --> x\n", (Foreign("<!-- hub-publisher:begin a --> x"),)),
        (f"{BEGIN}one\r\n{END}\r".replace("\n", "\r\n"), (Region("a", "one\n\n"),)),
    ],
)
def test_every_text_has_parts(body: str, parts: tuple) -> None:
    assert split(body) == parts


@given(page=pages)
@settings(max_examples=200, deadline=None)
def test_no_text_is_lost_in_taking_a_page_apart(page: str) -> None:
    parts = split(page)
    told = "\n".join(part.content if isinstance(part, Region) else part.text for part in parts)
    left = told.split("\n")
    for line in unix(page).split("\n"):
        if line.strip() and not has_markers(line):
            assert line in left
            left.remove(line)
    assert all(not line.strip() or has_markers(line) for line in left)
    assert has_markers(page) == any(not isinstance(part, Foreign) for part in parts)


@given(page=pages)
@settings(max_examples=200, deadline=None)
def test_a_sealed_page_is_all_ours_and_stays_so(page: str) -> None:
    try:
        sealed = seal(page)
    except CardError:
        names = [part.name for part in split(page) if not isinstance(part, Foreign)]
        assert any(isinstance(part, Stray) for part in split(page)) or len(names) > len(set(names))
        return
    parts = split(sealed)
    assert all(isinstance(part, Region) for part in parts)
    assert join(parts) == sealed == seal(sealed)
    assert [line for line in sealed.split("\n") if line.strip() and not has_markers(line)] == [
        line for line in unix(page).split("\n") if line.strip() and not has_markers(line)
    ]


def test_a_template_without_regions_makes_a_page_of_one() -> None:
    (region,) = split(seal("hello\n"))
    assert region == Region("text-1", "hello\n")


def test_text_of_a_template_between_its_regions_becomes_one() -> None:
    page = f"hello\n\n{BEGIN}one\n{END}\n\nhello\n\n{BEGIN.replace(' a ', ' text-1 ')}{END.replace(' a ', ' text-1 ')}"
    assert [part.name for part in split(seal(page))] == ["text-2", "a", "text-3", "text-1"]
    assert "\n\n\n" not in seal(page)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (f"{BEGIN}one\n", "has a marker without its partner, or another region within"),
        (f"{BEGIN}{END}{BEGIN}{END}", "comes more than once"),
    ],
)
def test_a_template_with_broken_regions_is_refused(body: str, fault: str) -> None:
    with pytest.raises(CardError) as caught:
        seal(body)
    assert caught.value.message == f"The card's region a {fault}."
    assert caught.value.remedy == (
        "Let the template hold <!-- hub-publisher:begin a --> and <!-- hub-publisher:end a --> once each, "
        "one below the other."
    )


@given(text=pages)
@settings(max_examples=200, deadline=None)
def test_no_text_of_a_stranger_becomes_a_marker(text: str) -> None:
    for made in (
        escape.inline(text),
        escape.cell(text),
        escape.code(text),
        escape.html(text),
        escape.link(text, f"https://kept.example/{text}"),
        escape.fence(text),
        escape.fence(escape.python(text), "python"),
    ):
        assert not has_markers(f"\n{made}\n")


def test_a_fence_shows_a_marker_and_is_none() -> None:
    assert has_markers(BEGIN)
    assert escape.fence(BEGIN) == "```\n<\u2060!-- hub-publisher:begin a -->\n```"
    assert escape.fence("<!-- other -->") == "```\n<!-- other -->\n```"
