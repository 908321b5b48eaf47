"""`inspect`, and the other commands about publications where there is none."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub_publisher.cli import main

POSTS = (
    "The lamp is lit and the kettle is on tonight.",
    "RT @keeper: the fog is in\nagain",
    "https://a.example",
    "Oil.",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "created_at": "2024-03-05"}) for text in POSTS))
    return path


def test_inspect_counts_by_reason_and_writes_nothing(posts: Path) -> None:
    runs = posts.parent / "runs"
    result = run("inspect", "me", "--from-path", str(posts), "--runs-dir", str(runs))
    assert result.exit_code == 0, result.output
    rows = dict(line.split() for line in result.stdout.splitlines())
    assert (rows["downloaded"], rows["reposts"], rows["only_links"], rows["too_short"], rows["kept"]) == tuple("41111")
    as_json = run("inspect", "me", "--from-path", str(posts), "--runs-dir", str(runs), "--json")
    assert json.loads(as_json.stdout) == {name: int(number) for name, number in rows.items()}
    assert not runs.exists()


def test_inspect_shows_the_posts_of_a_reason(posts: Path) -> None:
    result = run("inspect", "me", "--from-path", str(posts), "--show", "reposts")
    assert result.stdout == "2024-03-05  RT @keeper: the fog is in\n            again\n"
    as_json = run("inspect", "me", "--from-path", str(posts), "--show", "reposts", "--json")
    assert [post["text"] for post in json.loads(as_json.stdout)] == [POSTS[1]]


def test_inspect_of_an_unknown_reason_names_those_there_are(posts: Path) -> None:
    result = run("inspect", "me", "--from-path", str(posts), "--show", "dull")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No post is dropped for 'dull'.\nChoose one of: reposts, without_text, ")


def test_inspect_takes_the_posts_that_were_fetched(posts: Path) -> None:
    runs = posts.parent / "runs"
    assert run("fetch", "me", "--from-path", str(posts), "--runs-dir", str(runs)).exit_code == 0
    posts.unlink()
    result = run("inspect", "me", "--runs-dir", str(runs), "--json")
    assert json.loads(result.stdout)["downloaded"] == 4
    (runs / "me" / "timeline.jsonl").unlink()
    damaged = run("inspect", "me", "--runs-dir", str(runs))
    assert damaged.exit_code == 1 and "Make it again: hub-publisher fetch me" in damaged.stderr


@pytest.mark.parametrize("command", [["status"], ["delete", "--yes"]])
def test_where_there_is_no_publication(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "thesis.txt").write_text("not ours")
    result = run(command[0], "me", *command[1:], "--runs-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: There is no publication in {tmp_path / 'me'}.\nSee what there is: hub-publisher list\n",
    )
    assert (tmp_path / "me" / "thesis.txt").exists()


def test_a_list_of_nothing_says_what_to_type(tmp_path: Path) -> None:
    result = run("list", "--runs-dir", str(tmp_path / "none"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("To make one: hub-publisher publish lampkeeper_bot\n")
    assert json.loads(run("list", "--runs-dir", str(tmp_path / "none"), "--json").stdout) == []
