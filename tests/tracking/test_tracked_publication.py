"""A real publication of a tiny model, tracked: online and killed while it trains, then offline and uploaded later."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from huggingface_hub import HfApi

from hub_publisher import localhub, tracking
from hub_publisher.config import Config
from hub_publisher.records import TIMELINE, Curation, Evaluation, Post, Receipt, Timeline
from hub_publisher.system.files import read_jsonl, read_record
from hub_publisher.tracking.records import Tracking
from tests.helpers.tiny import make_tiny_model
from tests.helpers.tracking import KEY
from tests.helpers.wandb_server import ENTITY, WandbServer

WORDS = "lamp fog gull ship stair tide rope bell mist oil glass brass salt wind rain kettle storm signal anchor wave"
QUICK = ["--num-samples", "1", "--num-measured-samples", "2", "--prompts", "My dream is", "--min-posts", "20"]


class Publication:
    """A folder that holds everything: the posts, a base model, the local Hub and the publication."""

    def __init__(self, folder: Path, server: WandbServer | None) -> None:
        self.folder, self.server = folder, server
        self.run_dir = folder / "runs" / "keeper"

    def prepare(self) -> "Publication":
        words = WORDS.split()
        rows = [
            {"id": str(n), "text": " ".join(words[(n * k * k + 7 * k) % 20] for k in range(1, 5 + n % 7)) + f" {n}"}
            for n in range(160)
        ]
        (self.folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        make_tiny_model(self.folder / "base")
        return self

    def command(self, name: str, *more: str) -> list[str]:
        places = ["--runs-dir", str(self.folder / "runs"), "--hub-dir", str(self.folder / "hub")]
        return [sys.executable, "-m", "hub_publisher", name, "keeper", *places, *more]

    def publish_command(self, *more: str) -> list[str]:
        sources = ["--from-path", str(self.folder / "posts.jsonl"), "--base-model", str(self.folder / "base")]
        return self.command("publish", *sources, *QUICK, "--log-with", "tensorboard", *more)

    @property
    def environment(self) -> dict[str, str]:
        login = {"WANDB_BASE_URL": self.server.url, "WANDB_API_KEY": KEY} if self.server else {}
        return {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(self.folder), **login}

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", env=self.environment, check=False, timeout=400
        )

    @property
    def tracking(self) -> Tracking:
        return Tracking.model_validate_json((self.run_dir / "tracking.json").read_bytes())

    def published(self) -> tuple[str, list[str], str]:
        """README.md, the titles of the commits, and the head."""
        with localhub.start(self.folder / "hub") as hub:
            api, repo_id = HfApi(endpoint=hub.url, token=hub.token), "huggingtweets/keeper"
            page = Path(api.hf_hub_download(repo_id, "README.md")).read_text()
            commits = api.list_repo_commits(repo_id)
            return page, [commit.title for commit in commits][:-1], commits[0].commit_id


def test_online_killed_and_resumed_then_offline_and_uploaded_from_a_copy(tmp_path: Path) -> None:
    """One training for both: each test process would have to train for itself."""
    with WandbServer(KEY) as server:
        online = publish_killed_and_resumed(tmp_path / "online", server)
        assert_whole(online, server)
        assert online.published()[1] == ["Publish the model and its card"]
    shutil.copytree(online.folder, tmp_path / "copy", symlinks=True)
    offline = track_again_offline(Publication(tmp_path / "copy", None))
    shutil.move(offline.folder, tmp_path / "moved")
    with WandbServer(KEY) as server:
        moved = Publication(tmp_path / "moved", server)
        done = moved.run(moved.command("sync"))
        assert done.returncode == 0, done.stderr
        assert_whole(moved, server)
    assert moved.published()[1] == ["Link the Weights & Biases runs", "Publish the model and its card"]


def publish_killed_and_resumed(folder: Path, server: WandbServer) -> Publication:
    """Killed while it trains, then published to the end."""
    folder.mkdir()
    publication = Publication(folder, server).prepare()
    child = subprocess.Popen(publication.publish_command(), env=publication.environment, start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    log = publication.run_dir / "training-log.jsonl"
    while not log.exists() or len(log.read_bytes().splitlines()) < 3:
        assert child.poll() is None
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    done = publication.run(publication.publish_command())
    assert done.returncode == 0, done.stderr
    assert "warning: Weights" not in done.stderr and "wandb:" not in done.stderr
    return publication


def assert_whole(publication: Publication, server: WandbServer) -> None:
    """Both runs, their artifacts and edges, once; the card's links are the runs' addresses."""
    runs = publication.tracking.runs
    page, _, head = publication.published()
    preprocess, train = server.run("preprocess"), server.run("train")
    assert {run.run_id for run in runs.values()} == set(server.runs) and len(server.runs) == 2
    for run in runs.values():
        assert run.recorded is not None
        assert run.url == f"{server.url}/{ENTITY}/hub-publisher/runs/{run.run_id}" and run.url in page
    log = [json.loads(line) for line in (publication.run_dir / "training-log.jsonl").read_bytes().splitlines()]
    history = [row for row in train.history if "samples" not in row]
    assert [("eval" if "eval/loss" in row else "step", row["train/global_step"]) for row in history] == [
        (line["kind"], line["step"]) for line in log
    ]
    # One that was under way when the client was killed stays pending; it is no version, and was sent again.
    committed = [artifact for artifact in server.artifacts if artifact.state == "COMMITTED"]
    assert [artifact.version for artifact in committed if artifact.type == "run_table"] == [
        *(f"run-{preprocess.name}-{name}:v0" for name in ("languages", "lengths", "dropped")),
        f"run-{train.name}-samples:v0",
    ]
    assert sorted(artifact.version for artifact in committed if artifact.type != "run_table") == [
        "a-local-folder:v0", "keeper-card:v0", "keeper-evaluation:v0", "keeper-model:v0",
        "keeper-raw-dataset:v0", "keeper-train-dataset:v0",
    ]  # fmt: skip
    assert sorted(server.uses) == sorted(
        [
            (preprocess.name, "keeper-raw-dataset:v0"),
            (train.name, "keeper-train-dataset:v0"),
            (train.name, "a-local-folder:v0"),
        ]
    )
    assert [*(publication.run_dir / "trackers" / "tensorboard").rglob("events.out.tfevents.*")]
    receipt = json.loads((publication.run_dir / "receipt.json").read_bytes())
    assert receipt["commit"] == head == train.summary["published/commit"]
    assert server.artifact("keeper-model").metadata["sha256"] == receipt["files"]
    assert train.summary["training/num_steps"] == max(line["step"] for line in log)


def track_again_offline(publication: Publication) -> Publication:
    """The same records, tracked again by somebody without a login, as the pipeline does when all is up to date."""
    assert not (publication.run_dir / "wandb").exists()
    (publication.run_dir / "tracking.json").unlink()
    config = Config(handle="keeper", runs_dir=publication.folder / "runs", wandb="offline")
    header = read_record(config.run_dir / "timeline.json", Timeline)
    assert header
    timeline = header.model_copy(update={"posts": tuple(read_jsonl(config.run_dir / TIMELINE, Post))})
    curation = read_record(config.run_dir / "curation.json", Curation)
    evaluation = read_record(config.run_dir / "evaluation.json", Evaluation)
    receipt = read_record(config.run_dir / "receipt.json", Receipt)
    assert curation and evaluation and receipt
    decided = tracking.record_preprocess(config, tracking.decide(config), timeline, curation)
    with tracking.open_run(config, decided, "train", {"seed": 42}) as run:
        tracking.record_publication(run, evaluation, config, receipt)
    assert run.warnings == []
    assert [known.url for known in publication.tracking.runs.values()] == [None, None]
    return publication
