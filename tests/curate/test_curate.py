"""Curation as a whole: the rows add up, what is kept is fit to train on, and the newest is held out."""

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher.config import Config
from hub_publisher.curate import curate
from hub_publisher.curate.rules import REASONS
from hub_publisher.curate.split import by_time, split
from hub_publisher.curate.statistics import summarise
from hub_publisher.errors import SourceError
from hub_publisher.records import KeptPost, Post, Timeline
from hub_publisher.sources import fetch
from hub_publisher.system.files import read_jsonl, sha256_of
from hub_publisher.text import languages
from tests.helpers import SHARED

DATA = SHARED
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not here")
START = datetime(2024, 1, 1, tzinfo=UTC)

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def post(number, text, **more):
    return Post(id=str(1000 + number), text=text, created_at=START + timedelta(hours=number), **more)


def different_posts(count):
    """Posts that share few words: their number spelled out, digit by digit."""
    return [
        post(n, " ".join(f"{NUMBERS[int(digit)]}{place}" for place, digit in enumerate(f"{n:05}")) + f" fog{n} lamp{n}")
        for n in range(count)
    ]


def timeline(posts, **more):
    return Timeline(fingerprint="f", source="files", handle="wick", display_name="Wick", posts=tuple(posts), **more)


JAPANESE = [
    "灯台の",
    "海辺は",
    "北風が",
    "夜明け",
    "波音に",
    "雨雲を",
    "港町で",
    "汽笛も",
    "静かな",
    "霧の中",
    "遠くへ",
    "光って",
]
THAI = [
    "ประภาคาร", "ชายหาด", "ลมเหนือ", "รุ่งเช้า", "เสียงคลื่น", "เมฆฝน", "เมืองท่า", "หวูดเรือ",
    "เงียบสงบ", "ในหมอก", "ไกลออกไป", "ส่องแสง",
]  # fmt: skip


@pytest.mark.parametrize(("vocabulary", "language"), [(JAPANESE, "ja"), (THAI, "th")])
def test_accounts_in_scripts_without_spaces_are_kept(tmp_path, vocabulary, language):
    rng = random.Random(3)
    texts = ["".join(rng.sample(vocabulary, 7)) for _ in range(200)]
    curation = curate(Config(handle="wick", runs_dir=tmp_path), timeline(post(n, text) for n, text in enumerate(texts)))
    assert curation.accounts[0].num_kept > 150
    assert curation.accounts[0].dropped["too_short"] == 0
    assert next(iter(curation.languages)) == language


# The split


def test_the_newest_are_held_out(tmp_path):
    posts = different_posts(100)
    config = Config(handle="wick", runs_dir=tmp_path)
    curation = curate(config, timeline(posts[::-1]))
    kept = list(read_jsonl(tmp_path / "wick" / "posts.jsonl", KeptPost))
    assert [one.id for one in kept] == [one.id for one in posts]
    assert [one.split for one in kept] == ["train"] * 90 + ["heldout"] * 10
    assert (curation.split_by, curation.num_train, curation.num_heldout) == ("time", 90, 10)


def test_ties_are_broken_by_id_and_untimed_posts_come_first():
    tied = [Post(id=number, text="x", created_at=START) for number in ("10", "9", "100")]
    untimed = [Post(id="b", text="x"), Post(id="a", text="x")]
    assert [one.id for one in by_time([*tied, *untimed])] == ["b", "a", "9", "10", "100"]


def test_without_times_the_text_and_the_seed_decide():
    posts = [KeptPost(id=str(n), text=f"Post number {n}", created_at=START if n % 9 else None) for n in range(100)]
    first, how = split(posts, 0.2, seed=1)
    assert how == "hash"
    assert 5 < sum(one.split == "heldout" for one in first) < 40
    fewer, _ = split(posts[:50], 0.2, seed=1)
    assert [one.split for one in fewer] == [one.split for one in first[:50]]
    assert [one.split for one in split(posts, 0.2, seed=2)[0]] != [one.split for one in first]


@settings(deadline=None)
@given(st.integers(2, 30), st.floats(0.01, 0.99), st.booleans())
def test_both_sides_get_at_least_one_post(count, ratio, timed):
    posts = [KeptPost(id=str(n), text=str(n), created_at=START if timed else None) for n in range(count)]
    assert {one.split for one in split(posts, ratio, seed=0)[0]} == {"train", "heldout"}


# The statistics


def test_months_without_gaps_and_bins_of_whole_characters():
    days = [datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), *[None] * 99]
    lengths = [*range(1, 101), 1000]
    posts = [KeptPost(id="1", text="x" * length, created_at=day) for length, day in zip(lengths, days, strict=True)]
    found = summarise(posts)
    assert found.per_month == {"2023-12": 1, "2024-01": 0, "2024-02": 1}
    assert (found.shortest, found.median, found.longest, found.first_bin, found.bin_width) == (1, 51, 1000, 1, 3)
    assert found.bins == (*[3] * 33, 2)  # the longest is in the last one


