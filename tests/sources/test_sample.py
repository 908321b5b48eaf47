"""The bundled timeline keeps its promises: enough posts, all different, and the noise a real archive has.

It is read here with nothing but `json`, so that a fault of the archive reader cannot hide one of the sample.
"""

import html
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import ROOT

SAMPLE = ROOT / "hub_publisher" / "sources" / "sample"
DM_CANARY = "PRIVATE-DM-CANARY-LANTHORN"
DELETED_CANARY = "deleted-canary-lanthorn"
RUN_LENGTH = 8  # no two kept posts may share as many words in a row
NEAR_DUPLICATE = 0.6  # Jaccard similarity of 3-word shingles

REPOST = re.compile(r"RT @\w{1,15}: ")
LINK = re.compile(r"https?://\S+")
LEADING_MENTIONS = re.compile(r"(?:@\w{1,15}\s+)+")


def read(name: str):
    """Return the JSON behind the assignment in one file of the archive."""
    text = (SAMPLE / "data" / name).read_text(encoding="utf-8")
    return json.loads(text.partition("=")[2])


def created(tweet: dict) -> datetime:
    return datetime.strptime(tweet["created_at"], "%a %b %d %H:%M:%S %z %Y")


def words(text: str) -> list[str]:
    return re.sub(r"[^\w\s]", "", text.casefold()).split()


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Return every run of `length` words in a text; the whole text where it is shorter."""
    tokens = words(text)
    return {tuple(tokens[i : i + length]) for i in range(max(1, len(tokens) - length + 1))}


def clean(text: str) -> str:
    without_links = LINK.sub("", html.unescape(text))
    return LEADING_MENTIONS.sub("", without_links, count=1) if text.startswith("@") else without_links


def is_repost(tweet: dict) -> bool:
    return REPOST.match(tweet["full_text"]) is not None


def is_cut(tweet: dict) -> bool:
    return "… https://t.co/" in tweet["full_text"]


@pytest.fixture(scope="module")
def tweets() -> list[dict]:
    """All records of both parts, oldest first."""
    records = [record["tweet"] for name in ("tweets.js", "tweets-part1.js") for record in read(name)]
    return sorted(records, key=created)


@pytest.fixture(scope="module")
def own_texts(tweets) -> list[str]:
    """The account's own complete posts without links and leading mentions, oldest first, duplicates included."""
    return [clean(tweet["full_text"]).strip() for tweet in tweets if not is_repost(tweet) and not is_cut(tweet)]


@pytest.fixture(scope="module")
def kept(own_texts) -> list[str]:
    """The posts worth keeping: three words or more, and unlike every earlier one."""
    texts: list[str] = []
    shingles: list[set] = []
    for text in own_texts:
        new = runs(text, 3)
        if len(words(text)) >= 3 and all(len(new & old) < NEAR_DUPLICATE * len(new | old) for old in shingles):
            texts.append(text)
            shingles.append(new)
    return texts


def test_there_is_enough_to_train_on(kept):
    assert len(kept) >= 600
    assert sum(map(len, kept)) >= 65_000
    assert min(map(len, kept)) <= 25
    assert max(map(len, kept)) >= 250


def test_no_two_kept_posts_share_a_run_of_words(kept):
    owner: dict[tuple[str, ...], str] = {}
    shared = []
    for text in kept:
        if len(words(text)) < RUN_LENGTH:
            continue
        for run in runs(text, RUN_LENGTH):
            if owner.setdefault(run, text) != text:
                shared.append((" ".join(run), owner[run], text))
    assert shared == []


def test_posts_do_not_all_begin_alike(kept):
    firsts = Counter(words(text)[0] for text in kept)
    pairs = Counter(tuple(words(text)[:2]) for text in kept)
    assert firsts["log"] <= 0.06 * len(kept)
    assert firsts.most_common(1)[0][1] <= 0.15 * len(kept)
    assert pairs.most_common(1)[0][1] <= 0.05 * len(kept)


def test_form_varies(kept):
    assert sum("\n" in text for text in kept) >= 15
    assert sum("?" in text for text in kept) >= 30
    assert sum("#" in text for text in kept) >= 10


