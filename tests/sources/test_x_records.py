"""What a record of an X archive says: reposts, replies, links, long posts, edits, and whose archive it is."""

import io
import json

import pytest
from PIL import Image

from hub_publisher.config import Config
from hub_publisher.sources import fetch
from tests.helpers.x_archives import as_folder, as_zip, files, js, tweet


def config(tmp_path, archive=None, handle="wick_test", **more):
    return Config(handle=handle, archive=archive, runs_dir=tmp_path / "runs", **more)


def posts_of(tmp_path, tweets, **more):
    archive = as_zip(tmp_path / "archive.zip", files(tweets, **more))
    return fetch(config(tmp_path, archive)).posts


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


@pytest.mark.parametrize(("second", "found"), [("00.400", True), ("01.900", True), ("02.000", False)])
def test_a_note_is_of_the_posts_second_or_the_one_before(tmp_path, second, found):
    notes = js("note_tweet", [note(LONG, f"2023-08-12T16:00:{second}Z")])
    (post,) = posts_of(tmp_path, [cut(LONG)], note_tweet=notes)
    assert (post.text == LONG, post.is_truncated) == (found, not found)


def test_a_few_equal_words_in_the_same_second_make_no_note(tmp_path):
    notes = js("note_tweet", [note("Fog again and " + LONG, SECOND.format("000"))])
    (post,) = posts_of(tmp_path, [tweet(1, "Fog again…")], note_tweet=notes)
    assert post.text == "Fog again…"


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
    ids = [str(10**18 + n) for n in (-1, 2, 3)]
    first = {"initial": {"editTweetIds": ids}}
    later = {"edit": {"initialTweetId": ids[0], "editControlInitial": {"editTweetIds": ids}}}
    timeline = fetch(
        config(
            tmp_path,
            as_zip(
                tmp_path / "a.zip",
                files(
                    [
                        tweet(-1, "Fgo", edit_info=first),
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
    assert not [path for path in asked.run_dir.iterdir() if b"example.org" in path.read_bytes()]
    assert "example.org" not in timeline.model_dump_json()


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
    (folder / "data" / "profile_media" / "1-77.jpg").unlink()
    assert fetch(config(tmp_path, folder)).avatar_file is None
    assert not written.exists()  # the picture of an earlier reading


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
