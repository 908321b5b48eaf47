"""Files of posts in every format, encoding and date style that tools write."""

import json
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.sources import fetch, state
from hub_publisher.sources.rows import TextFile
from tests.helpers import SHARED

TIMELINES = SHARED / "timelines"
needs_data = pytest.mark.skipif(not TIMELINES.is_dir(), reason="the shared test data is not here")
API_V2 = TIMELINES.parent / "x_api_v2"


def timeline_of(tmp_path, name, content, **more):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    return fetch(Config(handle="wick", from_path=path, runs_dir=tmp_path / "runs", **more))


def texts_of(tmp_path, name, content, **more):
    return [post.text for post in timeline_of(tmp_path, name, content, **more).posts]


def error_of(tmp_path, name, content, **more):
    with pytest.raises(SourceError) as error:
        timeline_of(tmp_path, name, content, **more)
    return error.value


@needs_data
@pytest.mark.parametrize(
    ("name", "num_posts", "num_reposts"),
    [
        ("nasa_2017-2018.api_full_text.csv", 3245, 873),
        ("pontifex_2017.api_140.csv", 1167, 0),
        ("realdonaldtrump_condensed_2017.json", 2605, 310),
        ("realdonaldtrump_condensed_2018.json", 649, 62),
        ("realdonaldtrump_538_ccby.mixed_encoding.csv", 3232, 354),
    ],
)
def test_the_golden_numbers(tmp_path, name, num_posts, num_reposts):
    timeline = fetch(Config(handle="wick", from_path=TIMELINES / name, runs_dir=tmp_path))
    assert (len(timeline.posts), sum(post.is_repost for post in timeline.posts)) == (num_posts, num_reposts)
    assert all(post.created_at and post.text for post in timeline.posts)
    assert timeline.escapes_html is (name != "pontifex_2017.api_140.csv")


@needs_data
def test_the_mangled_timeline_is_read_and_said_to_be_mangled(tmp_path):
    name = "realdonaldtrump_538_ccby.mixed_encoding.csv"
    timeline = fetch(Config(handle="wick", from_path=TIMELINES / name, runs_dir=tmp_path))
    assert timeline.notes == (
        f"Bytes of {name} that are not UTF-8 and were read as Windows-1252: 2160, "
        "of which 85 mean nothing there and were replaced.",
        "Posts that hold characters which could not be decoded: 57.",
    )
    assert timeline.posts[0].created_at == datetime(2017, 10, 23, 12, 30, tzinfo=UTC)


@needs_data
@pytest.mark.parametrize(
    ("name", "is_repost", "is_reply"),
    [
        ("regular-test.json", False, False),
        ("cut-off-tweet.json", True, False),
        ("other-retweet.json", True, False),
        ("self-retweet.json", True, False),
        ("twitter-choking.json", True, False),  # quoted and reposted at once
        ("replied-tweet.json", False, True),
    ],
)
def test_answers_of_the_api(tmp_path, name, is_repost, is_reply):
    (post,) = fetch(Config(handle="wick", from_path=API_V2 / name, runs_dir=tmp_path)).posts
    assert (post.is_repost, post.is_reply) == (is_repost, is_reply)


@needs_data
def test_cut_posts_of_the_older_api_are_marked(tmp_path):
    timeline = fetch(Config(handle="wick", from_path=API_V2 / "lookup-timeline.json", runs_dir=tmp_path))
    assert [post.is_truncated for post in timeline.posts].count(True) == 2


# Formats


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,Text\n1,"One, two"\n2,"Three\nfour"\n'),
        ("a.csv", '\ufeffid;text\r\n1;One, two\r\n2;"Three\nfour"\r\n'),
        ("a.csv", '"likes, shares, views";text\n1;One, two\n2;"Three\nfour"\n'),
        ("a.tsv", 'id\ttext\n1\tOne, two\n2\t"Three\nfour"\n'),
        ("a.csv", ' TEXT \n"One, two"\n"Three\nfour"\n'),
        ("a.json", '[{"text": "One, two"}, {"text": "Three\\nfour"}]'),
        ("a.json", '["One, two", "Three\\nfour"]'),
        ("a.json", '{"data": [{"full_text": "One, two", "text": "One"}, {"full_text": "Three\\nfour"}]}'),
        ("a.json", '{"text": "One, two"}\n{"text": "Three\\nfour"}'),
        ("a.jsonl", '{"content": "One, two"}\n\n{"content": "Three\\nfour"}\n'),
        ("a.ndjson", '{"data": [{"body": "One, two"}]}\n{"data": [{"body": "Three\\nfour"}]}\n'),
        ("a.jsonl", '[{"text": "One, two"}]\n[{"text": "Three\\nfour"}]\n'),
        ("a.jsonl", '{"tweet": {"full_text": "One, two"}}\n{"tweet": {"full_text": "Three\\nfour"}}\n'),
        ("a.txt", "One, two\n---\nThree\nfour\n---\n"),
        ("a.txt", "<|startoftext|>One, two<|endoftext|>\n<|startoftext|>Three\nfour<|endoftext|>"),
    ],
)
def test_formats(tmp_path, name, content):
    assert texts_of(tmp_path, name, content) == ["One, two", "Three\nfour"]


