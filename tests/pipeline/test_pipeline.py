"""The whole story on a tiny model: real clients, a real local Hub, wandb offline, a process that is really killed."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from hub_publisher import localhub
from hub_publisher.cli import main
from hub_publisher.pipeline.stages import STAGES
from hub_publisher.readme.escape import printable
from tests.helpers.publication import SAMPLE, Place, Said, states
from tests.helpers.tiny import make_tiny_model

NAMES = [stage.name for stage in STAGES]
Published = tuple[Place, Said]


def test_a_killed_run_goes_on_and_publishes_once(published: Published) -> None:
    place, result = published
    said = states(result.stderr.splitlines())
    assert list(said) == NAMES
    assert said["fetch"] == said["curate"] == "up to date", "what was done before the kill stays done"
    assert all(re.fullmatch(r"done in \d+ s", said[stage]) for stage in NAMES[2:])
    assert place.commits() == ["Publish the model and its card"]
    assert not [*place.run_dir.glob(".model*"), *place.run_dir.glob(".reader*")]
    assert not (place.run_dir / "training").exists()


def test_it_ends_with_five_posts_the_url_and_the_next_command(published: Published) -> None:
    _, result = published
    assert result.stdout.count("\n  - My dream is") == 5
    assert result.stdout.rstrip().splitlines()[-1].endswith(f"/huggingtweets/{SAMPLE}")
    assert "Next: `hub-publisher serve`" in result.stderr.splitlines()[-1]


def test_the_first_lines_say_what_will_happen_where(published: Published) -> None:
    _, result = published
    lines = result.stderr.splitlines()
    assert lines[0] == f"Publishing @{SAMPLE}"
    assert lines[1].startswith("  target      the local Hub at http://127.0.0.1:")
    assert lines[2] == f"  repository  huggingtweets/{SAMPLE} (public)"
    assert lines[3] == "[1/8] fetch     up to date"
    assert lines[4] == "      posts       761 from the bundled sample"
    assert lines[5] == "      base model  a local folder"
    assert lines[6].startswith("      W&B         offline: ")
    assert lines[7] == (
        f"      W&B gets    nothing now; if you run `hub-publisher sync {SAMPLE}` later, every kept post, whether it "
        "was trained on, and the ids of all that were read (--dataset-artifact full; it may also be ids or none)"
    )
    assert lines[8] == "[2/8] curate    up to date"
    note = f"      note: Weights & Biases has nothing of this; to upload it: hub-publisher sync {SAMPLE}"
    assert lines.count(note) == 1


def test_the_model_loads_without_a_word(published: Published) -> None:
    place, _ = published
    record = json.loads((place.run_dir / "loadback.json").read_text())
    assert record["stderr"] == ""
    assert len(record["texts"]) == 5 and all(text.startswith("My dream is") for text in record["texts"])


def test_the_repository_holds_what_the_receipt_says_and_nothing_else(published: Published) -> None:
    place, _ = published
    receipt = json.loads((place.run_dir / "receipt.json").read_text())
    with localhub.start(place.folder / "hub") as hub:
        remote = set(HfApi(endpoint=hub.url).list_repo_files(receipt["repo_id"]))
    assert remote - {".gitattributes"} == set(receipt["files"])
    assert {"README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} < remote


def test_no_post_and_no_path_stands_in_what_was_published(published: Published) -> None:
    place, _ = published
    made_in = str(place.base.parent)
    posts = [json.loads(line)["text"] for line in (place.run_dir / "posts.jsonl").read_text().splitlines()]
    for path in (place.run_dir / "model").rglob("*.*"):
        if path.suffix in (".json", ".md"):
            text = path.read_text(encoding="utf-8")
            assert made_in not in text, path.name
            if path.name not in ("tokenizer.json", "config.json"):
                assert not [post for post in posts if len(post) > 20 and post in text], path.name


def test_the_published_model_holds_and_can_be_measured_again(published: Published) -> None:
    place, _ = published
    places = ["--hub-dir", str(place.folder / "hub"), "--runs-dir", str(place.folder / "runs")]
    result = CliRunner().invoke(main, ["verify", f"huggingtweets/{SAMPLE}", "--hub", "local", *places, "--evaluate"])
    assert result.exit_code == 0, result.output
    assert "FAILS" not in result.stdout and "note" not in result.stdout
    assert "ok     measured again: perplexity: " in result.stdout


def test_the_code_on_the_card_is_the_code_that_was_run(published: Published) -> None:
    place, _ = published
    tried = json.loads((place.run_dir / "snippet.json").read_text())
    page = (place.run_dir / "model" / "README.md").read_text()
    assert f"```python\n{tried['code']}```" in page
    assert tried["stderr"] == ""
    shown = [printable(text).rstrip("\n") for text in tried["printed"] if text]
    assert len(tried["printed"]) == 3
    assert [text for text in shown if text not in page] == []


def test_a_second_call_does_nothing_again_and_prints_records_as_json(published: Published) -> None:
    place, _ = published
    before, commits = _times(place), place.commits()
    result = CliRunner().invoke(main, ["publish", *place.flags("--json")])
    assert result.exit_code == 0, result.output
    assert states(result.stderr.splitlines()) == dict.fromkeys(NAMES, "up to date")
    records = json.loads(result.stdout)
    assert set(records) == {"receipt", "loadback", "curation", "training", "evaluation"}
    assert records["receipt"]["repo_id"] == f"huggingtweets/{SAMPLE}"
    assert len(records["loadback"]["texts"]) == 5
    assert (_times(place), place.commits()) == (before, commits)


def _times(place: Place) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in place.run_dir.rglob("*.json*") if "wandb" not in path.parts}


def test_a_dry_run_says_what_is_done_and_writes_nothing(published: Published, tmp_path: Path) -> None:
    place, _ = published
    done = CliRunner().invoke(main, ["publish", *place.flags("--dry-run")])
    assert [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()] == ["up to date"] * 8
    flags = place.flags("--dry-run", "--json", "--runs-dir", str(tmp_path / "r"))
    fresh = CliRunner().invoke(main, ["publish", *flags])
    assert json.loads(fresh.stdout) == dict.fromkeys(NAMES, "to do")
    assert not (tmp_path / "r").exists()


def test_interrupted_it_says_so_and_leaves_nothing_running(
    started: Callable[[Place], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    place = Place(tmp_path, make_tiny_model(tmp_path / "base"))
    child = started(place)
    os.killpg(child.pid, signal.SIGINT)  # as Ctrl-C does: everyone in the foreground hears it
    assert child.stderr
    said = child.stderr.read()
    assert child.wait(60) == 130, said
    assert said.rstrip().endswith("Interrupted. The same command goes on from here.")
    assert "Traceback" not in said
    child.stderr.close()
    time.sleep(1)
    log = place.run_dir / "training-log.jsonl"
    size = log.stat().st_size
    time.sleep(2)
    assert log.stat().st_size == size, "the training processes go on"


def test_from_python(tmp_path: Path) -> None:
    from hub_publisher import Config, publish
    from hub_publisher.errors import HubError

    lines: list[str] = []
    config = Config(handle=SAMPLE, runs_dir=tmp_path / "runs", hub_dir=tmp_path / "hub", hub="http://127.0.0.1:9")
    with pytest.raises(HubError):
        publish(config, lines.append)
    assert not lines
