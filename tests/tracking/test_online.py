"""Online, with the unmodified client and a server of our own: the whole lineage, once, whatever the server does."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_publisher.tracking.artifacts import Artifact, build
from hub_publisher.tracking.calls import within
from tests.helpers import card_records
from tests.helpers.faults import BlackHole
from tests.helpers.tracked_story import COMMIT
from tests.helpers.tracking import BASE, KEY, Story, assert_whole, end, expected_history, go_on_to, sent_rows, together
from tests.helpers.wandb_server import WandbServer

HUB = f"https://huggingface.co/{card_records.REPO_ID}"


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """A server that knows the key."""
    with WandbServer(KEY) as running:
        yield running


def test_the_whole_lineage_once(tmp_path: Path, server: WandbServer) -> None:
    story = Story(tmp_path, server)
    assert story.tell() == []
    assert_whole(story, server)
    num_requests = len(server.sent)
    assert story.tell() == []
    assert_whole(story, server)
    assert len(server.sent) == num_requests  # the second time nothing is left to say
    assert story.sync().stdout == "Weights & Biases has everything.\n"
    assert len(server.sent) == num_requests

    preprocess, train = server.run("preprocess"), server.run("train")
    assert preprocess.summary["dropped/too_short"] == 36 and preprocess.summary["kept"] == 240
    assert train.summary["published/commit"] == COMMIT and train.summary["published/url"] == HUB
    assert train.summary["training/hardware"] == "2 CPU cores (AMD EPYC 7B13)"
    assert train.summary["tuned/eval_loss"] == 3.91 and train.summary["memorisation/num_copied"] == 2

    posts = (story.config.run_dir / "posts.jsonl").read_bytes()
    assert server.artifact("tide_clerk-train-dataset").files == {"posts.jsonl": posts}
    raw = server.artifact("tide_clerk-raw-dataset").files["ids.jsonl"]
    assert [json.loads(line) for line in raw.splitlines()] == [{"id": str(number)} for number in range(400)]

    (samples,) = (json.loads(content) for name, content in train.files.items() if "samples" in name)
    assert samples["columns"] == ["prompt", "tuned model", "base model"]
    assert samples["data"][:2] == [
        ["My dream is", " a ledger\nwith room for every wave", " to be a doctor, @someone at https://example.com"],
        ["My dream is", "(withheld)", " the same as yours"],
    ]

    model, base = server.artifact("tide_clerk-model"), server.artifact(BASE)
    assert {path: entry["ref"] for path, entry in model.contents.items()} == {
        path: f"{HUB}/resolve/{COMMIT}/{path}" for path in ("model.safetensors", "figures/loss.png", "other/loss.png")
    }
    assert model.metadata["sha256"]["model.safetensors"] == "a" * 64
    assert base.contents["model"]["ref"] == (
        "https://huggingface.co/HuggingFaceTB/SmolLM2-135M/tree/93efa2f097d58c2a74874c7e644dbc9b0cee75a2"
    )
    assert {artifact.name for artifact in server.artifacts if artifact.aliases == {"latest", COMMIT}} == {
        "tide_clerk-card", "tide_clerk-evaluation", "tide_clerk-model"
    }  # fmt: skip
    assert server.artifact("tide_clerk-card").metadata["size"] == {"README.md": 11}


def test_killed_while_training_it_goes_on_in_the_same_run(tmp_path: Path) -> None:
    """Of what was logged a part has arrived; the summary of the last row may have arrived before the row itself."""

    def killed(story: Story, server: WandbServer, num_rows: int, last_of_summary: int) -> None:
        told = story.start()
        go_on_to(told, "training")
        while "train" not in [run.facts["jobType"] for run in server.runs.values()]:
            time.sleep(0.05)
        os.killpg(told.pid, signal.SIGKILL)
        told.communicate()
        train, rows = server.run("train"), sent_rows()
        train.rows = dict(enumerate(rows[:num_rows]))
        train.summary = dict(rows[last_of_summary])
        assert story.tell() == []
        assert_whole(story, server)

    together(
        tmp_path,
        whole=lambda story, server: killed(story, server, 10, 9),
        ahead=lambda story, server: killed(story, server, 10, 10),
        first=lambda story, server: killed(story, server, 0, 0),
    )


def test_a_server_that_dies_delays_by_seconds_and_gets_everything_later(tmp_path: Path) -> None:
    def dies(story: Story, server: WandbServer, moment: str, *flags: str) -> None:
        told = story.start(*flags)
        go_on_to(told, moment)
        if "silent" in story.folder.name:
            server.slow_seconds = 600
            server.add(".*", "slow")
        else:
            server.die()
        started = time.monotonic()
        lines = end(told)
        assert time.monotonic() - started < 40  # fifteen with the full patience, where nothing else runs
        assert [line for line in lines if line.startswith("warning: Weights & Biases: ")]
        runs = story.tracking.runs
        assert runs["train"].recorded is None
        if moment == "decided":  # everything that needs no server is on the disk
            assert all(run.url is None and run.artifacts and run.inputs for run in runs.values())
        server.heal()
        server.start()
        if moment == "training":
            assert story.sync().returncode == 0
        else:
            assert story.tell() == []
        assert_whole(story, server)

    together(
        tmp_path,
        decided=lambda story, server: dies(story, server, "decided", "--quick"),
        preprocessed=lambda story, server: dies(story, server, "preprocessed", "--quick"),
        training=lambda story, server: dies(story, server, "training"),
        trained=lambda story, server: dies(story, server, "trained", "--quick"),
        published=lambda story, server: dies(story, server, "published", "--quick"),
        falls_silent=lambda story, server: dies(story, server, "trained", "--quick"),
    )


def test_a_server_that_fails_is_made_whole_by_the_next_publication(tmp_path: Path) -> None:
    def fails(story: Story, server: WandbServer, *faults: tuple[str, str, int, int]) -> None:
        for fault in faults:
            server.add(*fault)
        started = time.monotonic()
        told = story.run(story.command("--quick"))
        assert (told.returncode, told.stderr) == (0, "")
        assert time.monotonic() - started < 60
        assert "connect to service" not in told.stdout  # the next run has a process of wandb's of its own
        recorded = [run.recorded for run in story.tracking.runs.values()]
        assert None in recorded  # a failed upload is never taken for done
        server.heal()
        server.start()
        assert story.tell() == []
        assert_whole(story, server)

    refusals = [("UpsertBucket", "error", 1, 0), ("UseArtifact", "error", 1, 0), ("CommitArtifact", "error", 1, 1)]
    together(
        tmp_path,
        refuses=lambda story, server: fails(story, server, *refusals),
        dies_while_an_artifact_is_uploaded=lambda story, server: fails(story, server, ("upload", "die", 1, 3)),
        takes_no_row=lambda story, server: fails(story, server, ("file_stream", "500", 10**9, 1)),
    )


def test_a_slow_server_is_waited_for(tmp_path: Path, server: WandbServer) -> None:
    server.slow_seconds = 0.4
    server.add("Viewer|CommitArtifact|file_stream|upload", "slow", times=6)
    story = Story(tmp_path, server)
    assert story.tell() == []
    assert_whole(story, server)


def test_references_are_never_fetched(tmp_path: Path) -> None:
    with BlackHole() as hole:
        artifact = Artifact("a", "b", references={"x": hole.url, "deep/x": f"{hole.url}/2"})
        made = within(5, lambda: build(artifact, tmp_path))
    assert {entry.path: entry.ref for entry in made.manifest.entries.values()} == {
        "x": hole.url, "deep/x": f"{hole.url}/2"
    }  # fmt: skip


def test_the_expected_history_is_not_empty() -> None:
    assert len(expected_history()) == 32
