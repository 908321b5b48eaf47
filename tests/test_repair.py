"""A README.md in any state: its front matter read as the Hub reads it, what is broken repaired and reported."""

import pytest
from merge_helpers import METADATA, NEW, OLD, PUBLISHED, card, region, settled

from hub_publisher.errors import CardError
from hub_publisher.readme.merge import Merged, front_matter_of, merge
from hub_publisher.readme.parse import SIZE_LIMIT, NotYaml, load
from hub_publisher.readme.repair import read


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
    found = load(f"k: {text}").value
    assert repr(found) == repr({"k": value})


def test_keys_are_text() -> None:
    assert load("1: a\ntrue: b\n08: c").value == {"1": "a", "true": "b", "08": "c"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a: 1\nb: 2\n"a": 3', "the key a comes twice, line 12"),
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
        load(text, 10)
    assert str(caught.value) == fault


def test_comments_are_found_wherever_they_stand() -> None:
    text = "# one\na: x # two\nb: 'c # no' #three\nd: |  # four\n  # no\ne: [1, # five\n  2]\n"
    assert load(text).comments == ("# one", "# two", "#three", "# five")


def test_front_matter_and_body_of_a_page() -> None:
    assert front_matter_of("\ufeff---\r\na: no\r\n---  \r\n\r\n# b\r\n") == ({"a": "no"}, "\n# b\n")
    assert front_matter_of("# b\n") == ({}, "# b\n")
    assert merge(None, f"\ufeff{NEW}") == Merged(NEW.encode())
    assert front_matter_of("---\n\n---\n# b") == ({}, "# b")
    for text, message in (
        ("\n---\na: b: c\n---\n", "cannot be read: mapping values are not allowed here, line 3."),
        ("---\n- a\n---\n", "holds no keys."),
    ):
        with pytest.raises(CardError) as caught:
            front_matter_of(text)
        assert caught.value.message == f"The front matter of README.md {message}"
        assert caught.value.remedy == "Correct it in README.md, or take that file away and publish again."


def alone(fault: str) -> str:
    return f"the front matter could not be read ({fault}), so each key was read alone"


@pytest.mark.parametrize(
    ("broken", "repairs"),
    [
        ("license: mit\nx: a: b\nz: 1\n",
         (alone("mapping values are not allowed here, line 3"),
          'line 3, "x: a: b", was corrected')),
        ("license: mit\nx: [a: b\nz: 1\n",
         (alone("expected ',' or ']', but got ':', line 4"),
          'line 3, "x: [a: b", was dropped')),
        ("license: mit\nz: 0\nz: 1\n",
         (alone("the key z comes twice, line 4"),
          'line 4, "z: 1", is the second z, and the one that was taken')),
        ("z: 1\nx: &a [1]\nw: *a\n",
         (alone("aliases (*) are not read, line 4"),
          'line 4, "w: *a", was dropped')),
        ("z: 1\nw: !!python/object/apply:os.getcwd []\n",
         (alone("the tag python/object/apply:os.getcwd is not read here, line 3"),
          'line 3, "w: !!python/object/apply:os.getcwd []", was dropped')),
        ("z:\t1\n",
         (alone("found character '\\t' that cannot start any token, line 2"),
          'line 2, "z: 1", was corrected')),
        ("z: 1\nx: \x07\n",
         (alone("the character U+0007 has no place in YAML, line 3"),
          'line 3, "x:", was corrected',
          "front matter: the key x was dropped: NoneType cannot stand in the front matter")),
        ("z: 1 # mine\n# all mine\n", ("comments in the front matter were dropped: # mine # all mine",)),
    ],
)  # fmt: skip
def test_a_broken_front_matter_is_repaired_and_the_repair_is_reported(broken: str, repairs: tuple[str, ...]) -> None:
    body = front_matter_of(OLD)[1]
    merged = merge(f"---\n{broken}---\n{body}".encode(), NEW)
    assert merged.repairs == repairs
    metadata, new_body = front_matter_of(merged.content.decode())
    assert {key: metadata[key] for key in METADATA} == METADATA
    assert (metadata.get("z", 1), new_body) == (1, front_matter_of(NEW)[1])
    settled(merged)


def test_a_key_that_could_not_be_read_was_not_removed_by_hand() -> None:
    merged = merge(OLD.replace('  - text: "no"', "  - text: [").encode(), NEW, *PUBLISHED)
    assert merged.conflicts == ()
    assert merged.repairs[1] == 'line 7, "widget: - text: "My dream is" - text: [", was dropped'
    assert merged.content.decode() == NEW


def test_a_line_of_three_dashes_that_is_missing_is_put_back() -> None:
    for old, place in ((OLD.replace("---\n\n", "\n"), "after"), (OLD.removeprefix("---\n"), "before")):
        merged = merge(f"{old}\nend\n\n---\n\nof all\n".encode(), NEW, *PUBLISHED)
        assert merged.conflicts == ()
        assert merged.repairs == (f"the front matter had no --- {place} it",)
        assert merged.content.decode() == f"{NEW}\nend\n\n---\n\nof all\n"
        settled(merged)


def test_a_front_matter_without_end_takes_no_text_with_it() -> None:
    broken = "---\nlicense: mit\nx: [\n"
    merged = merge(f"{broken}{front_matter_of(OLD)[1]}\nend\n\n---\n".encode(), NEW)
    assert merged.content.decode() == NEW.replace("---\n\n", f"---\n\n{broken}\n") + "\nend\n\n---\n"
    settled(merged)


def test_a_heading_that_looks_like_a_key_is_text() -> None:
    text = "Note: mine\n---\n# Title"
    assert merge(text.encode(), NEW).content.decode() == f"{NEW}\n{text}"


def test_comments_of_a_broken_front_matter_are_no_text() -> None:
    merged = merge(b"---\n# one\nlicense: mit\nx: [\n# two\n---\n", NEW)
    assert merged.content.decode() == NEW
    assert merged.repairs == (
        alone("expected the node content, but found '<stream end>', line 5"),
        "comments in the front matter were dropped: # one # two",
        'line 4, "x: [", was dropped',
    )


@pytest.mark.parametrize(
    "text", ["---\n\n# Title\n\n---\nmore\n", "---\n- a\n---\n", "---\nfoo\n---\n\nbar", "---\n: :\n---\n"]
)
def test_what_is_no_front_matter_is_text(text: str) -> None:
    merged = merge(text.encode(), NEW)
    assert merged.content.decode() == f"{NEW}\n{text}"
    assert [repair.split(" (")[0] for repair in merged.repairs] == [
        "what stood between --- lines at the top is no front matter"
    ]
    settled(merged)


def test_prose_within_a_front_matter_is_kept_as_text() -> None:
    merged = merge(f"---\nz: 1\nThis is mine\n  and this.\n---\n\n{region('use', 'old')}".encode(), NEW)
    assert merged.repairs[1:] == ('line 3, "This is mine and this.", is no metadata and is kept as text',)
    expected = card("new", metadata=METADATA | {"z": 1}).replace("---\n\n", "---\n\nThis is mine\n  and this.\n\n")
    assert merged.content.decode() == expected
    settled(merged)


@pytest.mark.parametrize("text", ["---\n---\n", "---\n\n---\n", "\n---\n---"])
def test_an_empty_front_matter_is_none(text: str) -> None:
    assert merge(text.encode(), NEW) == Merged(NEW.encode())


def test_crlf_stays_crlf() -> None:
    merged = merge(f"{OLD}\nend\n".replace("\n", "\r\n").encode(), NEW, *PUBLISHED)
    assert merged.content == f"{NEW}\nend\n".replace("\n", "\r\n").encode()
    assert merged.conflicts == merged.repairs == ()
    settled(merged)


def test_mixed_line_ends_become_those_of_most_lines() -> None:
    few, many = f"{OLD}\r\nend\r".encode(), f"{OLD}\r".replace("\n", "\r\n").encode()
    for remote, expected in ((few, f"{NEW}\nend\n"), (many, NEW.replace("\n", "\r\n"))):
        merged = merge(remote, NEW, *PUBLISHED)
        assert merged == Merged(
            expected.encode(), kept=merged.kept, repairs=("line ends of several kinds are one kind now",)
        )
        settled(merged)


def test_old_macintosh_line_ends_hide_no_front_matter() -> None:
    merged = merge(f"{OLD}\nend\n".replace("\n", "\r").encode(), NEW, *PUBLISHED)
    assert merged.content.decode() == f"{NEW}\nend\n"
    assert merged.conflicts == ()


def test_a_byte_order_mark_goes() -> None:
    merged = merge(f"\ufeff{OLD}".encode(), NEW, *PUBLISHED)
    assert merged == Merged(
        NEW.encode(), repairs=("a byte order mark at the start, which hides the front matter, was removed",)
    )


@pytest.mark.parametrize(
    ("content", "repair"),
    [
        (f"{OLD}\ncaf".encode() + b"\xe9 \x85 ", "bytes that are no UTF-8 (2) were read as Windows-1252"),
        (b"\xff\xfe\n" + f"{OLD}\ncafé … ".encode(), "bytes that are no UTF-8 (2) were read as Windows-1252"),
        (f"{OLD}\ncafé … ".encode("utf-16"), "the file was in UTF-16 and is in UTF-8 now"),
    ],
)
def test_a_file_of_another_encoding_is_read(content: bytes, repair: str) -> None:
    merged = merge(content, NEW, *PUBLISHED)
    assert merged.content.decode().endswith(f"{front_matter_of(NEW)[1]}\ncafé … ")
    assert merged.repairs == (repair,)


@pytest.mark.parametrize(
    ("value", "fault"),
    [("y" * SIZE_LIMIT, "it is larger than 256 KiB"), ("[" * 500, "it is nested 40 deep, line 2")],
)
def test_a_front_matter_of_endless_size_or_depth_is_not_read(value: str, fault: str) -> None:
    text = f"---\nx: {value}\n---\n"
    merged = merge(text.encode(), NEW)
    assert merged.repairs == (
        f"what stood between --- lines at the top is no front matter ({fault}) and is kept as text",
    )
    assert merged.content.decode() == f"{NEW}\n{text}"


def test_a_front_matter_of_nothing_but_a_broken_key_of_the_hub_is_a_broken_front_matter() -> None:
    found = read(b"---\nlicense: [unclosed\n---\n\n# X\n")
    assert (found.front_matter, found.is_whole, found.body) == ({}, False, "\n# X\n")
    assert found.repairs[-1] == 'line 2, "license: [unclosed", was dropped'
