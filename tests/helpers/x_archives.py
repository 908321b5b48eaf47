"""Small X archives for the tests, laid out as X lays them out."""

import json
import zipfile
from pathlib import Path
from typing import Any

Files = dict[str, str]


def tweet(number: int, text: str, **more: Any) -> dict[str, Any]:
    """One element of tweets.js. Ids and numbers are text, as X writes them."""
    minutes, seconds = divmod(number, 60)
    return {
        "tweet": {
            "id_str": str(10**18 + number),
            "id": str(10**18 + number),
            "created_at": f"Sat Aug 12 16:{minutes % 60:02}:{seconds:02} +0000 2023",
            "full_text": text,
            "lang": "en",
            "truncated": False,
            "retweeted": False,
            "entities": {"urls": [], "user_mentions": []},
            **more,
        }
    }


def js(name: str, value: Any, part: int = 0) -> str:
    """A member as X writes it: JavaScript that assigns JSON."""
    return f"window.YTD.{name}.part{part} = {json.dumps(value, indent=2)}"


def files(tweets: list[Any], **more: str) -> Files:
    """A minimal archive; `more` are further members of data/ by name, with - as _ and without .js."""
    account = {
        "username": "Wick_Test",
        "accountId": "77",
        "accountDisplayName": "Wick &amp; Co",
        "email": "a@example.org",
    }
    profile = {
        "description": {"bio": "Fog &amp; gulls", "website": "", "location": ""},
        "avatarMediaUrl": "https://x/p/77.png",
    }
    return {
        "data/tweets.js": js("tweets", tweets),
        "data/account.js": js("account", [{"account": account}]),
        "data/profile.js": js("profile", [{"profile": profile}]),
        "data/twitter-circle-tweet.js": js("twitter_circle_tweet", []),
        **{f"data/{name.replace('_', '-')}.js": content for name, content in more.items()},
    }


def as_zip(path: Path, members: Files, top: str = "") -> Path:
    """The members as a zip at `path`, under the folder `top` in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(top + name, content)
    return path


def as_folder(path: Path, members: Files) -> Path:
    """The members as an unzipped folder."""
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content, encoding="utf-8")
    return path
