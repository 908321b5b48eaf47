"""Published offline, uploaded later: from wherever the folder lies by then, once, and linked from the card."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256 as digest
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hub_publisher import tracking
from hub_publisher.errors import CardError, HubError, PublisherError
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.publish import alone
from hub_publisher.pipeline.sync import link, sync
from hub_publisher.records import Receipt
from hub_publisher.system.files import write_record
from tests.helpers import card_records
from tests.helpers.published_cards import PublishedCard
from tests.helpers.tracking import BASE, KEY, Story, assert_whole, expected_history, history, together
from tests.helpers.wandb_server import WandbServer

AGAIN = "What is there stays there; go on later with: hub-publisher sync tide_clerk\n"


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """A server that knows the key."""
    with WandbServer(KEY) as running:
        yield running


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a publication that was told on a machine without a login."""
    story = Story(tmp_path_factory.mktemp("offline"))
    assert story.tell() == []
    return story.folder


def moved(offline: Path, folder: Path, server: WandbServer | None) -> Story:
    """The publication, copied to another machine."""
    shutil.copytree(offline / "runs", folder / "runs", symlinks=True)
    return Story(folder, server)


def page(hub: LocalHub, repo_id: str) -> str:
    return Path(HfApi(endpoint=hub.url).hf_hub_download(repo_id, "README.md")).read_text()


def commits(hub: LocalHub, repo_id: str) -> list[str]:
    return [commit.title for commit in HfApi(endpoint=hub.url).list_repo_commits(repo_id)][:-1]


def test_offline_a_ledger_names_inputs_and_nothing_else_is_kept(offline: Path) -> None:
    runs = Story(offline).tracking.runs
    assert set(runs["preprocess"].inputs) == {"tide_clerk-raw-dataset"}
    assert set(runs["train"].inputs) == {"tide_clerk-train-dataset", "HuggingFaceTB-SmolLM2-135M"}
    assert set(runs["train"].artifacts) == {"tide_clerk-card", "tide_clerk-evaluation", "tide_clerk-model"}
    assert all(len(digest) == 32 for digest in runs["train"].artifacts.values())
    assert [run.url for run in runs.values()] == [None, None]
    assert runs["train"].inputs["tide_clerk-train-dataset"] == runs["preprocess"].artifacts["tide_clerk-train-dataset"]
    kept = {path.name for path in Story(offline).config.run_dir.iterdir()}
    records = {"curation.json", "training.json", "evaluation.json", "receipt.json", "timeline.json", "timeline.jsonl"}
    assert kept == records | {"tracking.json", "training-log.jsonl", "posts.jsonl", "model"}


def test_offline_wandb_is_not_imported(tmp_path: Path) -> None:
    """Neither to decide, nor to track: without a login, and asked for by name."""
    for flags in ([], ["--wandb=offline"], ["--wandb=disabled"]):
        done = (story := Story(tmp_path)).run(story.command("--imports", *flags))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == "wandb was not imported"


def test_uploaded_whole_then_linked_in_one_commit_then_nothing(
    tmp_path: Path, server: WandbServer, hub: LocalHub
) -> None:
    story = Story(tmp_path / "here", hub=hub)
    assert story.tell() == []
    repo_id = "huggingtweets/tide_clerk"
    before = page(hub, repo_id)
    assert "/runs/" not in before and "http://127" not in before  # no dead link
    shutil.move(tmp_path / "here", tmp_path / "there")
    story = Story(tmp_path / "there", server, hub)
    done = story.sync()
    assert done.returncode == 0, done.stderr
    assert_whole(story, server)
    urls = {job: run.url for job, run in story.tracking.runs.items()}
    assert done.stdout.splitlines() == [f"preprocess  {urls['preprocess']}", f"train       {urls['train']}"]
    after = page(hub, repo_id)
    assert all(url and url in after for url in urls.values())
    assert commits(hub, repo_id) == ["Link the Weights & Biases runs", "Publish the model and its card"]
    receipt = Receipt.model_validate_json((story.config.run_dir / "receipt.json").read_bytes())
    assert receipt.commit == HfApi(endpoint=hub.url).model_info(repo_id).sha
    assert server.artifact("tide_clerk-model").metadata["sha256"] == receipt.files
    assert server.artifact("tide_clerk-model").aliases == {"latest", receipt.commit}
    assert server.artifact("tide_clerk-card").files["README.md"].decode() == after
    assert server.run("train").summary["published/commit"] == receipt.commit
    num_requests = len(server.sent)
    again = story.sync()
    assert (again.returncode, again.stderr) == (0, "Weights & Biases has everything.\n")
    assert len(server.sent) == num_requests and len(commits(hub, repo_id)) == 2
    assert story.tell() == []  # publishing again renders, and finds, the same card
    assert len(server.sent) == num_requests and len(commits(hub, repo_id)) == 2


def test_interrupted_by_its_server_or_killed_it_goes_on(tmp_path: Path, offline: Path) -> None:
    def interrupted(story: Story, server: WandbServer, operation: str, after: int) -> None:
        moved(offline, story.folder, server)
        server.add(operation, "die", times=1, after=after)
        done = story.sync("--quick")
        assert done.returncode == 1
        assert done.stderr.startswith("Nothing more can be sent to Weights & Biases: ")
        assert done.stderr.endswith(AGAIN)
        begun = [run for run in story.tracking.runs.values() if run.url]
        assert begun and all(
            version == "v0" for run in begun for version in [*run.inputs.values(), *run.artifacts.values()]
        )
        server.start()
        go_on(story, server)

    def killed(story: Story, server: WandbServer) -> None:
        moved(offline, story.folder, server)
        server.slow_seconds = 2
        server.add("UseArtifact", "slow", after=1)
        child = subprocess.Popen(story.command("--sync"), env=story.environment(), start_new_session=True)
        give_up_at = time.monotonic() + 60
        while server.operations.count("UseArtifact") < 2:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        go_on(story, server)

    def go_on(story: Story, server: WandbServer) -> None:
        server.heal()
        done = story.sync()
        assert done.returncode == 0, done.stderr
        assert_whole(story, server)

    together(
        tmp_path,
        rows=lambda story, server: interrupted(story, server, "file_stream", 2),
        edges=lambda story, server: interrupted(story, server, "UseArtifact", 1),
        killed=killed,
    )


