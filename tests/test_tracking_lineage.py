"""What the two runs say, and what they never say."""

import json
from datetime import UTC, datetime
from pathlib import Path

import card_records
import pytest
from tracking_helpers import publish_in_a_process, quiet_config, step
from wandb_files import artifacts, logs, records, summary

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.disk import sha256_of, write_jsonl
from hub_publisher.records import Account, Curation, Evaluation, KeptPost, Post, Receipt, Samples, Timeline

POSTS = ("The lamp at the end of the pier is lit.", "Fog again, and the lamp does not mind.")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication on a machine without a login."""
    return quiet_config(tmp_path, monkeypatch)


def test_nothing_about_person_or_machine_is_written(config: Config) -> None:
    config.run_dir.mkdir(parents=True)
    (config.run_dir / "training-log.jsonl").write_bytes(step(1))
    secrets = {"HF_TOKEN": "hf_plantedtoken", "SOME_SECRET": "planted-secret", "USER": "planted-user"}
    done = publish_in_a_process(config, "--hub-token=hf_plantedargument", "planted-argument", **secrets)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("printed-by-the-program\n", "")
    written = {path: path.read_bytes() for path in (config.run_dir / "wandb").rglob("*") if path.is_file()}
    assert any(path.suffix == ".wandb" for path in written)
    published = sha256_of(config.runs_dir.parent / "publish.py")  # an artifact of this test, so it is there
    for path, content in written.items():
        if sha256_of(path) == published:
            continue
        for secret in (b"planted", b"printed-by-the-program", b"publish.py", str(Path.home()).encode()):
            assert secret not in content, (path, secret)
        # The one absolute path: where the log on this disk, which is never sent, finds an artifact's files.
        staged = str(config.run_dir / "wandb" / "data" / "artifacts" / "staging").encode()
        assert str(config.runs_dir.parent).encode() not in content.replace(staged, b"")
    assert not (config.runs_dir.parent / "home").exists()


def timeline_and_curation(config: Config, may_share_texts: bool) -> tuple[Timeline, Curation]:
    timeline = Timeline(
        fingerprint="t" * 64,
        source="files",
        handle="lampkeeper_bot",
        display_name="Lamp",
        may_share_texts=may_share_texts,
        posts=tuple(Post(id=str(number), text=text) for number, text in enumerate(POSTS)),
    )
    kept = [KeptPost(id=post.id, text=post.text, language="en") for post in timeline.posts]
    write_jsonl(config.run_dir / "posts.jsonl", kept)
    account = Account(
        handle="lampkeeper_bot",
        display_name="Lamp",
        bio="",
        profile_url=None,
        avatar_file=None,
        source="files",
        num_downloaded=5,
        dropped={"retweet": 3, "too short": 0},
        num_kept=2,
    )
    curation = Curation(
        fingerprint="c" * 64,
        accounts=(account,),
        masked={"emails": 0},
        languages={"en": 2},
        first_post_at=None,
        last_post_at=None,
        num_train=1,
        num_heldout=1,
        num_train_characters=39,
        num_heldout_characters=38,
        split_by="hash",
        may_share_texts=may_share_texts,
        posts_sha256=sha256_of(config.run_dir / "posts.jsonl"),
    )
    return timeline, curation


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("may_share_texts", [True, False])
def test_preprocess_run(config: Config, may_share_texts: bool) -> None:
    timeline, curation = timeline_and_curation(config, may_share_texts)
    recorded = tracking.record_preprocess(config, tracking.decide(config), timeline, curation)
    assert recorded.runs["preprocess"].finished
    (log,) = logs(config.run_dir)
    numbers = summary(log)
    assert (numbers["downloaded"], numbers["kept"], numbers["dropped/retweet"]) == (5, 2, 3)
    assert (numbers["dropped/too short"], numbers["masked/emails"]) == (0, 0)
    logged = artifacts(log)
    raw, train = logged["lampkeeper_bot-raw-dataset"], logged["lampkeeper_bot-train-dataset"]
    assert (raw.type, train.type) == ("raw-dataset", "train-dataset")
    assert json.loads(train.metadata)["posts_sha256"] == curation.posts_sha256
    (raw_file,) = raw.manifest.contents
    assert Path(raw_file.local_path).read_text() == '{"id": "0"}\n{"id": "1"}\n'
    (train_file,) = train.manifest.contents
    rows = [json.loads(line) for line in Path(train_file.local_path).read_text().splitlines()]
    assert [row["id"] for row in rows] == ["0", "1"]
    assert all(("text" in row) == may_share_texts for row in rows)
    found = [post.encode() in everything_under(config.run_dir / "wandb") for post in POSTS]
    assert found == [may_share_texts] * 2
    tables = {path.name.split("_")[0] for path in config.run_dir.rglob("*.table.json")}
    assert tables == {"languages", "dropped"}

    assert tracking.record_preprocess(config, recorded, timeline, curation) == recorded
    assert logs(config.run_dir) == [log]
    changed = curation.model_copy(update={"fingerprint": "d" * 64})
    again = tracking.record_preprocess(config, recorded, timeline, changed)
    assert again.runs["preprocess"].run_id != recorded.runs["preprocess"].run_id
    assert len(logs(config.run_dir)) == 2


def published(config: Config, is_local: bool) -> tuple[Receipt, Evaluation]:
    """The records of a publication, and its card."""
    endpoint = "http://127.0.0.1:1" if is_local else "https://huggingface.co"
    receipt = Receipt(
        fingerprint="r",
        endpoint=endpoint,
        is_local=is_local,
        repo_id="huggingtweets/lampkeeper_bot",
        visibility="public",
        commit="c0ffee" + 34 * "0",
        url=f"{endpoint}/huggingtweets/lampkeeper_bot",
        files={"model.safetensors": "a" * 64, "figures/loss.png": "b" * 64, "other/loss.png": "c" * 64},
        published_at=datetime.now(UTC),
    )
    metrics = card_records.metrics(3.4, perplexity=30.0, bits_per_byte=1.2)
    evaluation = card_records.evaluation(
        base=metrics.model_copy(update={"perplexity": 90.0}),
        tuned=metrics,
        samples=(Samples(prompt="My dream is", tuned=(" a lamp", None), base=(None, " be")),),
    )
    card = config.run_dir / "model" / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text("# The card")
    return receipt, evaluation


@pytest.mark.parametrize("is_local", [True, False])
def test_publication_is_recorded_with_addresses_that_stay(config: Config, is_local: bool) -> None:
    receipt, evaluation = published(config, is_local)
    with tracking.open_run(config, tracking.decide(config), "train", {}) as run:
        tracking.record_publication(run, evaluation, config, receipt)
    assert run.warnings == []
    (log,) = logs(config.run_dir)
    numbers = summary(log)
    assert (numbers["base/perplexity"], numbers["tuned/perplexity"], numbers["tuned/bits_per_byte"]) == (90, 30, 1.2)
    assert (numbers["published/repo_id"], numbers["published/commit"]) == (receipt.repo_id, receipt.commit)
    assert numbers.get("published/url") == (None if is_local else receipt.url)
    logged = artifacts(log)
    model = logged["lampkeeper_bot-model"]
    assert json.loads(model.metadata)["sha256"] == receipt.files
    where = f"https://huggingface.co/huggingtweets/lampkeeper_bot/resolve/{receipt.commit}/"
    expected = {} if is_local else {path: where + path for path in receipt.files}
    assert {entry.path: entry.ref for entry in model.manifest.contents} == expected
    (card_file,) = logged["lampkeeper_bot-card"].manifest.contents
    assert (card_file.path, Path(card_file.local_path).read_text()) == ("README.md", "# The card")
    (table,) = (json.loads(path.read_text()) for path in config.run_dir.rglob("samples*.table.json"))
    assert table["columns"] == ["prompt", "tuned model", "base model"]
    assert table["data"] == [
        ["My dream is", " a lamp", "(withheld: it repeats a post)"],
        ["My dream is", "(withheld: it repeats a post)", " be"],
    ]


def test_a_publication_is_recorded_once(config: Config) -> None:
    decided = tracking.decide(config)
    receipt, evaluation = published(config, is_local=True)
    for _ in range(2):
        with tracking.open_run(config, decided, "train", {"seed": 1}) as run:
            tracking.record_publication(run, evaluation, config, receipt)
    assert len(logs(config.run_dir)) == 1  # the second time nothing was started
    newer = receipt.model_copy(update={"commit": "d" * 40})
    with tracking.open_run(config, decided, "train", {"seed": 1}) as run:
        tracking.record_publication(run, evaluation, config, newer)
    first, second = logs(config.run_dir)
    assert first.name == second.name
    assert summary(second)["published/commit"] == "d" * 40


def test_other_posts_make_another_train_run(config: Config) -> None:
    timeline, curation = timeline_and_curation(config, True)
    ids = []
    for fingerprint in ("c" * 64, "d" * 64):
        changed = curation.model_copy(update={"fingerprint": fingerprint})
        recorded = tracking.record_preprocess(config, tracking.decide(config), timeline, changed)
        with tracking.open_run(config, recorded, "train", {"seed": 1}) as run:
            run.num_logged_steps = 7
        now = tracking.current(config)
        assert now is not None
        ids.append(now.runs["train"].run_id)
    assert ids[0] != ids[1]


def test_settings_show_no_path(config: Config, tmp_path: Path) -> None:
    shown = {"base_model": str(tmp_path), "config": tmp_path / "a.yaml", "name": "openai-community/gpt2", "seed": 1}
    with tracking.open_run(config, tracking.decide(config), "train", shown):
        pass
    (log,) = logs(config.run_dir)
    (started,) = (record.run for record in records(log) if record.WhichOneof("record_type") == "run")
    values = {item.key: json.loads(item.value_json) for item in started.config.update}
    assert {name: values[name] for name in shown} == {
        "base_model": "a local path",
        "config": "a local path",
        "name": "openai-community/gpt2",
        "seed": 1,
    }
