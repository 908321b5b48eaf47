"""What is no X archive, or a dangerous one: one clear error each."""

import json
import os
import zipfile

import pytest

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.sources import fetch, members
from tests.helpers.x_archives import as_folder, as_zip, files, js, tweet


def config(tmp_path, archive=None, handle="wick_test", **more):
    return Config(handle=handle, archive=archive, runs_dir=tmp_path / "runs", **more)


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


def test_a_member_that_inflates_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "RATIO_FREE_BYTES", 4 * 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data/tweets.js", "w") as member:
        member.write(b"window.YTD.tweets.part0 = [")
        for _ in range(6):
            member.write(b" " * 2**20)
    assert path.stat().st_size < 10_000
    assert error_of(tmp_path, path) == f"tweets.js in {path} inflates to more than 4 MiB: that is no X archive."


def test_a_header_that_lies_about_the_size_does_not_help(tmp_path):
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
        ("window.YTD.tweets.part0 = [ {", "{} ends in the middle."),
        (
            "window.YTD.tweets.part0 = [\n { oops } ]",
            "Line 2 of {} is not JSON: Expecting property name enclosed in double quotes.",
        ),
        ("window.YTD.tweets.part0 = " + "[" * 100_000, "{} holds a value that no export writes."),
    ],
)
def test_broken_json(tmp_path, content, message):
    folder = as_folder(tmp_path / "a", {"data/tweets.js": content})
    assert error_of(tmp_path, folder) == message.format(f"tweets.js in {folder}")


def test_a_file_of_direct_messages_is_refused_by_what_it_says_it_is(tmp_path):
    path = tmp_path / "direct-messages.js"
    path.write_text(js("direct_messages", [{"dmConversation": {}}]))
    assert error_of(tmp_path, path) == "direct-messages.js holds direct messages, not posts."
    path.write_text("alert(1)")
    assert error_of(tmp_path, path) == "direct-messages.js is no file of an X archive."


def test_archives_without_posts(tmp_path):
    path = as_zip(tmp_path / "a.zip", {"data/like.js": "window.YTD.like.part0 = []"})
    assert error_of(tmp_path, path) == f"There is no data/tweets.js in {path}."
    assert error_of(tmp_path, tmp_path) == f"There is no data/tweets.js in {tmp_path}."
    path = as_zip(tmp_path / "b.zip", files([]))
    assert error_of(tmp_path, path) == "There is not a single post of wick_test in an X archive."


@pytest.mark.parametrize(
    "odd",
    [{"lang": "\ud800"}, {"lang": "x" * 99}, {"referenced_tweets": 5}, {"entities": {"urls": True}}, {"entities": [1]}],
    ids=str,
)
def test_a_record_of_odd_shapes_is_a_post_all_the_same(tmp_path, odd):
    timeline = fetch(config(tmp_path, as_folder(tmp_path / "a", files([tweet(1, "The lamp is lit", **odd)]))))
    assert [post.text for post in timeline.posts] == ["The lamp is lit"]
    assert timeline.posts[0].language == ("en" if "lang" not in odd else None)


@pytest.mark.parametrize("count", ["²", "9" * 5000, "-1"])
def test_a_count_in_the_manifest_that_is_no_number_promises_nothing(tmp_path, count):
    manifest = {"dataTypes": {"tweets": {"files": [{"count": count}]}}}
    members = files([tweet(1, "The lamp is lit")], manifest=f"window.__THAR_CONFIG = {json.dumps(manifest)}")
    timeline = fetch(config(tmp_path, as_folder(tmp_path / "a", members)))
    assert not [note for note in timeline.notes if "promises" in note]


def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    assert error_of(tmp_path, tmp_path / "pipe.zip") == f"{tmp_path}/pipe.zip is neither a file nor a folder."
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "tweets.js")
    assert error_of(tmp_path, tmp_path) == f"There is no data/tweets.js in {tmp_path}."