def test_a_publication_that_never_came_to_its_end(tmp_path: Path, offline: Path, server: WandbServer) -> None:
    """Its curve and its inputs are uploaded; nothing is said to be published."""
    story = moved(offline, tmp_path, server)
    for name in ("evaluation.json", "receipt.json"):
        (story.config.run_dir / name).unlink()
    assert story.sync().returncode == 0
    assert history(server) == expected_history()
    assert {name for run, name in server.uses if run == server.run("train").name} == {
        "tide_clerk-train-dataset:v0", f"{BASE}:v0"
    }  # fmt: skip
    assert story.tracking.runs["train"].recorded is None
    left = tracking.remainder(story.config)
    assert left and left.startswith("Weights & Biases has only a part of this; ")


def test_without_a_key_or_a_run_it_says_what_to_do(tmp_path: Path, offline: Path) -> None:
    story = moved(offline, tmp_path, None)
    done = story.sync()
    assert (done.returncode, done.stderr) == (
        1,
        "Nothing more can be sent to Weights & Biases: starting the run failed: there is no API key.\n"
        f"Log in with `wandb login`, or set WANDB_API_KEY. {AGAIN}",
    )
    (story.config.run_dir / "tracking.json").unlink()
    assert story.sync().stderr == (
        f"There is no Weights & Biases run in {story.config.run_dir}.\n"
        "Publish first: hub-publisher publish tide_clerk --wandb offline\n"
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, hub: LocalHub) -> PublishedCard:
    """A card that names no runs. The tests leave it so, but for the last."""
    card = PublishedCard(hub, tmp_path_factory.mktemp("published"), "linked")
    card.push(tracking=None)
    return card


def test_a_card_of_other_templates_is_left_alone(tmp_path: Path, published: PublishedCard) -> None:
    template = tmp_path / "mine.jinja"
    template.write_text("# Mine\n")
    with pytest.raises(CardError) as error:
        link(replace(published.config, template=template), card_records.tracking())
    assert error.value.message == "The card of huggingtweets/linked was made with other templates than these."
    assert error.value.remedy == (
        "Name them with --template, or take these first: hub-publisher card --refresh huggingtweets/linked"
    )
    assert len(published.commits()) == 1


def test_a_card_in_a_pull_request_waits(published: PublishedCard) -> None:
    path = published.config.run_dir / "receipt.json"
    receipt = Receipt.model_validate_json(path.read_bytes())
    write_record(path, receipt.model_copy(update={"pull_request": 7}))
    lines: list[str] = []
    link(published.config, card_records.tracking(), lines.append)
    write_record(path, receipt)
    assert lines == ["card        waits in pull request 7; publish again with --create-pr to link the runs"]
    assert len(published.commits()) == 1


def test_an_edited_card_stops_the_link_until_the_edit_is_gone(published: PublishedCard) -> None:
    """Then the links change, and nothing else."""
    published.edit("## Limitations and bias", "## Limitations, and bias too")
    with pytest.raises(HubError, match="was edited inside what hub_publisher writes; nothing was published"):
        link(published.config, card_records.tracking())
    published.edit("## Limitations, and bias too", "## Limitations and bias")
    published.write("README.md", published.read() + "\nA word of mine.\n")
    before = published.read()
    lines: list[str] = []
    receipt = link(published.config, card_records.tracking(), lines.append)
    assert receipt is not None and lines == [f"card        {receipt.url} at {receipt.commit}"]
    after = published.read()
    assert card_records.TRAIN_LINK in after and card_records.PREPROCESS_LINK in after
    assert after.endswith("\nA word of mine.\n")
    manifest = digest(published.read("manifest.json").encode()).hexdigest()
    assert published.render()["manifest.json"] == manifest  # as the pipeline renders it
    assert set(after.split()) - set(before.split())
    assert link(published.config, card_records.tracking(), lines.append) == receipt and len(lines) == 1
    assert published.commits()[0] == "Link the Weights & Biases runs"


def test_one_process_at_a_time(offline: Path, tmp_path: Path) -> None:
    config = moved(offline, tmp_path, None).config
    with alone(config), pytest.raises(PublisherError, match=r"^Another process is working on"):
        sync(config)
    with pytest.raises(PublisherError, match=r"^There is no "):
        sync(replace(config, runs_dir=tmp_path / "elsewhere"))


def test_a_card_that_cannot_be_linked_is_an_error_but_the_runs_are_there(
    tmp_path: Path, offline: Path, server: WandbServer
) -> None:
    story = moved(offline, tmp_path, server)
    done = story.sync("--no-hub")
    assert (done.returncode, done.stderr) == (1, "The Hub is away.\nTry later.\n")
    assert_whole(story, server)
    num_requests = len(server.sent)
    assert story.sync("--no-hub").stderr == done.stderr  # it is tried again, and the server is not bothered
    assert len(server.sent) == num_requests
