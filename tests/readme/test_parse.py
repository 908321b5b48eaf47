"""The front matter that anybody may have written, read as the Hub reads it."""

import pytest

from hub_publisher.errors import CardError
from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.parse import SIZE_LIMIT, NotYaml, Page, load, read_page
from tests.helpers.merge import METADATA, NEW, PUBLISHED, settled


# As js-yaml 5.5.0 and yaml 2.9.1 read them.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08", 8), ("017", 17), ("0o17", 15), ("0x1F", 31), ("+5", 5), ("1e3", 1000.0), ("1e+3", 1000.0), ("+.5", 0.5),
        ("1.", 1.0), ("no", "no"), ("tRue", "tRue"), ("True", True), ("1_000", "1_000"), ("0b11", "0b11"),
        ("0X1F", "0X1F"), ("-0x1f", "-0x1f"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("<<", "<<"),
        ("~", None), ("NULL", None), ("", None), (".inf", float("inf")), ("-.INF", -float("inf")),
        ("a\x85b", "a\x85b"), ("a\u2028b", "a\u2028b"), ('"a\u2029 b"', "a\u2029 b"), ("!!str 1", "1"),
        ("|\n  a\n  b\n", "a\nb\n"), ("{a: [1, {b: c}]}", {"a": [1, {"b": "c"}]}),
        # js-yaml takes these for text, yaml for Infinity.
        ("1e400", "1e400"), ("9" * 5000, "9" * 5000),
        # Half of a character, which UTF-8 cannot hold.
        ('"\\ud800"', "\ufffd"),
    ],
)  # fmt: skip
def test_values_are_what_javascript_reads(text: str, value: object) -> None:
    found, _ = load(f"k: {text}")
    assert repr(found) == repr({"k": value})


def test_keys_are_text() -> None:
    assert load("1: a\ntrue: b\n08: c") == ({"1": "a", "true": "b", "08": "c"}, ())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a: 1\nb: 2\n"a": 3', "the key a comes twice, line 12"),
        ('"\\x1b[2Ja": 1\n"\\x1b[2Ja": 2', "the key [2Ja comes twice, line 11"),
        ("? [a]\n: b", "a key must be a word, line 10"),
        ("a: &x [1]\nb: *x", "aliases (*) are not read, line 11"),
        ("a: !!int x", "the tag int is not read here, line 10"),
        ("a: !!python/name:os.system x", "the tag python/name:os.system is not read here, line 10"),
        ("a: !!timestamp 2024-01-01", "the tag timestamp is not read here, line 10"),
        ("a: 1\n--- b", "but found another document, line 11"),
        ("a: \x00", "the character U+0000 has no place in YAML, line 10"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(NotYaml) as caught:
        load("\n" * 9 + text)
    assert str(caught.value) == fault


def test_comments_are_found_wherever_they_stand() -> None:
    text = "# one\na: x # two\nb: 'c # no' #three\nd: |  # four\n  # no\ne: [1, # five\n  2]\n"
    assert load(text)[1] == ("# one", "# two", "#three", "# five")


def test_front_matter_and_body_of_a_page() -> None:
    assert read_page("\ufeff---\r\na: no\r\n---  \r\n\r\n# b\r\n") == Page({"a": "no"}, "\n# b\n")
    assert read_page("# b\n") == Page({}, "# b\n")
    assert read_page("---\n\n---\n# b") == Page({}, "# b")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("b: c", "mapping values are not allowed here, line 2"),
        ("[unclosed", "expected ',' or ']', but got '<stream end>', line 2"),
        ("y" * SIZE_LIMIT, "it is larger than 256 KiB"),
        ("[" * 500, "it is nested 40 deep, line 2"),
    ],
)
def test_a_front_matter_that_the_hub_cannot_read_is_named_and_nothing_is_merged(value: str, fault: str) -> None:
    text = f"---\nx: {value}\n---\n\n# Mine\n"
    for reading in (lambda: read_page(text), lambda: merge(text.encode(), NEW, *PUBLISHED)):
        with pytest.raises(CardError) as caught:
            reading()
        assert caught.value.message == f"The front matter of README.md cannot be read: {fault}."
        assert caught.value.remedy == "Correct it in README.md, or take that file away and publish again."


@pytest.mark.parametrize("text", ["---\n\n# Title\n\n---\nmore\n", "---\n- a\n---\n", "---\nfoo\n---\n\nbar"])
def test_what_is_no_front_matter_is_text(text: str) -> None:
    merged = merge(text.encode(), NEW)
    assert merged.content.decode() == f"{NEW}\n{text.rstrip()}\n"
    assert merged.repairs == ()
    settled(merged)


@pytest.mark.parametrize("text", ["---\n\n---\n", "\n---\n\n\n---"])
def test_an_empty_front_matter_is_none(text: str) -> None:
    assert merge(text.encode(), NEW) == Merged(NEW.encode())


def test_comments_that_are_lost_are_said() -> None:
    merged = merge(b"---\nz: 1 # mine\n# all mine\n---\n", NEW)
    assert merged.repairs == ("comments in the front matter were dropped: # mine # all mine",)
    assert read_page(merged.content.decode()).metadata == METADATA | {"z": 1}
    settled(merged)