def test_noise_of_a_real_archive_is_there(tweets, own_texts, kept):
    texts = [tweet["full_text"] for tweet in tweets]
    reposts = [text for text in texts if REPOST.match(text)]
    num_short = sum(len(words(text)) < 3 for text in own_texts)
    assert len(reposts) >= 60
    assert sum(len(text) == 140 and text.endswith("…") for text in reposts) >= 8
    assert sum(re.search(r"https://t\.c[\w/]*…$", text) is not None for text in reposts) >= 5
    assert sum(LEADING_MENTIONS.match(text) is not None for text in texts) >= 40
    assert sum(bool(tweet["entities"]["urls"]) for tweet in tweets) >= 60
    assert sum(re.search("&(amp|lt|gt);", text) is not None for text in texts) >= 30
    assert num_short >= 20
    assert len(own_texts) - num_short - len(kept) >= 25  # duplicates and near duplicates


def test_posts_to_mask_or_neutralise_are_there(own_texts):
    assert sum("@example.org" in text for text in own_texts) == 1
    assert sum(re.search(r"\+1 202 555 01\d\d", text) is not None for text in own_texts) == 1
    assert sum("<|endoftext|>" in text for text in own_texts) == 1


def test_long_posts_have_their_full_text_in_the_notes(tweets):
    notes = {note["noteTweet"]["createdAt"]: note["noteTweet"] for note in read("note-tweet.js")}
    cut = [tweet for tweet in tweets if is_cut(tweet)]
    assert len(cut) == len(notes) == 3
    for tweet in cut:
        note = notes[created(tweet).strftime("%Y-%m-%dT%H:%M:%S.000Z")]
        full_text = note["core"]["text"]
        assert full_text.startswith(html.unescape(tweet["full_text"]).partition("…")[0])
        assert len(full_text) > 280 and note["noteTweetId"] != tweet["id_str"]


def test_private_files_hold_their_canaries_and_only_they_do(tweets):
    everything = json.dumps(tweets)
    deleted = [record["tweet"] for record in read("deleted-tweets.js")]
    assert DM_CANARY in (SAMPLE / "data" / "direct-messages.js").read_text(encoding="utf-8")
    assert len(deleted) == 2 and all(DELETED_CANARY in tweet["full_text"] for tweet in deleted)
    assert DM_CANARY not in everything and DELETED_CANARY not in everything
    assert not {tweet["id_str"] for tweet in deleted} & {tweet["id_str"] for tweet in tweets}


def test_records_are_well_formed(tweets):
    assert len({tweet["id_str"] for tweet in tweets}) == len(tweets)
    start, end = datetime(2023, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
    for tweet in tweets:
        assert start <= created(tweet) < end
        assert tweet["id"] == tweet["id_str"] and tweet["id"].isdigit()
        assert not re.search("[<>]|&(?!(amp|lt|gt);)", tweet["full_text"])
        assert len(html.unescape(tweet["full_text"])) <= 305  # 280 and a link, which counts as 23
        for entity in [entity for kind in tweet["entities"].values() for entity in kind]:
            begin, stop = map(int, entity["indices"])
            named = entity.get("url") or entity.get("screen_name") or entity["text"]
            assert tweet["full_text"][begin:stop].lstrip("@#") == named


def test_threads_answer_an_earlier_post_of_the_account(tweets):
    times = {tweet["id_str"]: created(tweet) for tweet in tweets}
    account_id = read("account.js")[0]["account"]["accountId"]
    threads = [tweet for tweet in tweets if tweet.get("in_reply_to_user_id_str") == account_id]
    assert len(threads) >= 30
    assert all(times[tweet["in_reply_to_status_id_str"]] < created(tweet) for tweet in threads)


def test_manifest_agrees_with_the_files():
    manifest = read("manifest.js")
    files = [file for kind in manifest["dataTypes"].values() for file in kind["files"]]
    assert {file["fileName"] for file in files} | {"data/manifest.js"} == {
        f"data/{path.name}" for path in (SAMPLE / "data").iterdir()
    }
    assert {file["fileName"]: int(file["count"]) for file in files} == {
        file["fileName"]: len(read(Path(file["fileName"]).name)) for file in files
    }


def test_profile_says_that_the_account_is_invented():
    account, profile = read("account.js")[0]["account"], read("profile.js")[0]["profile"]
    assert account["username"] == "lampkeeper_bot" == read("manifest.js")["userInfo"]["userName"]
    assert account["email"].endswith("@example.org")
    assert "invented bot" in profile["description"]["bio"]
    assert profile["avatarMediaUrl"].startswith("https://example.org/")


def test_avatar_is_a_small_square_picture():
    path = SAMPLE / "avatar.png"
    with Image.open(path) as image:
        image.load()
        assert image.size == (400, 400) and image.format == "PNG"
    assert path.stat().st_size < 60_000
