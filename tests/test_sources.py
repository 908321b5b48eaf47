"""X archives of every era, the sample, and everything that is no archive."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from x_archives import as_folder, as_zip, files, js, tweet

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.records import read_timeline
from hub_publisher.sources import expected_fingerprint, fetch, members, timeline_path

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not here")


def config(tmp_path, archive=None, handle="wick_test", **more):
    return Config(handle=handle, archive=archive, runs_dir=tmp_path / "runs", **more)


def posts_of(tmp_path, tweets, **more):
    archive = as_zip(tmp_path / "archive.zip", files(tweets, **more))
    return fetch(config(tmp_path, archive)).posts


def test_a_handle_that_nothing_serves_is_told_every_way_that_works(tmp_path):
    with pytest.raises(SourceError) as error:
        fetch(config(tmp_path, handle="somebody"))
    assert error.value.message == "There is nothing to read the posts of somebody from."
    for command in (
        "make publish USER=somebody ARCHIVE=path/to/archive.zip",
        "make publish USER=somebody FROM=posts.csv",
        "make publish USER=lampkeeper_bot",
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
    assert read_timeline(timeline_path(asked)) == timeline
    assert timeline.fingerprint == expected_fingerprint(asked)
    assert timeline_path(asked) == tmp_path / "runs" / "wick_test" / "timeline-wick_test.jsonl"


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path):
    first = as_zip(tmp_path / "a.zip", files([tweet(1, "Fog")]))
    copy = tmp_path / "b.zip"
    copy.write_bytes(first.read_bytes())
    other = as_zip(tmp_path / "c.zip", files([tweet(1, "Sun")]))
    prints = [expected_fingerprint(config(tmp_path, path)) for path in (first, copy, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_folders_fingerprint_follows_what_is_read_of_it_only(tmp_path):
    folder = as_folder(tmp_path / "archive", files([tweet(1, "Fog")], direct_messages="not ours"))
    before = expected_fingerprint(config(tmp_path, folder))
    (folder / "data" / "direct-messages.js").write_text("changed")
    assert expected_fingerprint(config(tmp_path, folder)) == before
    (folder / "data" / "tweets-part1.js").write_text(js("tweets", [tweet(2, "Sun")], 1))
    assert expected_fingerprint(config(tmp_path, folder)) != before


# The eras and forms


@pytest.mark.parametrize("top", ["", "twitter-2024-01-01/", "downloads/archive/"])
def test_a_zip_may_have_folders_on_top(tmp_path, top):
    archive = as_zip(tmp_path / "a.zip", files([tweet(1, "One")], tweets_part1=js("tweets", [tweet(2, "Two")], 1)), top)
    assert [post.text for post in fetch(config(tmp_path, archive)).posts] == ["One", "Two"]


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    parts = {f"tweets_part{n}": js("tweets", [tweet(n, f"Part {n}")], n) for n in range(1, 12)}
    texts = [post.text for post in posts_of(tmp_path, [tweet(0, "Part 0")], **parts)]
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
    written = timeline_path(config(tmp_path, handle="nasa")).read_text()
    assert "PRIVATE-DM" not in written
    assert "test@example.org" not in written


# What a record says


def test_reposts_are_told_by_their_text(tmp_path):
    texts = ["RT @gull: hello", "RT @gull hello", "RT @gull", "rt this please", "ART @gull: x"]
    posts = posts_of(tmp_path, [tweet(i, text) for i, text in enumerate(texts)])
    assert [post.is_repost for post in posts] == [True, True, False, False, False]


def test_replies_to_others_and_to_oneself(tmp_path):
    posts = posts_of(
        tmp_path,
        [
            tweet(1, "@gull Hello there", in_reply_to_user_id_str="5", in_reply_to_screen_name="gull"),
            tweet(2, "Part two of this thread", in_reply_to_user_id_str="77"),
            tweet(3, "@gull part two of our talk", in_reply_to_user_id_str="77"),
            tweet(4, "@gull is a bird"),
            tweet(5, "Name is missing", in_reply_to_status_id_str="9"),
        ],
    )
    assert [post.is_reply for post in posts] == [True, False, True, False, True]


def test_links_are_those_of_the_entities_that_stand_in_the_text(tmp_path):
    entities = {
        "urls": [{"url": "https://t.co/aaa", "expanded_url": "https://example.org"}, {"url": "https://t.co/gone"}],
        "media": [{"url": "https://t.co/pic"}],
    }
    (post,) = posts_of(tmp_path, [tweet(1, "Look https://t.co/aaa https://t.co/pic", entities=entities)])
    assert post.links == ("https://t.co/aaa", "https://t.co/pic")


LONG = "A long post about the fog that rolled in this morning and would not leave, " * 5
SECOND = "2023-08-12T16:00:01.{}Z"


def note(text, created_at, **core):
    return {"noteTweet": {"noteTweetId": "5", "createdAt": created_at, "core": {"text": text, **core}}}


def cut(text, number=1, **more):
    link = {"url": "https://t.co/selfselfse", "expanded_url": f"https://twitter.com/i/web/status/{10**18 + number}"}
    return tweet(number, text[:270] + "… https://t.co/selfselfse", entities={"urls": [link]}, **more)


def test_long_posts_get_their_text_from_the_note_of_the_same_second(tmp_path):
    notes = js(
        "note_tweet",
        [note("Something else entirely in that second", SECOND.format("000")), note(LONG, SECOND.format("700"))],
    )
    posts = posts_of(tmp_path, [cut(LONG), tweet(1, "A different post in the same second")], note_tweet=notes)
    assert [(post.text, post.is_truncated) for post in posts] == [
        (LONG, False),
        ("A different post in the same second", False),
    ]


def test_a_note_is_found_behind_mentions_entities_and_links(tmp_path):
    text = "Q & A on the lamp: https://t.co/one " + LONG
    full = {"urls": [{"shortUrl": "https://t.co/one"}]}
    escaped = "@gull " + text.replace("&", "&amp;").replace("/one", "/two")
    notes = js("note_tweet", [note(text, SECOND.format("000"), **full)])
    (post,) = posts_of(tmp_path, [cut(escaped, in_reply_to_user_id_str="5")], note_tweet=notes)
    assert (post.text, post.links, post.is_reply) == (text, ("https://t.co/one",), True)


def test_a_cut_post_without_its_note_is_marked(tmp_path):
    notes = js("note_tweet", [note(LONG, "2023-08-12T16:00:03.000Z")])
    posts = posts_of(
        tmp_path,
        [
            cut(LONG),
            tweet(2, "I wonder…"),
            tweet(3, "Wait for it… https://t.co/picture123"),
            tweet(4, "See https://t.c…"),
        ],
        note_tweet=notes,
    )
    assert [post.is_truncated for post in posts] == [True, False, False, True]


def test_of_an_edited_post_the_last_version_counts(tmp_path):
    ids = [str(10**18 + n) for n in (1, 2, 3)]
    first = {"initial": {"editTweetIds": ids}}
    later = {"edit": {"initialTweetId": ids[0], "editControlInitial": {"editTweetIds": ids}}}
    timeline = fetch(
        config(
            tmp_path,
            as_zip(
                tmp_path / "a.zip",
                files(
                    [
                        tweet(1, "Fgo", edit_info=first),
                        tweet(3, "Fog!", edit_info=later),
                        tweet(2, "Fog", edit_info=later),
                    ]
                ),
            ),
        )
    )
    assert [post.text for post in timeline.posts] == ["", "Fog!", ""]
    assert timeline.notes == ("Earlier versions of edited posts, counted but with their words left out: 2.",)


def test_circle_and_deleted_posts_are_counted_without_their_words(tmp_path):
    timeline = fetch(
        config(
            tmp_path,
            as_zip(
                tmp_path / "a.zip",
                files(
                    [tweet(1, "For friends"), tweet(2, "Regretted"), tweet(3, "For all")],
                    twitter_circle_tweet=js("twitter_circle_tweet", [tweet(1, "For friends")]),
                    deleted_tweets=js("deleted_tweets", [tweet(2, "Regretted"), tweet(9, "Gone")]),
                ),
            ),
        )
    )
    assert [post.text for post in timeline.posts] == ["", "", "For all"]
    assert timeline.posts[0].created_at is None
    assert timeline.notes == (
        "Posts to a Twitter Circle, counted but with their words left out: 1.",
        "Deleted posts, counted but with their words left out: 1.",
    )


def test_an_archive_without_a_circle_list_says_so(tmp_path):
    archive = as_folder(tmp_path / "a", {"data/tweets.js": js("tweets", [tweet(1, "Hello")])})
    assert fetch(config(tmp_path, archive)).notes == (
        "The archive has no list of posts to a Twitter Circle (August 2022 to October 2023).",
    )


def test_what_the_list_of_contents_promises_is_compared(tmp_path):
    manifest = {
        "userInfo": {"accountId": "77", "userName": "Wick_Test"},
        "archiveInfo": {"isPartialArchive": True},
        "dataTypes": {"tweets": {"files": [{"count": "2"}, {"count": "5"}]}},
    }
    members_of_it = files([tweet(1, "Hello")], manifest="window.__THAR_CONFIG = " + json.dumps(manifest))
    assert fetch(config(tmp_path, as_zip(tmp_path / "a.zip", members_of_it))).notes == (
        "The archive's list of contents promises 7 posts, its files hold 1.",
        "The archive calls itself partial: posts may be missing.",
    )


def test_who_the_account_is_without_its_address(tmp_path):
    asked = config(tmp_path, as_zip(tmp_path / "a.zip", files([tweet(1, "Hello")])), "another_name")
    timeline = fetch(asked)
    assert (timeline.display_name, timeline.bio) == ("Wick & Co", "Fog & gulls")
    assert timeline.profile_url == "https://x.com/Wick_Test"
    assert timeline.escapes_html
    assert timeline.notes == ("The archive is that of @Wick_Test; the model is published as another_name.",)
    assert "example.org" not in timeline_path(asked).read_text()


def test_the_profile_picture_is_cleaned_and_the_header_left(tmp_path):
    pictures = {}
    for name, size in (("77-header", (1500, 500)), ("1-77", (800, 800))):
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x010E] = "taken at home"
        Image.new("RGB", size, "red").save(stream, "JPEG", exif=exif)
        pictures[name] = stream.getvalue()
    folder = as_folder(tmp_path / "a", files([tweet(1, "Hello")]))
    (folder / "data" / "profile_media").mkdir()
    for name, content in pictures.items():
        (folder / "data" / "profile_media" / f"{name}.jpg").write_bytes(content)
    timeline = fetch(config(tmp_path, folder))
    written = tmp_path / "runs" / "wick_test" / timeline.avatar_file
    assert b"taken at home" not in written.read_bytes()
    with Image.open(written) as picture:
        assert (picture.format, picture.size) == ("PNG", (400, 400))


@pytest.mark.parametrize("content", [b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_broken_picture_is_left_out(tmp_path, content):
    folder = as_folder(tmp_path / "a", files([tweet(1, "Hello")]))
    (folder / "data" / "profile_media").mkdir()
    (folder / "data" / "profile_media" / "1-77.png").write_bytes(content)
    assert fetch(config(tmp_path, folder)).avatar_file is None


def test_raw_control_characters_and_broken_surrogates_survive(tmp_path):
    text = '[{"tweet": {"id_str": "1", "full_text": "a\tb \\ud83d c"}}]'
    folder = as_folder(tmp_path / "a", {"data/tweets.js": "\ufeffwindow.YTD.tweets.part0 = " + text + ";"})
    timeline = fetch(config(tmp_path, folder))
    assert timeline.posts[0].text == "a\tb \ufffd c"
    assert "Posts that hold characters which could not be decoded: 1." in timeline.notes


# What is no archive, or a dangerous one


def error_of(tmp_path, archive):
    with pytest.raises(SourceError) as error:
        fetch(config(tmp_path, archive))
    assert error.value.remedy
    return error.value.message


def test_a_missing_archive(tmp_path):
    assert error_of(tmp_path, tmp_path / "no.zip") == f"There is no {tmp_path}/no.zip."


def test_an_empty_file_a_truncated_zip_and_what_is_no_zip(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"")
    assert error_of(tmp_path, path) == f"{path} is empty."
    as_zip(path, files([tweet(n, f"Post {n}") for n in range(500)]))
    path.write_bytes(path.read_bytes()[:3000])
    assert error_of(tmp_path, path) == f"{path} is cut short or damaged: it has no list of its files."
    path.write_bytes(b"<html>Please log in</html>")
    assert error_of(tmp_path, path) == f"{path} is neither a zip nor a tweets.js."


def test_a_zip_with_damaged_content(tmp_path):
    path = as_zip(tmp_path / "a.zip", {"data/tweets.js": js("tweets", [tweet(n, f"{n}") for n in range(500)])})
    content = bytearray(path.read_bytes())
    content[500:600] = bytes(100)
    path.write_bytes(content)
    assert error_of(tmp_path, path) == f"tweets.js in {path} is damaged or cut short."


def test_direct_messages_are_not_even_opened(tmp_path):
    path = as_zip(tmp_path / "a.zip", files([tweet(1, "Hello")], direct_messages=js("direct_messages", ["x" * 999])))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("data/direct-messages.js").header_offset
    content = bytearray(path.read_bytes())
    content[start : start + 30] = bytes(30)  # whoever opens the member now gets an error
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile):
        archive.open("data/direct-messages.js")
    assert len(fetch(config(tmp_path, path)).posts) == 1


def test_an_encrypted_zip(tmp_path):
    path = as_zip(tmp_path / "a.zip", {"data/tweets.js": js("tweets", [tweet(1, "Hello")])})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of files
    path.write_bytes(content)
    assert error_of(tmp_path, path) == f"{path} is encrypted with a password."


def test_a_method_without_bounds_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("data/tweets.js", js("tweets", []))
    assert error_of(tmp_path, tmp_path / "a.zip").endswith("is packed in a way that cannot be read here.")


@pytest.mark.parametrize("name", ["../evil.js", "data/../../evil.js", "/etc/evil", "C:\\evil", "data\\..\\..\\evil"])
def test_a_path_outside_the_zip(tmp_path, name):
    path = as_zip(tmp_path / "a.zip", {**files([tweet(1, "Hello")]), name: "x"})
    assert error_of(tmp_path, path).startswith(f"{path} holds a path outside itself: ")


def test_a_member_that_inflates_without_end(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data/tweets.js", "w") as member:
        member.write(b"window.YTD.tweets.part0 = [")
        for _ in range(80):
            member.write(b" " * 2**20)
    assert path.stat().st_size < 100_000
    assert error_of(tmp_path, path) == f"tweets.js in {path} inflates to more than 64 MiB: that is no X archive."


def test_a_header_that_lies_about_the_size_does_not_help(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MAX_SMALL_BYTES", 1000)
    folder = as_folder(tmp_path / "a", files([tweet(1, "Hello")]))
    with members.open_archive(folder) as opened, pytest.raises(SourceError, match="inflates to more than 0 MiB"):
        list(opened.blocks("tweets.js", 100))


def test_one_endless_value_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hub_publisher.sources.x_archive._MAX_RECORD", 1000)
    folder = as_folder(tmp_path / "a", {"data/tweets.js": js("tweets", ["x" * 3_000_000])})
    assert error_of(tmp_path, folder) == f"tweets.js in {folder} holds a value of more than 1,000 characters."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("window.YTD.tweets.part0 = [ {", "ends in the middle."),
        ("window.YTD.tweets.part0 = [ { oops } ]", "is not JSON: Expecting property name enclosed in double quotes."),
        ("window.YTD.tweets.part0 = " + "[" * 100_000, "holds a value that no export writes."),
    ],
)
def test_broken_json(tmp_path, content, message):
    folder = as_folder(tmp_path / "a", {"data/tweets.js": content})
    assert error_of(tmp_path, folder) == f"tweets.js in {folder} {message}"


def test_a_file_of_direct_messages_is_refused_by_what_it_says_it_is(tmp_path):
    path = tmp_path / "direct-messages.js"
    path.write_text(js("direct_messages", [{"dmConversation": {}}]))
    assert error_of(tmp_path, path) == "direct-messages.js holds direct messages, not posts."
    path.write_text("alert(1)")
    assert error_of(tmp_path, path) == "direct-messages.js is no file of an X archive."


def test_archives_without_posts(tmp_path):
    path = as_zip(tmp_path / "a.zip", {"data/like.js": "window.YTD.like.part0 = []"})
    assert error_of(tmp_path, path) == f"There is no data/tweets.js in {path}."
    assert error_of(tmp_path, tmp_path) == f"There is no data/tweets.js in the folder {tmp_path}."
    path = as_zip(tmp_path / "b.zip", files([]))
    assert error_of(tmp_path, path) == "There is not a single post of wick_test in the x_archive."