def test_plain_text_is_one_post_a_line(tmp_path):
    assert texts_of(tmp_path, "a.txt", "One\r\n\n  Two -- three\nFour") == ["One", "Two -- three", "Four"]


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    moment = datetime(2024, 1, 2, 3, 4, 5)
    columns = {"tweet": ["One", None], "created_at": [moment, moment], "isRetweet": [True, False], "junk": [b"x", b"y"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    posts = fetch(Config(handle="wick", from_path=path, runs_dir=tmp_path / "runs")).posts
    assert [(post.text, post.is_repost, post.created_at) for post in posts] == [
        ("One", True, moment.replace(tzinfo=UTC)),
        ("", False, moment.replace(tzinfo=UTC)),
    ]


def test_a_field_longer_than_csv_allows_by_itself(tmp_path):
    assert texts_of(tmp_path, "a.csv", f"text\n{'long ' * 60_000}\n") == ["long " * 60_000]


def test_what_a_row_says(tmp_path):
    rows = [
        {"text": "RT @gull: hi", "id": 7},
        {"text": "Mine", "retweeted_status": {"text": "Mine"}, "lang": "de"},
        {"text": "Cut…", "extended_tweet": {"full_text": "Cut no more"}, "truncated": True},
        {"text": "Really cut", "truncated": True},
        {"text": "See t.co/a", "entities": {"urls": [{"url": "t.co/a"}, {"url": "t.co/gone"}]}},
        {"text": "@gull hi", "in_reply_to_screen_name": "gull"},
        {"text": "To myself", "in_reply_to_screen_name": "Wick"},
        {"text": "@gull and to myself", "in_reply_to_screen_name": "Wick"},
        {"text": "@gull is a bird", "in_reply_to_screen_name": None},
    ]
    posts = timeline_of(tmp_path, "a.json", json.dumps(rows)).posts
    assert [post.is_repost for post in posts] == [True, True, *[False] * 7]
    assert [post.id for post in posts[:2]] == ["7", "2"]
    assert posts[1].language == "de"
    assert [(post.text, post.is_truncated) for post in posts[2:4]] == [("Cut no more", False), ("Really cut", True)]
    assert posts[4].links == ("t.co/a",)
    assert [post.is_reply for post in posts[5:]] == [True, False, True, False]


def test_who_is_answered(tmp_path):
    rows = [
        {"text": "Yes", "referenced_tweets": [{"type": "quoted"}, {"type": "replied_to"}]},
        {"text": "Yes", "referenced_tweets": [{"type": "quoted"}]},
        {"text": "Part two", "author_id": "7", "in_reply_to_user_id": "7"},
        {"text": "Part two", "user": {"id_str": "7"}, "in_reply_to_user_id": 7},
        {"text": "Yes", "author_id": "7", "in_reply_to_user_id": "8"},
        {"text": "Nobody", "in_reply_to_user_id": "nan"},
    ]
    posts = timeline_of(tmp_path, "a.json", json.dumps(rows)).posts
    assert [post.is_reply for post in posts] == [True, False, False, False, True, False]


def test_where_replies_are_not_told_an_opening_name_tells_them(tmp_path):
    posts = timeline_of(tmp_path, "a.csv", "text\n@gull hi\n.@gull is a bird\n").posts
    assert [post.is_reply for post in posts] == [True, False]


@pytest.mark.parametrize("flag", ["false", "f", "0", "", "None", "nan", "{}"])
def test_flags_that_say_no(tmp_path, flag):
    (post,) = timeline_of(tmp_path, "a.csv", f"text,is_retweet\nHi,{flag}\n").posts
    assert not post.is_repost


@pytest.mark.parametrize("flag", ["true", "T", "1", "yes", "1234567"])
def test_flags_that_say_yes(tmp_path, flag):
    (post,) = timeline_of(tmp_path, "a.csv", f"text,isRetweet\nHi,{flag}\n").posts
    assert post.is_repost


def test_texts_written_as_bytes_are_decoded_and_counted(tmp_path):
    timeline = timeline_of(tmp_path, "a.csv", "text\n\"b'fog \\xf0\\x9f\\x8c\\xab lifts'\"\nb'not closed\n")
    assert [post.text for post in timeline.posts] == ["fog 🌫 lifts", "b'not closed"]
    assert timeline.notes == ("Texts that were written as Python bytes (b'...') and had to be decoded: 1.",)


def test_missing_texts_and_fields_without_a_column(tmp_path):
    assert texts_of(tmp_path, "a.csv", "id,text\n1,One,more\n2\n") == ["One", ""]
    assert texts_of(tmp_path, "a.json", '[{"text": NaN}, {"text": null}, {"text": 7}]') == ["", "", "7"]


def test_a_named_column_wins(tmp_path):
    content = "text,Notes\nheadline,my words\n"
    assert texts_of(tmp_path, "a.csv", content, text_column="notes") == ["my words"]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path, encoding):
    for name, content in (("a.csv", "text\nfog 🌫 über\n"), ("a.json", '["fog 🌫 über"]'), ("a.txt", "fog 🌫 über")):
        timeline = timeline_of(tmp_path, name, content.encode(encoding))
        assert [post.text for post in timeline.posts] == ["fog 🌫 über"]
        assert timeline.notes == ()


def test_bytes_that_are_not_utf8_are_judged_one_by_one(tmp_path):
    content = "text\nfog 🌫 ".encode() + b"\xfcber \x93quoted\x94 \x81\n"
    timeline = timeline_of(tmp_path, "a.csv", content)
    assert [post.text for post in timeline.posts] == ["fog 🌫 über “quoted” \ufffd"]
    assert timeline.notes[0] == (
        "Bytes of a.csv that are not UTF-8 and were read as Windows-1252: 4, "
        "of which 1 mean nothing there and were replaced."
    )


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_read_by_line_and_by_block(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes", numbered=True) / "a.txt"
    path.write_bytes(content)
    file = TextFile(path)
    by_line = "".join(file.lines())
    by_line.encode()
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert by_line == "".join(file.blocks())


# What cannot be read


def test_a_csv_without_text_lists_its_columns(tmp_path):
    error = error_of(tmp_path, "a.csv", "id,likes\n1,2\n")
    assert error.message == "a.csv has no column that is known to hold texts. Its columns: id, likes."
    path = tmp_path / "a.csv"
    assert error.remedy == (
        f"Name the one that holds the text: hub-publisher publish wick --from-path {path} --text-column NAME"
    )
    error = error_of(tmp_path, "a.csv", "id,text\n1,2\n", text_column="body")
    assert error.message == "a.csv has no column 'body'. Its columns: id, text."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty."),
        ("a.csv", "text\n", "a.csv holds no posts."),
        ("a.txt", "\n\n", "a.txt holds no posts."),
        ("a.json", "[]", "a.json holds no posts."),
        ("a.json", '[{"text": "cut', "a.json ends in the middle."),
        ("a.json", '[{"text": "whole"},', "a.json ends in the middle."),
        ("a.json", '[{"text": nothing}]', "Line 1 of a.json is not JSON: Expecting value."),
        ("a.json", "1" * 5000, "a.json holds a value that no export writes."),
        ("a.jsonl", '{"text": "One"}\n{"text" 2}\n{}', "Line 2 of a.jsonl is not JSON: Expecting ':' delimiter."),
        ("a.jsonl", '{"text": "One"}\n{"text"\n', "a.jsonl ends in the middle."),
        ("a.parquet", "PAR1 not really", "a.parquet is no Parquet file, or a damaged one."),
        ("a.xlsx", "x", "a.xlsx is of no kind that can be read."),
        ("tweets.js", "x", "tweets.js looks like an X archive."),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, message):
    error = error_of(tmp_path, name, content)
    assert error.message == message
    assert error.remedy


def test_a_missing_file_and_a_folder(tmp_path):
    for path, message in (
        (tmp_path / "no.csv", f"There is no {tmp_path}/no.csv."),
        (tmp_path, f"{tmp_path} is a folder."),
    ):
        with pytest.raises(SourceError) as error:
            state(Config(handle="wick", from_path=path))
        assert error.value.message == message


def parquet(tmp_path, **columns):
    path = tmp_path / "posts.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_the_nanoseconds_of_pandas_are_a_date(tmp_path):
    moment = datetime(2023, 8, 12, 16, 10, tzinfo=UTC)
    dates = pyarrow.array([int(moment.timestamp()) * 10**9 + 1], pyarrow.timestamp("ns", "UTC"))
    path = parquet(tmp_path, text=pyarrow.array(["The lamp is lit"]), created_at=dates)
    (post,) = fetch(Config(handle="wick", from_path=path, runs_dir=tmp_path / "runs")).posts
    assert post.created_at == moment


@pytest.mark.parametrize(
    "column",
    [
        {"created_at": pyarrow.array([2**62], pyarrow.timestamp("us"))},
        {"created_at": pyarrow.array([1], pyarrow.duration("ns"))},
        {"content": pyarrow.array([b"\xff\xfe"]).view(pyarrow.string())},
    ],
    ids=["beyond the year 9999", "a duration", "no UTF-8"],
)
def test_a_parquet_value_that_python_lacks_is_one_error(tmp_path, column):
    path = parquet(tmp_path, text=pyarrow.array([None if "content" in column else "The lamp is lit"]), **column)
    with pytest.raises(SourceError, match=r"posts\.parquet holds a value that cannot be read: ") as error:
        fetch(Config(handle="wick", from_path=path, runs_dir=tmp_path / "runs"))
    assert error.value.remedy == "Export it again, with texts in UTF-8 and dates as ISO 8601."
