"""Name, address and picture of the account, said by its owner where the posts do not say them."""

import io
from pathlib import Path

import pytest
from PIL import Image

from hub_publisher import curate, sources
from hub_publisher.config import Config
from hub_publisher.errors import SourceError


def config_in(folder: Path, **more: object) -> Config:
    posts = folder / "posts.txt"
    posts.write_text("".join(f"The lamp is lit for the {number}th night.\n" for number in range(60)), encoding="utf-8")
    return Config(handle="wick", from_path=posts, runs_dir=folder / "runs", **more)  # type: ignore[arg-type]


def picture_in(folder: Path, colour: str = "red") -> Path:
    Image.new("RGB", (640, 640), colour).save(folder / "me.jpg")
    return folder / "me.jpg"


def test_posts_from_a_file_get_a_name_an_address_and_a_picture(tmp_path: Path) -> None:
    said = {"display_name": "The Wick", "profile_url": "https://example.org/@wick", "avatar": picture_in(tmp_path)}
    config = config_in(tmp_path, **said)
    timeline = sources.fetch(config)
    assert (timeline.display_name, timeline.profile_url) == ("The Wick", "https://example.org/@wick")
    with Image.open(config.run_dir / (timeline.avatar_file or "")) as picture:
        assert (picture.format, picture.size) == ("PNG", (400, 400))
    (account,) = curate.curate(config, timeline).accounts
    assert (account.display_name, account.profile_url) == ("The Wick", "https://example.org/@wick")
    assert account.avatar_file == timeline.avatar_file


def test_without_them_it_is_the_handle_and_no_picture(tmp_path: Path) -> None:
    timeline = sources.fetch(config_in(tmp_path))
    assert (timeline.display_name, timeline.profile_url, timeline.avatar_file) == ("wick", None, None)


def test_what_is_said_counts_more_than_what_the_source_says(tmp_path: Path) -> None:
    config = Config(handle="lampkeeper_bot", display_name="Wick & Son", avatar=picture_in(tmp_path), runs_dir=tmp_path)
    assert sources.fetch(config).display_name == "Wick & Son"
    with Image.open(io.BytesIO((config.run_dir / sources.AVATAR).read_bytes())) as picture:
        assert picture.convert("RGB").getpixel((200, 200))[0] > 200  # type: ignore[index]


def test_another_picture_is_another_state(tmp_path: Path) -> None:
    bare = sources.state(config_in(tmp_path))
    config = config_in(tmp_path, avatar=picture_in(tmp_path))
    red = sources.state(config)
    picture_in(tmp_path, "blue")
    assert len({bare, red, sources.state(config)}) == 3


@pytest.mark.parametrize("content", [b"", b"GIF89a", None], ids=["empty", "gif", "missing"])
def test_what_is_no_picture_is_refused_before_anything_is_done(content: bytes | None, tmp_path: Path) -> None:
    picture = tmp_path / "me.png"
    if content is not None:
        picture.write_bytes(content)
    with pytest.raises(SourceError) as error:
        sources.state(config_in(tmp_path, avatar=picture))
    assert error.value.remedy == "Give a PNG or JPEG file: --avatar picture.png"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "example.org/@wick", "https://me:secret@example.org"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no web address"):
        sources.state(config_in(tmp_path, profile_url=address))
