"""The whole story on a tiny model: real clients, a real local Hub, wandb offline, processes that are really killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hub_publisher import localhub
from hub_publisher.readme.escape import printable
from tests.tiny import make_tiny_model

SAMPLE = "lampkeeper_bot"
STAGES = ["curate", "finetune", "evaluate", "snippet", "card", "push", "loadback"]
QUICK = [
    "--num-samples",
    "2",
    "--num-measured-samples",
    "4",
    "--prompts",
    "My dream is",
    "--num-epochs",
    "1",
    "--wandb",
    "offline",
]


class Place:
    """A folder of its own to publish from, with the flags that keep everything inside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_dir = folder / "runs" / SAMPLE
        self.base = make_tiny_model(folder / "base")
        self.flags = ["--runs-dir", str(folder / "runs"), "--hub-dir", str(folder / "hub"),
                      "--base-model", str(self.base)]  # fmt: skip

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "hub_publisher", "publish", SAMPLE, *self.flags, *QUICK, *more]

    def publish(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*more), capture_output=True, encoding="utf-8", check=False, timeout=300)

    def publish_and_kill_at(self, stage: str, after_seconds: float = 0.3) -> None:
        """Start publishing, SIGKILL it shortly after `stage` began."""
        child = subprocess.Popen(self.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert child.stderr
        for line in child.stderr:
            if f" {stage} " in line and line.rstrip().endswith("..."):
                break
        else:
            pytest.fail(f"{stage} never began")
        time.sleep(after_seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stderr.close()

    def commits(self) -> list[str]:
        with localhub.start(self.folder / "hub") as hub:
            api = HfApi(endpoint=hub.url, token=hub.token)
            return [commit.title for commit in api.list_repo_commits(f"huggingtweets/{SAMPLE}")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, subprocess.CompletedProcess[str]]:
    """A publication that was killed in every stage and then went to its end."""
    place = Place(tmp_path_factory.mktemp("published"))
    for stage in STAGES:
        place.publish_and_kill_at(stage)
    return place, place.publish()


Published = tuple[Place, subprocess.CompletedProcess[str]]


def test_a_run_killed_in_every_stage_finishes_with_one_commit(published: Published) -> None:
    place, result = published
    assert result.returncode == 0, result.stderr
    states = {line.split()[1]: line.split(maxsplit=2)[2] for line in result.stderr.splitlines() if line.startswith("[")}
    for stage in STAGES[:-1]:  # each was reached, so everything before it had been done, and stays done
        assert states[stage] == "up to date" or stage in ("push",), (stage, result.stderr)
    titles = place.commits()
    assert len([title for title in titles if title != "initial commit"]) == 1, titles
    assert (
        not [*place.run_dir.glob(".model*"), *place.run_dir.glob(".reader*")]
        and not (place.run_dir / "training").exists()
    )


def test_it_ends_with_five_posts_the_url_and_the_next_command(published: Published) -> None:
    _, result = published
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n  - My dream is") == 5
    assert result.stdout.rstrip().splitlines()[-1].endswith(f"/huggingtweets/{SAMPLE}")
    assert "Next: `make serve`" in result.stderr.splitlines()[-1]


def test_the_first_lines_say_what_will_happen_where(published: Published) -> None:
    _, result = published
    lines = result.stderr.splitlines()
    assert lines[0] == f"Publishing @{SAMPLE}"
    assert lines[1].startswith("  target      the local Hub at http://127.0.0.1:")
    assert lines[2] == f"  repository  huggingtweets/{SAMPLE} (public)"
    assert lines[3] == "  base model  a local folder"
    assert lines[4] == "  posts       761 from sample"
    assert lines[5].startswith("  W&B         offline: ")
    assert lines[6] == (
        "  W&B gets    nothing now; with a sync full: every kept post with its split, and the ids of all that were "
        "read (--dataset-artifact full|ids|none)"
    )
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
    posts = [json.loads(line)["text"] for line in (place.run_dir / "posts.jsonl").read_text().splitlines()]
    for path in (place.run_dir / "model").rglob("*.*"):
        if path.suffix in (".json", ".md"):
            text = path.read_text(encoding="utf-8")
            assert str(place.folder) not in text, path.name
            if path.name not in ("tokenizer.json", "config.json"):
                assert not [post for post in posts if len(post) > 20 and post in text], path.name


def test_the_published_model_holds_and_can_be_measured_again(published: Published) -> None:
    place, _ = published
    command = [sys.executable, "-m", "hub_publisher", "verify", f"huggingtweets/{SAMPLE}", "--hub", "local",
               "--hub-dir", str(place.folder / "hub"), "--runs-dir", str(place.folder / "runs"),
               "--evaluate"]  # fmt: skip
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
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


def test_a_second_call_does_nothing_again(published: Published) -> None:
    place, _ = published
    before = {path: path.stat().st_mtime_ns for path in place.run_dir.rglob("*.json*") if "wandb" not in path.parts}
    commits = place.commits()
    result = place.publish()
    assert result.returncode == 0, result.stderr
    assert [line.split()[-3:] for line in result.stderr.splitlines() if line.startswith("[")] == [
        ["up", "to", "date"]
    ] * len(STAGES)
    assert result.stdout.count("\n  - My dream is") == 5
    after = {path: path.stat().st_mtime_ns for path in place.run_dir.rglob("*.json*") if "wandb" not in path.parts}
    assert after == before
    assert place.commits() == commits


def test_forcing_the_card_does_it_and_what_follows_again(published: Published) -> None:
    place, _ = published
    result = place.publish("--force", "card")
    states = {line.split()[1]: line.split(maxsplit=2)[2] for line in result.stderr.splitlines() if line.startswith("[")}
    assert states["finetune"] == states["evaluate"] == "up to date"
    assert states["card"].startswith("done in") and states["push"].startswith("done in")


def test_as_json_the_records_are_on_stdout_and_nothing_else(published: Published) -> None:
    place, _ = published
    result = place.publish("--json")
    records = json.loads(result.stdout)
    assert set(records) == {"receipt", "loadback", "curation", "training", "evaluation"}
    assert records["receipt"]["repo_id"] == f"huggingtweets/{SAMPLE}"


def test_a_dry_run_says_what_is_done_and_writes_nothing(published: Published, tmp_path: Path) -> None:
    place, _ = published
    done = place.publish("--dry-run")
    assert [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()] == ["up to date"] * 8
    place.flags[1], runs = str(tmp_path / "runs"), place.flags[1]
    try:
        fresh = place.publish("--dry-run", "--json")
    finally:
        place.flags[1] = runs
    assert json.loads(fresh.stdout) == dict.fromkeys(["fetch", *STAGES], "to do")
    assert not (tmp_path / "runs").exists()


def test_a_new_prompt_measures_again_but_does_not_train_again(published: Published) -> None:
    place, _ = published
    result = place.publish("--prompts", "The lamp")
    states = {line.split()[1]: line.split(maxsplit=2)[2] for line in result.stderr.splitlines() if line.startswith("[")}
    assert states["finetune"] == "up to date" and states["evaluate"].startswith("done in")
    evaluation = json.loads((place.run_dir / "evaluation.json").read_text())
    assert [row["prompt"] for row in evaluation["samples"]] == ["My dream is", "The lamp"]


def test_interrupted_it_says_so_and_leaves_nothing_running(tmp_path: Path) -> None:
    place = Place(tmp_path)
    child = subprocess.Popen(place.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                             start_new_session=True)  # fmt: skip
    assert child.stderr
    log = place.run_dir / "training-log.jsonl"
    while not (log.exists() and log.read_text()):
        assert child.poll() is None
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)  # as Ctrl-C does: everyone in the foreground hears it
    said = child.stderr.read()
    assert child.wait(60) == 130, said
    assert said.rstrip().endswith("Interrupted. The same command goes on from here.")
    assert "Traceback" not in said
    child.stderr.close()
    time.sleep(1)
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
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