# The stage


def test_the_record_says_what_lies_on_disk(tmp_path):
    config = Config(handle="wick", runs_dir=tmp_path)
    posts = [*different_posts(80), post(500, "RT @gull: hi"), post(501, "Short one", language="en")]
    read = timeline(posts, bio="Lamps", notes=("Read twice.",), may_share_texts=False)
    curation = curate(config, read)
    account = curation.accounts[0]
    assert curation.posts == summarise(read_jsonl(tmp_path / "wick" / "posts.jsonl", KeptPost))
    assert curation.posts_sha256 == sha256_of(tmp_path / "wick" / "posts.jsonl")
    assert account.dropped == {**dict.fromkeys(REASONS, 0), "reposts": 1, "too_short": 1}
    assert (account.num_downloaded, account.num_kept, account.bio, account.source) == (82, 80, "Lamps", "files")
    assert (curation.first_post_at, curation.last_post_at) == (posts[0].created_at, posts[79].created_at)
    assert curation.last_train_post_at == posts[71].created_at  # the newest tenth is held out
    assert curation.num_train_characters + curation.num_heldout_characters == sum(len(one.text) for one in posts[:80])
    assert not curation.may_share_texts
    assert curation.notes == ("Read twice.", "Few posts: 80 were kept; 500 or more make a better model.")


def test_posts_that_were_cut_back_are_counted_in_a_note_and_a_headline_about_the_account_is_kept(tmp_path):
    cut = post(500, "The lamp is lit tonight. And then we… https://t.co/abc", is_truncated=True)
    headline = post(501, '"@wick gets a second lamp"')
    read = timeline([*different_posts(80), cut, headline]).model_copy(update={"handle": "Wick"})
    curation = curate(Config(handle="wick", runs_dir=tmp_path), read)
    assert curation.accounts[0].num_kept == 82
    assert curation.notes[0] == "Posts cut off by the source, kept up to their last whole sentence: 1."


def test_too_few_posts_are_refused_with_every_number(tmp_path):
    posts = [*different_posts(12), *(post(100 + n, f"RT @gull: {n}") for n in range(7))]
    with pytest.raises(SourceError) as error:
        curate(Config(handle="wick", runs_dir=tmp_path), timeline(posts))
    assert error.value.message == (
        "Of the posts of wick 12 are worth training on, 50 are needed.\n"
        "  downloaded             19\n"
        "  reposts                 7\n"
        "  without text            0\n"
        "  quotes of others        0\n"
        "  cut off                 0\n"
        "  only links              0\n"
        "  too short               0\n"
        "  exact duplicates        0\n"
        "  near duplicates         0\n"
        "  kept                   12"
    )
    assert error.value.remedy == "Give a source with more posts, or lower the limit: --min-posts 12"
    assert not (tmp_path / "wick").exists()


@pytest.mark.parametrize("count", [0, 1])
def test_no_post_and_one_post_are_refused_whatever_the_limit(tmp_path, count):
    with pytest.raises(SourceError, match="2 are needed"):
        curate(Config(handle="wick", runs_dir=tmp_path, min_posts=1), timeline(different_posts(count)))


@needs_data
@pytest.mark.parametrize(
    ("source", "downloaded", "reposts"),
    [
        ({"from_path": "timelines/nasa_2017-2018.api_full_text.csv"}, 3245, 873),
        ({"from_path": "timelines/pontifex_2017.api_140.csv"}, 1167, 0),
        ({"from_path": "timelines/realdonaldtrump_condensed_2017.json"}, 2605, 310),
        ({"from_path": "timelines/realdonaldtrump_condensed_2018.json"}, 649, 62),
        ({"from_path": "timelines/realdonaldtrump_538_ccby.mixed_encoding.csv"}, 3232, 354),
        ({"archive": "x_archive/nasa_derived_x_archive.zip"}, 3245, 873),
    ],
)
def test_the_golden_numbers_in_the_rows(tmp_path, monkeypatch, source, downloaded, reposts):
    monkeypatch.setattr(languages, "MAX_SAMPLED", 20)
    (option, name), *_ = source.items()
    config = Config(handle="somebody", runs_dir=tmp_path, **{option: DATA / name})
    account = curate(config, fetch(config)).accounts[0]
    assert (account.num_downloaded, account.dropped["reposts"]) == (downloaded, reposts)
    assert downloaded == account.num_kept + sum(account.dropped.values())
    kept = [one.text for one in read_jsonl(tmp_path / "somebody" / "posts.jsonl", KeptPost)]
    assert len(kept) == account.num_kept
    assert not [text for text in kept if re.search(r"t\.co/|https?:|&amp;|^RT @", text)]
