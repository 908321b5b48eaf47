"""X archives of every era, the sample, and everything that is no archive."""

import json

import pytest
from PIL import Image

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.sources import fetch, state, with_posts
from tests.helpers import SHARED
from tests.helpers.x_archives import as_folder, as_zip, files, js, tweet

DATA = SHARED
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not here")


def config(tmp_path, archive=None, handle="wick_test", **more):
    return Config(handle=handle, archive=archive, runs_dir=tmp_path / "runs", **more)


def test_a_handle_that_nothing_serves_is_told_every_way_that_works(tmp_path):
    with pytest.raises(SourceError) as error:
        fetch(config(tmp_path, handle="somebody"))
    assert error.value.message == "There is nothing to read the posts of somebody from."
    for command in (
        "hub-publisher publish somebody --archive path/to/archive.zip",
        "hub-publisher publish somebody --from-path posts.csv",
        "hub-publisher publish lampkeeper_bot",
        "Download an archive of your data",
    ):
        assert command in error.value.remedy


def test_the_sample_is_read_by_the_archive_reader(tmp_path):
    timeline = fetch(config(tmp_path, handle="LampKeeper_bot"))
    assert (timeline.source, timeline.handle, timeline.avatar_file) == ("sample", "LampKeeper_bot", "avatar.png")
    assert timeline.profile_url is None
    assert timeline.bio
    assert len(timeline.posts) > 600
    assert any(post.is_repost for post in timeline.posts)
    with Image.open(tmp_path / "runs" / "lampkeeper_bot" / "avatar.png") as picture:
        assert picture.format == "PNG"


def test_the_timeline_lies_on_disk_as_it_was_returned(tmp_path):
    asked = config(tmp_path, as_zip(tmp_path / "a.zip", files([tweet(1, "Fog again \ud83c\udf2b today")])))
    timeline = fetch(asked)
    header = timeline.model_copy(update={"posts": ()})
    assert timeline.num_posts == len(timeline.posts) == 1
    assert with_posts(asked.run_dir, header) == timeline
    assert (tmp_path / "runs" / "wick_test" / "timeline.jsonl").read_text().count("\n") == 1


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path):
    first = as_zip(tmp_path / "a.zip", files([tweet(1, "Fog")]))
    copy = tmp_path / "b.zip"
    copy.write_bytes(first.read_bytes())
    other = as_zip(tmp_path / "c.zip", files([tweet(1, "Sun")]))
    prints = [state(config(tmp_path, path)) for path in (first, copy, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_folders_fingerprint_follows_what_is_read_of_it_only(tmp_path):
    folder = as_folder(tmp_path / "archive", files([tweet(1, "Fog")], direct_messages="not ours"))
    before = state(config(tmp_path, folder))
    (folder / "data" / "direct-messages.js").write_text("changed")
    assert state(config(tmp_path, folder)) == before
    (folder / "data" / "twitter-circle-tweet.js").rename(folder / "data" / "deleted-tweets.js")
    assert state(config(tmp_path, folder)) != before
    (folder / "data" / "deleted-tweets.js").rename(folder / "data" / "twitter-circle-tweet.js")
    (folder / "data" / "tweets-part1.js").write_text(js("tweets", [tweet(2, "Sun")], 1))
    assert state(config(tmp_path, folder)) != before


# The eras and forms


@pytest.mark.parametrize("top", ["", "twitter-2024-01-01/", "downloads/archive/"])
def test_a_zip_may_have_folders_on_top(tmp_path, top):
    archive = as_zip(tmp_path / "a.zip", files([tweet(1, "One")], tweets_part1=js("tweets", [tweet(2, "Two")], 1)), top)
    assert [post.text for post in fetch(config(tmp_path, archive)).posts] == ["One", "Two"]


def test_of_two_archives_in_one_zip_the_topmost_is_read(tmp_path):
    copy = {f"old/{name}": content for name, content in files([tweet(2, "Two")]).items()}
    archive = as_zip(tmp_path / "a.zip", files([tweet(1, "One")]) | copy)
    assert [post.text for post in fetch(config(tmp_path, archive)).posts] == ["One"]


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    parts = {f"tweets_part{n}": js("tweets", [tweet(n, f"Part {n}")], n) for n in range(1, 12)}
    archive = as_zip(tmp_path / "a.zip", files([tweet(0, "Part 0")], **parts))
    texts = [post.text for post in fetch(config(tmp_path, archive)).posts]
    assert texts == [f"Part {n}" for n in range(12)]


@pytest.mark.parametrize("given", ["archive", "archive/data", ".", "archive/data/tweets.js"])
def test_folder_data_folder_parent_and_bare_file_are_the_same(tmp_path, given):
    as_folder(tmp_path / "archive", files([tweet(1, "One")], tweets_part1=js("tweets", [tweet(2, "Two")], 1)))
    timeline = fetch(config(tmp_path, tmp_path / given))
    assert [post.text for post in timeline.posts] == ["One", "Two"]
    assert timeline.display_name == "Wick & Co"


def test_the_layout_of_2019_without_a_wrapper(tmp_path):
    bare = [tweet(1, "One")["tweet"], tweet(2, "Two")["tweet"]]
    archive = as_zip(tmp_path / "a.zip", {"tweet.js": js("tweet", bare)})
    assert [post.text for post in fetch(config(tmp_path, archive)).posts] == ["One", "Two"]


def test_the_layout_up_to_2018(tmp_path):
    record = {
        "id_str": "551071714969661440",
        "text": "RT @other: hello",
        "created_at": "2015-01-02 17:45:09 +0000",
        "retweeted_status": {"text": "hello"},
    }
    user = 'var user_details = {"screen_name": "Wick_Test", "full_name": "Old Wick", "bio": "Lamps", "id": "77"};'
    members_of_it = {
        "data/js/tweets/2015_01.js": "Grailbird.data.tweets_2015_01 = \n" + json.dumps([record]),
        "data/js/tweets/2015_02.js": "Grailbird.data.tweets_2015_02 = \n [ ]",
        "data/js/user_details.js": user,
    }
    timeline = fetch(config(tmp_path, as_zip(tmp_path / "a.zip", members_of_it)))
    assert [(post.is_repost, post.created_at.isoformat()) for post in timeline.posts] == [
        (True, "2015-01-02T17:45:09+00:00")
    ]
    assert (timeline.display_name, timeline.bio) == ("Old Wick", "Lamps")
    assert timeline.notes == ()


@needs_data
def test_a_real_file_of_the_layout_up_to_2018(tmp_path):
    timeline = fetch(config(tmp_path, DATA / "x_archive" / "gccaedits_2015_01.grailbird.js"))
    assert len(timeline.posts) == 2
    assert all(post.links and post.created_at.year == 2015 for post in timeline.posts)


@needs_data
def test_the_golden_numbers_of_the_derived_archive(tmp_path):
    timeline = fetch(config(tmp_path, DATA / "x_archive" / "nasa_derived_x_archive.zip", "nasa"))
    assert (len(timeline.posts), sum(post.is_repost for post in timeline.posts)) == (3245, 873)
    withheld = [post for post in timeline.posts if not post.text]
    assert [post.id for post in withheld] == ["1013166534720741377"]
    assert timeline.notes == ("Posts to a Twitter Circle, counted but with their words left out: 1.",)
    assert any(post.text.endswith("the hidden rest of a long post.") for post in timeline.posts)
    written = (tmp_path / "runs" / "nasa" / "timeline.jsonl").read_text()
    assert "PRIVATE-DM" not in written
    assert "test@example.org" not in written
