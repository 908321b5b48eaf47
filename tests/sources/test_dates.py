"""Dates in every style, escaping sources, cut texts, and JSON in pieces."""

import json
from datetime import UTC, date, datetime
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.sources import fetch, json_stream
from hub_publisher.sources.dates import is_day_first, parse_date
from hub_publisher.sources.json_stream import JsonStream
from hub_publisher.sources.reading import escapes_html, looks_cut


def timeline_of(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    return fetch(Config(handle="wick", from_path=tmp_path / name, runs_dir=tmp_path / "runs"))


@pytest.mark.parametrize(
    "written",
    [
        "Mon Oct 23 12:30:00 +0000 2017",
        "Mon Oct 23 14:30:00 +0200 2017",
        "2017-10-23T12:30:00Z",
        "2017-10-23T12:30:00.000Z",
        "2017-10-23 12:30:00 +0000",
        "2017-10-23 12:30:00 UTC",
        "2017-10-23 12:30",
        "10/23/17 12:30",
        "10/23/2017 12:30:00",
        "10/23/2017 12:30 PM",
        "10-23-2017 12:30:00",
        "23.10.2017 12:30",
        "23/10/2017, 12:30",
        "2017/10/23 12:30",
        "Oct 23, 2017 12:30:00 PM",
        "October 23, 2017 at 12:30PM",
        "23 Oct 2017 12:30",
        "Mon, 23 Oct 2017 12:30:00 +0000",
        "Mon, 23 Oct 2017 12:30:00 GMT",
        "October 23, 2017 12:30",
        "1508761800",
        "1508761800000",
        1508761800,
        1508761800.0,
        datetime(2017, 10, 23, 12, 30),
    ],
)
def test_dates(written):
    assert parse_date(written) == datetime(2017, 10, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    ["2017-08-01", "2017/8/1", "2017-8-1", "8/1/2017", "1.8.17", "Aug 1, 2017", "August 1, 2017", "1 Aug 2017",
     "1 August 2017", date(2017, 8, 1)],
)  # fmt: skip
def test_days(written):
    assert parse_date(written) == datetime(2017, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "hour"),
    [("8/1/17 12:05 AM", 0), ("8/1/17 9:05", 9), ("8/1/17 9:05 pm", 21), ("2017-8-1 9:05", 9), ("2017/8/1 21:05", 21)],
)
def test_hours(written, hour):
    assert parse_date(written) == datetime(2017, 8, 1, hour, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "written", ["", "soon", "13/32/2017", "2017-13-01", "12", "9" * 14, None, True, float("nan"), []]
)
def test_what_is_no_date(written):
    assert parse_date(written) is None


def test_the_column_decides_whether_the_day_comes_first(tmp_path):
    posts = timeline_of(tmp_path, "a.csv", "text,date\na,05/10/2017\nb,23/10/2017\n").posts
    assert [post.created_at.date().isoformat() for post in posts] == ["2017-10-05", "2017-10-23"]
    assert not is_day_first(["05/10/2017", "10/23/2017"])
    assert not is_day_first(["23/10/2017", "10/23/2017"])


@settings(deadline=None)
@given(st.text() | st.integers() | st.floats() | st.datetimes())
def test_no_date_breaks_the_reader(value):
    moment = parse_date(value)
    assert moment is None or moment.tzinfo is not None


def test_dates_that_cannot_be_read_are_counted(tmp_path):
    timeline = timeline_of(tmp_path, "a.csv", "text,date\na,soon\nb,2017-10-23\nc,\n")
    assert timeline.notes == ("Dates that could not be read: 1.",)


@pytest.mark.parametrize(
    ("texts", "escaped"),
    [
        (["R&amp;D", "plain"], True),
        (["R&amp;D", "R & D", "Q&A"], False),
        (["R &amp; D", "a &lt; b", "cut &am…"], True),
        (["<3", "a > b"], False),
        (["plain"], False),
    ],
)
def test_whether_a_source_escapes(texts, escaped):
    assert escapes_html(texts) is escaped


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("w" * 116 + "… https://t.co/0123456789", True),
        ("Wait for it… https://t.co/0123456789", False),
        ("w" * 139 + "…", True),
        ("w" * 279 + "…", True),
        ("I wonder…", False),
        ("Look at this https://t.c…", True),
        ("w" * 200, False),
    ],
)
def test_what_looks_cut(text, cut):
    assert looks_cut(text) is cut


@settings(deadline=None)
@given(
    st.lists(st.recursive(st.text() | st.integers() | st.none() | st.floats(allow_nan=False), st.lists, max_leaves=5)),
    st.integers(1, 20),
    st.booleans(),
)
def test_json_in_blocks_of_any_size_gives_the_same_values(values, size, by_line):
    text = "\n".join(json.dumps([value]) for value in values) if by_line else json.dumps(values)
    blocks = [text[i : i + size] for i in range(0, len(text), size)]
    with patch.object(json_stream, "_MIN_FILL", 1):
        assert list(JsonStream(blocks, "a.json").values()) == values


def test_lines_are_counted_over_all_blocks():
    with patch.object(json_stream, "_MIN_FILL", 1), pytest.raises(SourceError, match=r"Line 3 of a\.json is not JSON"):
        list(JsonStream(["[1,\n", "2,\n", "{oops}]"], "a.json").values())


def test_what_is_no_json_is_told_before_the_rest_is_read():
    blocks = iter(["1\n{oops}" + " " * json_stream._MIN_FILL, "never read"])
    with pytest.raises(SourceError, match="Line 2 of"):
        list(JsonStream(blocks, "a.json").values())
    assert next(blocks) == "never read"
