"""A README.md of any encoding and any line ends is read; what was changed about it is said."""

import pytest

from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.parse import read_page
from tests.helpers.merge import NEW, OLD, PUBLISHED, settled


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
    assert merged.content.decode().endswith(f"{read_page(NEW).body}\ncafé … \n")
    assert merged.repairs == (repair,)
