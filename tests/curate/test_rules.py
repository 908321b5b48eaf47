"""The rules one by one: why a post is dropped, what counts as a word, and that the counts add up for any posts."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.curate.rules import REASONS, sieve
from hub_publisher.curate.split import by_time
from hub_publisher.records import Post
from hub_publisher.text.words import is_too_short, words

START = datetime(2024, 1, 1, tzinfo=UTC)


def post(number, text, **more):
    return Post(id=str(1000 + number), text=text, created_at=START + timedelta(hours=number), **more)


def dropped(*posts, escapes_html=False):
    """The reasons with a count, and the kept texts, of an account that is called wick."""
    result = sieve(posts, escapes_html, "wick")
    assert tuple(result.dropped) == REASONS
    return {reason: count for reason, count in result.dropped.items() if count}, [text for _, text in result.kept]


# Each reason


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("RT @gull: fog is coming in", {}, "reposts"),
        ("Fog is coming in", {"is_repost": True}, "reposts"),
        ("", {}, "without_text"),
        (" \n", {}, "without_text"),
        ('"@gull: fog is coming in" so true', {}, "quotes_of_others"),
        ("“@gull fog is coming in”", {}, "quotes_of_others"),
        ("MT @gull: fog is coming in", {}, "quotes_of_others"),
        ("rt @gull fog is coming in", {}, "quotes_of_others"),
        ("👇 RT @gull: fog is coming in", {}, "quotes_of_others"),
        ("So true RT @gull: fog is coming in", {}, "quotes_of_others"),
        ("So true! “@gull: fog is coming in”", {}, "quotes_of_others"),
        ('So very true. "@gull: fog is coming in"', {}, "quotes_of_others"),
        ('"@wick_bot gets a lamp of its own"', {}, "quotes_of_others"),
        ("https://t.co/abc RT @gull: fog is coming in", {}, "quotes_of_others"),
        ('"https://t.co/abc @gull: fog is coming in"', {}, "quotes_of_others"),
        ("Fog is coming in and", {"is_truncated": True}, "cut_off"),
        ("Good morning. Fog is coming in and… https://t.co/abc", {"is_truncated": True}, "cut_off"),
        ("I spoke with Dr. Gull of the U.S. Navy and… https://t.co/abc", {"is_truncated": True}, "cut_off"),
        ("The lamp now costs 4.… https://t.co/abc", {"is_truncated": True}, "cut_off"),
        ("https://t.co/abc https://t.co/def", {}, "only_links"),
        ("@gull @tern https://t.co/abc", {}, "only_links"),
        ("(https://t.co/abc) …", {}, "only_links"),
        ("Good morning", {}, "too_short"),
        ("Good morning https://t.co/abc", {}, "too_short"),
        ("@gull Good morning", {"is_reply": True}, "too_short"),
        ("🌫🌫🌫", {}, "too_short"),
    ],
)
def test_reasons(text, more, reason):
    assert dropped(post(1, text, **more)) == ({reason: 1}, [])


@pytest.mark.parametrize(
    "text",
    [
        "Fog is coming in",
        "Please RT @gull's message now",
        '"Fog is coming in" says @gull',
        '"@wick gets a lamp of its own"',
        "My words stand: “@Wick: fog is coming in”",
        "@gull says fog is coming",
        "START @gull is here now",
        "霧が出てきましたよ、今夜は",
        "หมอกลงแล้วคืนนี้",
    ],
)
def test_what_is_kept_as_it_is(text):
    assert dropped(post(1, text)) == ({}, [text])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("We need to light the lamp at night.… https://t.co/abc", "We need to light the lamp at night."),
        ("It was foggy today. #DDay… https://t.co/abc", "It was foggy today."),
        ("The fog is here! It came with the U.S. Navy and… https://t.co/abc", "The fog is here!"),
        ("It is Gulls Day.\n#gulls… https://t.co/abc", "It is Gulls Day."),
        ("The lamp is lit!🌫🌫 More… https://t.co/abc", "The lamp is lit!🌫🌫"),
        ("The lamp is lit. https://t.co/abc… https://t.co/d", "The lamp is lit."),
        ("The lamp is lit... and then it… https://t.co/abc We", None),
        ("I met them at 4:00 p.m. They said that th… https://t.co/abc", None),
        ("霧が出てきましたよ、今夜は。明日も… https://t.co/abc", "霧が出てきましたよ、今夜は。"),
    ],
)
def test_a_cut_post_is_kept_up_to_its_last_whole_sentence(text, whole):
    result = sieve([post(1, text, is_truncated=True)], False)
    assert [kept for _, kept in result.kept] == [whole] * bool(whole)
    assert (result.num_cut_back, result.dropped["cut_off"]) == ((1, 0) if whole else (0, 1))


def test_the_first_of_equal_and_of_similar_posts_is_kept():
    fog = "The fog came in at noon today and the lamp has been lit ever since"
    posts = [
        post(1, fog),
        post(2, fog.upper() + "!! https://t.co/abc"),
        post(3, fog.replace("noon", "ten")),
        post(4, "The ferry was late and the keeper had cold tea for breakfast again"),
    ]
    assert dropped(*posts) == ({"exact_duplicates": 1, "near_duplicates": 1}, [fog, posts[3].text])


def test_masks_are_counted_in_kept_posts_only():
    text = "Write a@b.org or 212-555-0123 <|endoftext|> now"
    result = sieve([post(1, text), post(2, text), post(3, "a@b.org")], False)
    assert len(result.kept) == 1
    assert result.masked == {"emails": 1, "phone_numbers": 1, "special_tokens": 1}


# Words


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("one two", True),
        ("one two three", False),
        ("#one #two #three", True),
        ("1 2 3", True),
        ("@a @b @c", True),
        ("[e-mail] or [phone]", True),
        ("C# is 3D fun", False),
        ("don't well-known", True),
        ("नमस्ते दुनिया", True),
        ("नमस्ते सुंदर दुनिया", False),
        ("今日は霧", True),
        ("今日は霧が深いです。", True),
        ("今日は霧が深いですね。", False),
        ("#今日は霧が深いですね", True),
        ("วันนี้หมอก", True),
        ("วันนี้หมอกลงจัดมาก", False),
        ("ថ្ងៃនេះមានអ័ព្ទក្រាស់", False),
        ("ມື້ນີ້ມີໝອກໜາຫຼາຍ", False),
        ("ဒီနေ့မြူတွေထူတယ်နော် မီးပြတိုက်", False),
        ("오늘은 안개가 짙네요", False),
    ],
)
def test_what_is_too_short(text, short):
    assert is_too_short(text) is short


def test_words_keep_their_marks():
    assert words("Hello, WORLD—again!") == ["hello", "world", "again"]
    assert words("กินข้าว กัน") != words("กนขาว กน")
    assert words("STRASSE Straße") == ["strasse", "strasse"]


# Any posts


WORDS = st.sampled_from(
    [
        "fog",
        "lamp",
        "RT @bob:",
        "@bob",
        "https://t.co/a",
        '"',
        "MT",
        "<|endoftext|>",
        "a@b.org",
        "霧",
        "#tag",
        "…",
        "&amp;",
    ]
)
ANY_POSTS = st.lists(
    st.builds(
        Post,
        id=st.integers(0, 10**6).map(str),
        text=st.lists(WORDS | st.text(max_size=6), max_size=9).map(" ".join),
        created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        is_repost=st.booleans(),
        is_reply=st.booleans(),
        is_truncated=st.booleans(),
    ),
    max_size=15,
)


@settings(deadline=None)
@given(ANY_POSTS, st.booleans())
def test_the_rows_add_up_and_the_kept_are_fit_to_train_on(posts, escapes_html):
    ordered = by_time(posts)
    result = sieve(ordered, escapes_html)
    assert len(posts) == len(result.kept) + sum(result.dropped.values())
    assert min(result.dropped.values()) >= 0
    texts = [text for _, text in result.kept]
    assert [one for one, _ in result.kept] == [one for one in ordered if any(one is kept for kept, _ in result.kept)]
    assert len({" ".join(words(text)) for text in texts}) == len(texts)
    for text in texts:
        assert not re.search(r"https?://|<\|endoftext\|>|a@b\.org", text)
        assert not re.match(r"(?i)[rm]t @", text)
        assert not is_too_short(text)
