"""What the two runs say, and what they never say."""

import json
import re
from pathlib import Path

import pytest

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.records import Curation, Output, Post, Receipt, Timeline
from hub_publisher.system.files import write_record
from hub_publisher.tracking import reports
from hub_publisher.tracking.records import TrackedRun, Tracking
from hub_publisher.tracking.run import LedgerRun
from tests.helpers import TESTS, card_records
from tests.helpers.tracked_story import COMMIT, HUGGING_FACE
from tests.helpers.tracking import KEY, Story, quiet_config, together
from tests.helpers.wandb_server import WandbServer

PACKAGE = Path(tracking.__file__).parent


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication on a machine without a login."""
    return quiet_config(tmp_path, monkeypatch)


def test_nothing_about_person_or_machine_is_sent_or_written(tmp_path: Path) -> None:
    """Online, and offline with a later upload: every byte to the server, every file in the folder."""
    secrets = {"HF_TOKEN": "hf_plantedtoken", "SOME_SECRET": "planted-secret", "USER": "planted-user"}
    words = ["--planted-flag", "--hub-token-planted", "--talkative"]
    folder = tmp_path / "planted-home" / "work"
    written: dict[Path, bytes] = {}

    def tell(story: Story, *flags: str, **more: str) -> None:
        """Started as a person would: the words stand in the arguments of the process."""
        done = story.run(story.command(*flags), **more)
        assert (done.returncode, done.stderr) == (0, "") and "warning" not in done.stdout

    sent: dict[str, list[bytes]] = {}

    def online(story: Story, server: WandbServer) -> None:
        tell(story, *words, **secrets)
        written.update(everything_under(story.config.run_dir))
        sent["online"] = server.sent

    def offline(story: Story, server: WandbServer) -> None:
        story.server = None
        tell(story, *words, "--dataset_artifact=none", **secrets)
        written.update(everything_under(story.config.run_dir))
        assert not (story.config.run_dir / "wandb").exists() and not (story.config.run_dir / "artifacts").exists()
        story.server = server
        tell(story, "--sync", *words, **secrets)
        written.update(everything_under(story.config.run_dir))
        sent["offline"] = server.sent
        datasets_sent = [server.artifact(f"tide_clerk-{name}-dataset") for name in ("raw", "train")]
        assert [set(made.files) for made in datasets_sent] == [{"counts.json"}, {"counts.json"}]

    together(folder, online=online, offline=offline)
    assert sum(path.name == "tracking.json" for path in written) == 2 and min(map(len, sent.values())) > 70
    assert not [path for path in written if "wandb" in path.parent.parts]  # when a run has ended, nothing of it stays
    # What was limited when publishing stays limited when uploading.
    assert not [content for content in sent["offline"] if b"raw text" in content or b"Entry 1: " in content]
    assert [content for content in sent["online"] if b"Entry 1: " in content]
    forbidden = (b"planted", KEY.encode(), b"tracked_story", str(TESTS).encode(), str(tmp_path).encode())
    for content in (*sent["online"], *sent["offline"]):
        assert not [word for word in forbidden if word in content], content[:2000]
        assert not re.search(rb'"(local_path|program|executable|root|args)": *"/', content)
    for path, content in written.items():
        assert not [word for word in forbidden if word in content], path
    for place in ("online", "offline"):  # nothing beside the publication either
        assert sorted(path.name for path in (folder / place).iterdir()) == ["elsewhere", "runs"]
        assert not any((folder / place / "elsewhere").iterdir())


def everything_under(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def test_no_address_of_theirs_stands_in_the_code() -> None:
    """The site has moved once: links are only ever what the client reports."""
    for path in PACKAGE.glob("*.py"):
        assert not re.search(r"wandb\.ai|coreweave|get_url", path.read_text()), path


def posts_of(config: Config, may_share_texts: bool) -> tuple[Timeline, Curation]:
    posts = tuple(Post(id=str(number), text=f"raw text {number}") for number in range(400))
    facts = {"fingerprint": "t" * 64, "source": "api", "handle": "tide_clerk", "display_name": "Tide Clerk"}
    config.run_dir.mkdir(parents=True, exist_ok=True)
    curation = card_records.curation(config.run_dir, may_share_texts=may_share_texts)
    return Timeline(**facts, may_share_texts=may_share_texts, posts=posts), curation


@pytest.mark.parametrize(
    ("wanted", "may_share_texts", "held"),
    [
        ("full", True, "full"),
        ("full", False, "ids"),
        ("ids", True, "ids"),
        ("none", True, "none"),
        ("none", False, "none"),
    ],
)
def test_dataset_artifacts_hold_what_was_said_and_no_more(
    config: Config, wanted: str, may_share_texts: bool, held: str
) -> None:
    timeline, curation = posts_of(config, may_share_texts)
    tracked = Tracking(mode="online", reason="", project="p", dataset_artifact=wanted)
    said = tracking.describe_datasets(tracked, may_share_texts)
    assert f"(--dataset-artifact {held}; it may also be " in said
    assert ("; the terms of the source forbid more" in said) == (wanted != held)
    report = reports.preprocess(config, tracked, timeline, curation)
    (raw_content,), (train_content,) = (
        [content.decode() for content in made.files.values()] for made in (*report.inputs, *report.outputs)
    )
    assert "raw text" not in raw_content
    assert ("Entry 1: " in train_content) == (held == "full")
    if held == "none":
        assert json.loads(train_content) == {
            "train_posts": 216, "heldout_posts": 24, "posts_sha256": curation.posts_sha256, "texts": False
        }  # fmt: skip
        assert json.loads(raw_content)["posts"] == 400
        return
    assert [json.loads(line) for line in raw_content.splitlines()] == [{"id": post.id} for post in timeline.posts]
    rows = [json.loads(line) for line in train_content.splitlines()]
    assert [row["id"] for row in rows] == [str(number) for number in range(240)]
    assert sum(row.get("split") == "heldout" for row in rows) == 24


def test_a_level_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"^--dataset-artifact 'all' is not one of full, ids, none\.$"):
        Config(handle="x1", dataset_artifact="all")


@pytest.mark.parametrize("is_local", [True, False])
def test_the_model_is_recorded_with_addresses_that_stay(config: Config, is_local: bool) -> None:
    endpoint = "http://127.0.0.1:1" if is_local else HUGGING_FACE
    (config.run_dir / "model").mkdir(parents=True)
    (config.run_dir / "model" / "README.md").write_text("# The card\n")
    files = {
        "README.md": "9c9034646d722f05c8e56bb6aca079712ab2d135d349eab793766d70d106beb7",
        "model.safetensors": "b" * 64,
    }
    receipt = Receipt(
        fingerprint="r", endpoint=endpoint, is_local=is_local, repo_id=card_records.REPO_ID, visibility="public",
        commit=COMMIT, url=f"{endpoint}/{card_records.REPO_ID}", files=files,
        published_at=card_records.curation(config.run_dir).last_post_at,
    )  # fmt: skip
    write_record(config.run_dir / "evaluation.json", card_records.evaluation())
    left = {"model/model.safetensors": Output(size=7, sha256="b" * 64, mtime_ns=1)}
    training = card_records.training().model_copy(update={"outputs": left})
    report = reports.publication(config, training, card_records.evaluation(), receipt)
    model = {made.type: made for made in report.outputs}["finetuned-model"]
    assert (model.metadata["sha256"], model.metadata["size"]) == (files, {"model.safetensors": 7})
    where = f"{HUGGING_FACE}/{card_records.REPO_ID}/resolve/{COMMIT}/"
    assert model.references == ({} if is_local else {path: where + path for path in files})
    assert ("published/url" in report.summary) == (not is_local)


def test_the_base_model_by_its_revision_or_by_its_facts(config: Config) -> None:
    (made,) = reports.inputs(config, card_records.base_model(revision=None)).inputs
    assert made.references == {"model": f"{HUGGING_FACE}/HuggingFaceTB/SmolLM2-135M"}
    folder = card_records.base_model(requested="a local folder", hub_id=None, revision=None)
    (made,) = reports.inputs(config, folder).inputs
    assert (made.name, made.references) == ("a-local-folder", {})
    assert json.loads(made.files["model.json"])["requested"] == "a local folder"


def test_curation_is_counted(config: Config) -> None:
    timeline, curation = posts_of(config, True)
    recorded = tracking.record_preprocess(config, tracking.decide(config), timeline, curation)
    report = reports.preprocess(config, recorded, timeline, curation)
    numbers = report.summary
    assert (numbers["downloaded"], numbers["kept"], numbers["train"], numbers["heldout"]) == (400, 240, 216, 24)
    assert (numbers["dropped/reposts"], numbers["dropped/near_duplicates"], numbers["masked/emails"]) == (90, 0, 2)
    _, lengths = report.tables["lengths"]
    assert sum(row[2] for row in lengths) == 240 and lengths[-1][1] == curation.posts.longest
    written_at = (config.run_dir / "tracking.json").stat().st_mtime_ns
    assert tracking.record_preprocess(config, recorded, timeline, curation) == recorded
    assert (config.run_dir / "tracking.json").stat().st_mtime_ns == written_at
    changed = curation.model_copy(update={"fingerprint": "d" * 64})
    again = tracking.record_preprocess(config, recorded, timeline, changed)
    assert again.runs["preprocess"].run_id != recorded.runs["preprocess"].run_id


def test_other_posts_make_another_train_run(config: Config) -> None:
    timeline, curation = posts_of(config, True)
    ids = []
    for fingerprint in ("c" * 64, "d" * 64):
        changed = curation.model_copy(update={"fingerprint": fingerprint})
        recorded = tracking.record_preprocess(config, tracking.decide(config), timeline, changed)
        with tracking.open_run(config, recorded, "train", {"seed": 1}):
            pass
        now = tracking.current(config)
        assert now is not None
        ids.append(now.runs["train"].run_id)
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("url", "inputs", "is_known"),
    [
        ("http://x", {"lampkeeper_bot-train-dataset": "v1", "HuggingFaceTB-SmolLM2-135M": "v0"}, True),
        ("http://x", {"lampkeeper_bot-train-dataset": "v0", "HuggingFaceTB-SmolLM2-135M": "v0"}, False),
        ("http://x", {"lampkeeper_bot-train-dataset": "v1"}, False),
        ("http://x", {"HuggingFaceTB-SmolLM2-135M": "v0"}, False),
        (None, {"lampkeeper_bot-train-dataset": "v1", "HuggingFaceTB-SmolLM2-135M": "v0"}, False),
    ],
)
def test_inputs_are_known_when_all_are_named_as_they_are_now(
    config: Config, url: str | None, inputs: dict[str, str], is_known: bool
) -> None:
    runs = {
        "preprocess": TrackedRun(run_id="p", url="http://y", artifacts={"lampkeeper_bot-train-dataset": "v1"}),
        "train": TrackedRun(run_id="t", url=url, inputs=inputs),
    }
    with LedgerRun(config, Tracking(mode="online", reason="", project="p", runs=runs), "train") as run:
        assert run.has(reports.inputs(config, card_records.base_model())) == is_known


def test_settings_show_no_path(config: Config, tmp_path: Path) -> None:
    shown = {"base_model": str(tmp_path), "config": tmp_path / "a.yaml", "name": "openai-community/gpt2", "seed": 1}
    with tracking.open_run(config, tracking.decide(config), "train", shown):
        pass
    now = tracking.current(config)
    assert now is not None and now.runs["train"].settings == {
        "base_model": "a local path",
        "config": "a local path",
        "name": "openai-community/gpt2",
        "seed": 1,
    }
