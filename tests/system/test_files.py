"""Records survive the disk, and are on it whole or not at all."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_publisher.records import LoadBack, Post
from hub_publisher.system import files as disk

LOADBACK = LoadBack(fingerprint="f", prompt="p", texts=("a\u2028b", "😀"), stderr="", seconds=1.5)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_record_comes_back_as_it_went(tmp_path: Path) -> None:
    disk.write_record(tmp_path / "deep" / "record.json", LOADBACK)
    assert disk.read_record(tmp_path / "deep" / "record.json", LoadBack) == LOADBACK


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": "f"}', '{"other": 1}', "\xff"])
def test_what_is_no_record_counts_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(content, encoding="latin-1")
    assert disk.read_record(tmp_path / "record.json", LoadBack) is None


def test_a_file_is_whole_while_it_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights")
    was = disk.output_of(path)
    assert (was.size, was.sha256) == (7, disk.sha256_of(path)) and disk.is_whole(path, was)
    path.write_bytes(b"weighty")
    os.utime(path, ns=(1, 1))
    assert not disk.is_whole(path, was)
    os.utime(path, ns=(was.mtime_ns, was.mtime_ns))
    assert disk.is_whole(path, was) and not disk.is_whole(path, was, read_it=True)  # only reading it tells
    path.write_bytes(b"weights")
    os.utime(path, ns=(1, 1))
    assert disk.is_whole(path, was) and disk.is_whole(path, was, read_it=True)  # copied back at another time
    path.write_bytes(b"less")
    assert not disk.is_whole(path, was)
    path.unlink()
    assert not disk.is_whole(path, was)
    path.mkdir()
    assert not disk.is_whole(path, was)


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path: Path) -> None:
    path = tmp_path / "file"
    disk.write_bytes(path, b"old")

    def broken() -> "object":
        yield b"new"
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        disk.write_bytes(path, broken())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@given(st.lists(st.builds(Post, id=TEXT, text=TEXT, links=st.lists(TEXT, max_size=2).map(tuple)), max_size=5))
def test_any_posts_come_back(posts: list[Post]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk.write_jsonl(Path(folder) / "t.jsonl", posts)
        assert list(disk.read_jsonl(Path(folder) / "t.jsonl", Post)) == posts


def test_a_fingerprint_depends_on_every_part_and_on_nothing_else() -> None:
    assert disk.fingerprint("a", {"x": 1, "y": 2}) == disk.fingerprint("a", {"y": 2, "x": 1})
    different = {disk.fingerprint(*parts) for parts in (("a", "b"), ("b", "a"), ("ab",), ("a", "b", None), ())}
    assert len(different) == 5
    assert len(disk.fingerprint()) == 64


def test_jsonl_holds_one_row_a_line_whatever_the_text(tmp_path: Path) -> None:
    rows = [Post(id="1", text="two\nlines"), Post(id="2", text="\u2028\u0085")]
    disk.write_jsonl(tmp_path / "p.jsonl", rows)
    lines = (tmp_path / "p.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 3 and json.loads(lines[0])["text"] == "two\nlines"
    assert list(disk.read_jsonl(tmp_path / "p.jsonl", Post)) == rows


def test_files_follow_the_umask_and_folders_are_their_owners(tmp_path: Path) -> None:
    disk.private_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    script = (
        "import os, sys; os.umask(0o077); from pathlib import Path; from hub_publisher.system.files import write_bytes;"
        "write_bytes(Path(sys.argv[1]), b'x')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "file")], check=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
