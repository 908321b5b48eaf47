"""Tracking with the real wandb client, without a network: complete, resumable, silent about the machine."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faults import BlackHole, unused_url
from hypothesis import given, settings
from hypothesis import strategies as st
from wandb_files import artifacts, history, logs, records, summary

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.records import (
    Account,
    Curation,
    Evaluation,
    KeptPost,
    Metrics,
    Post,
    Receipt,
    Samples,
    Timeline,
    Tracking,
    read_record,
    sha256_of,
    write_jsonl,
    write_record,
)
from hub_publisher.tracking.follow import _Tail
from hub_publisher.tracking.runs import run_id

KEY = "0123456789abcdef0123456789abcdef01234567"
POSTS = ("The lamp at the end of the pier is lit.", "Fog again, and the lamp does not mind.")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication in a fresh folder, on a machine where nobody has logged in to Weights & Biases."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return Config(handle="lampkeeper_bot", runs_dir=tmp_path / "runs")


def step(number: int) -> bytes:
    point = {"kind": "step", "step": number, "epoch": number / 100, "loss": 4.0, "learning_rate": 3e-4}
    more = {"grad_norm": 1.0, "num_tokens": number * 1000, "tokens_per_second": 2000.0}
    return json.dumps({**point, **more}).encode() + b"\n"


def evaluated(number: int, epoch: int) -> bytes:
    return json.dumps({"kind": "eval", "epoch": epoch, "step": number, "eval_loss": 3.5}).encode() + b"\n"


def logged_steps(path: Path) -> list[int]:
    return [row["train/global_step"] for row in history(path) if "train/loss" in row]


class TestDecide:
    """Online, offline or disabled, in seconds."""

    def test_without_a_key_offline(self, config: Config) -> None:
        started = time.monotonic()
        decided = tracking.decide(config)
        assert time.monotonic() - started < 5
        assert decided == Tracking(mode="offline", reason="there is no API key", project="hub-publisher")
        assert read_record(config.run_dir / "tracking.json", Tracking) == decided

    @pytest.mark.parametrize(
        ("flag", "variable", "mode"),
        [
            ("auto", "offline", "offline"),
            ("auto", "dryrun", "offline"),
            ("auto", "disabled", "disabled"),
            ("disabled", "offline", "disabled"),
            ("offline", "online", "offline"),
        ],
    )
    def test_the_flag_counts_before_wandb_mode(
        self, config: Config, flag: str, variable: str, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_MODE", variable)
        monkeypatch.setenv("WANDB_PROJECT", "bots")
        monkeypatch.setenv("WANDB_ENTITY", "harbour")
        decided = tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb=flag))
        assert decided == Tracking(mode=mode, reason=f"{mode} was asked for", project="bots", entity="harbour")

    def test_online_without_a_key_is_an_error(self, config: Config) -> None:
        with pytest.raises(PublisherError) as error:
            tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb="online"))
        assert error.value.message == "Weights & Biases was asked for online, and there is no API key."
        assert error.value.remedy == ("Run `wandb login` or set WANDB_API_KEY, or publish with --wandb offline.")

    @pytest.mark.parametrize("key", [KEY, "too-short"])
    def test_a_server_or_key_that_does_not_work_means_offline_within_seconds(self, config: Config, key: str) -> None:
        with BlackHole() as hole:
            started = time.monotonic()
            done = publish_in_a_process(config, WANDB_BASE_URL=hole.url, WANDB_API_KEY=key)
            seconds = time.monotonic() - started
        decided = tracking.current(config)
        assert done.returncode == 0, done.stderr
        assert decided is not None and decided.mode == "offline"
        assert decided.reason.startswith("its server did not confirm the API key (")
        assert decided.runs["train"].finished
        assert key not in decided.model_dump_json() + done.stderr + done.stdout
        assert seconds < 10

    def test_online_and_the_server_is_down(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        online = "--wandb=online"
        done = publish_in_a_process(config, online, WANDB_BASE_URL=unused_url(), WANDB_API_KEY=KEY)
        assert done.returncode == 1
        assert "Weights & Biases was asked for online, and its server did not confirm the API key" in done.stderr

    def test_decided_once(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        first = tracking.decide(config)
        monkeypatch.setenv("WANDB_API_KEY", KEY)  # asking a server about it would fail and change the reason
        monkeypatch.setenv("WANDB_BASE_URL", unused_url())
        assert tracking.decide(config) == first
        monkeypatch.setenv("WANDB_MODE", "disabled")
        rehearsed = tracking.decide(config, save=False)
        assert rehearsed.mode == "disabled" and tracking.current(config) == first
        assert tracking.decide(config).mode == "disabled"
        assert tracking.current(config) == rehearsed

    def test_no_prompt_on_a_terminal(self, config: Config) -> None:
        main, terminal = pty.openpty()
        started = time.monotonic()
        process = subprocess.Popen(
            publish_command(config), stdin=terminal, stdout=terminal, stderr=terminal, env=clean(config)
        )
        assert process.wait(30) == 0
        assert time.monotonic() - started < 10
        os.set_blocking(main, False)
        with open(main, "rb") as screen:
            shown = screen.read() or b""
        os.close(terminal)
        assert b"wandb" not in shown


# What the pipeline does, in a process of its own; secrets in argv and environment are for the leak test.
PUBLISH = """
import sys
from pathlib import Path
import socket
socket.gethostname = lambda: "planted-host"
import getpass
getpass.getuser = lambda: "planted-user"
from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError

modes = [argument.removeprefix("--wandb=") for argument in sys.argv if argument.startswith("--wandb=")]
config = Config(handle="lampkeeper_bot", runs_dir=Path(sys.argv[1]), wandb=(modes or ["auto"])[0])
try:
    decided = tracking.decide(config)
except PublisherError as error:
    sys.exit(str(error))
print("printed-by-the-program")
with tracking.open_run(config, decided, "train", {"learning_rate": 3e-4}) as run:
    with tracking.follow(run, config.run_dir / "training-log.jsonl"):
        pass
    run.log_table("samples", ["prompt", "text"], [["My dream is", "a lamp"]])
    run.log_artifact(tracking.ArtifactFiles("card", "model-card", files={"card.md": Path(__file__)}))
assert not run.warnings, run.warnings
"""


def clean(config: Config, **more: str) -> dict[str, str]:
    return {**os.environ, "HOME": str(config.runs_dir.parent / "home"), **more}


def publish_command(config: Config, *arguments: str) -> list[str]:
    script = config.runs_dir.parent / "publish.py"
    script.write_text(PUBLISH)
    return [sys.executable, str(script), str(config.runs_dir), *arguments]


def publish_in_a_process(config: Config, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        publish_command(config, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env=clean(config, **environment),
    )


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


class TestRuns:
    """Runs have our ids, are on disk before they start, and go on where they stopped."""

    def test_a_run_is_recorded_before_and_after(self, config: Config) -> None:
        decided = tracking.decide(config)
        with tracking.open_run(config, decided, "train", {"learning_rate": 3e-4}) as run:
            during = tracking.current(config)
            assert during is not None and not during.runs["train"].finished
            run.log({"train/loss": 4.0, "train/global_step": 1})
            run.summarize({"tuned/perplexity": 30.5})
        after = tracking.current(config)
        assert after is not None and run.warnings == [] and run.url is None
        recorded = after.runs["train"]
        assert recorded.run_id.startswith("lampkeeper-bot-train-") and recorded.finished
        assert recorded.url is None and recorded.directory is not None
        assert (config.run_dir / recorded.directory).is_dir() and not Path(recorded.directory).is_absolute()
        (log,) = logs(config.run_dir)
        (started,) = (record.run for record in records(log) if record.WhichOneof("record_type") == "run")
        assert (started.run_id, started.project) == (recorded.run_id, "hub-publisher")
        assert (started.run_group, started.job_type, started.host) == ("lampkeeper_bot", "train", "-")
        assert {item.key: item.value_json for item in started.config.update}["learning_rate"] == "0.0003"
        assert history(log) == [{"train/loss": 4.0, "train/global_step": 1}]
        assert summary(log)["tuned/perplexity"] == 30.5

    def test_an_exception_flies_and_the_run_is_not_finished(self, config: Config) -> None:
        decided = tracking.decide(config)
        with pytest.raises(ZeroDivisionError), tracking.open_run(config, decided, "train", {}):
            raise ZeroDivisionError
        after = tracking.current(config)
        assert after is not None and not after.runs["train"].finished
        (log,) = logs(config.run_dir)
        assert [r.exit.exit_code for r in records(log) if r.WhichOneof("record_type") == "exit"] == [1]

    def test_two_runs_at_once_stay_apart(self, config: Config) -> None:
        decided = tracking.decide(config)
        with (
            tracking.open_run(config, decided, "preprocess", {}) as first,
            tracking.open_run(config, decided, "train", {}) as second,
        ):
            first.log({"kept": 1.0})
            second.log({"train/loss": 2.0, "train/global_step": 1})
        logged = {log.name.split("-")[3]: history(log) for log in logs(config.run_dir)}
        assert logged == {
            "preprocess": [{"kept": 1.0}],
            "train": [{"train/loss": 2.0, "train/global_step": 1}],
        }

    def test_disabled_leaves_nothing(self, config: Config) -> None:
        decided = tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb="disabled"))
        quiet = Config(handle="x1", runs_dir=config.runs_dir)
        with tracking.open_run(quiet, decided, "train", {}) as run:
            run.log({"train/loss": 1.0})
            run.log_table("t", ["a"], [[1]])
            run.summarize({"a": 1})
            run.log_artifact(tracking.ArtifactFiles("a", "b"))
        assert run.url is None and run.warnings == []
        assert [path.name for path in quiet.run_dir.iterdir()] == ["tracking.json"]

    def test_a_killed_run_goes_on_where_it_stopped(self, config: Config) -> None:
        config.run_dir.mkdir(parents=True)
        log = config.run_dir / "training-log.jsonl"
        log.write_bytes(b"".join(map(step, range(1, 41))))
        script = PUBLISH.replace("        pass", "        import time; time.sleep(60)")
        command = publish_command(config)
        (config.runs_dir.parent / "publish.py").write_text(script)
        process = subprocess.Popen(command, env=clean(config), stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + 30
        while (
            (now := tracking.current(config)) is None
            or now.runs.get("train") is None
            or (now.runs["train"].num_logged_steps < 40)
        ):
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        log.write_bytes(b"".join(map(step, range(1, 61))) + evaluated(60, 1))
        done = publish_in_a_process(config)
        assert done.returncode == 0, done.stderr
        killed, resumed = logs(config.run_dir)
        assert logged_steps(killed) + logged_steps(resumed) == list(range(1, 61))
        after = tracking.current(config)
        assert after is not None and after.runs["train"].finished
        assert killed.name == resumed.name == f"run-{now.runs['train'].run_id}.wandb"
        assert after.runs["train"].run_id == now.runs["train"].run_id

    def test_a_server_that_dies_after_the_decision_means_offline(self, config: Config) -> None:
        online = Tracking(mode="online", reason="the server accepted the API key", project="hub-publisher")
        write_record(config.run_dir / "tracking.json", online)
        script = PUBLISH.replace("assert not run.warnings, run.warnings", "print(*run.warnings)")
        command = publish_command(config)
        (config.runs_dir.parent / "publish.py").write_text(
            "from hub_publisher.tracking import runs\nruns.INIT_SECONDS = 1\n" + script
        )
        environment = clean(config, WANDB_BASE_URL=unused_url(), WANDB_API_KEY=KEY)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].startswith("Weights & Biases: starting the run online failed: ")
        after = tracking.current(config)
        assert after is not None and after.runs["train"].finished and after.runs["train"].url is None
        assert len(logs(config.run_dir)) == 1

    def test_wandb_dying_is_a_warning(self, config: Config) -> None:
        script = PUBLISH.replace(
            "        pass",
            "        import os, psutil\n"
            "        for child in psutil.Process().children(recursive=True):\n"
            "            child.kill(); child.wait()",
        ).replace("assert not run.warnings, run.warnings", "print(*run.warnings, sep='\\n')")
        command = publish_command(config)
        (config.runs_dir.parent / "publish.py").write_text(script)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean(config))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1:] == [
            "Weights & Biases: logging the table samples failed: Connection lost",
            "Weights & Biases: logging the artifact card failed: Connection lost",
            "Weights & Biases: finishing the run failed: Connection lost",
        ]
        after = tracking.current(config)
        assert after is not None and not after.runs["train"].finished


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,90}[A-Za-z0-9_]", fullmatch=True))
def test_run_ids_are_of_letters_digits_and_dashes(name: str) -> None:
    if "--" in name or ".." in name or name.endswith((".git", ".ipynb")):
        return
    config = Config(handle="x1", repo_name=name)
    one = run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 1})
    assert len(one) <= 128 and set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert one == run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 1})
    assert one != run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 2})


class Recorder(tracking.NullRun):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def log(self, values: Mapping[str, float]) -> None:
        """Keep it."""
        self.rows.append(dict(values))


class TestFollow:
    """The training log reaches the run line by line, each once."""

    def test_lines_arrive_while_the_block_runs(self, tmp_path: Path) -> None:
        run, path = Recorder(), tmp_path / "training-log.jsonl"
        with tracking.follow(run, path), open(path, "wb", buffering=0) as file:
            file.write(evaluated(0, 0) + step(1) + step(2)[:20])
            give_up_at = time.monotonic() + 10
            while len(run.rows) < 2:
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
            file.write(step(2)[20:] + evaluated(2, 1))
        assert run.rows == [
            {"eval/loss": 3.5, "train/epoch": 0, "train/global_step": 0},
            *(
                {
                    "train/loss": 4.0,
                    "train/learning_rate": 3e-4,
                    "train/grad_norm": 1.0,
                    "train/tokens_per_second": 2000.0,
                    "train/num_tokens": number * 1000,
                    "train/epoch": number / 100,
                    "train/global_step": number,
                }
                for number in (1, 2)
            ),
            {"eval/loss": 3.5, "train/epoch": 1, "train/global_step": 2},
        ]
        assert run.num_logged_steps == 2

    def test_a_log_that_never_comes_and_one_with_rubbish(self, tmp_path: Path) -> None:
        run = Recorder()
        with tracking.follow(run, tmp_path / "never.jsonl"):
            pass
        (tmp_path / "log.jsonl").write_bytes(b'{"kind": "step"}\n[1]\nnot json\n' + step(1))
        with tracking.follow(run, tmp_path / "log.jsonl"):
            pass
        assert [row["train/global_step"] for row in run.rows] == [1]
        assert set(run.warnings) == {"log.jsonl holds a line that is no log point"}

    @settings(max_examples=60, deadline=None)
    @given(data=st.data(), num_steps=st.integers(1, 30))
    def test_every_step_once_however_the_file_grows_and_restarts(
        self, data: st.DataObject, num_steps: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Written in pieces of any size; once, training may restart from a checkpoint with a shorter file."""
        path = tmp_path_factory.mktemp("log") / "training-log.jsonl"
        run = Recorder()
        tail = _Tail(run, path)
        whole = b"".join(map(step, range(1, num_steps + 1)))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            with open(path, "ab") as file:
                file.write(whole[start:end])
            tail.read_on()
        kept = data.draw(st.integers(0, num_steps))
        replacement = path.with_suffix(".new")
        replacement.write_bytes(b"".join(map(step, range(1, kept + 1))))
        replacement.replace(path)
        tail.read_on()
        with open(path, "ab") as file:
            file.write(b"".join(map(step, range(kept + 1, num_steps + 3))))
        tail.read_on()
        assert [row["train/global_step"] for row in run.rows] == list(range(1, num_steps + 3))

    def test_steps_of_an_earlier_attempt_are_left_out(self, tmp_path: Path) -> None:
        run, path = Recorder(), tmp_path / "log.jsonl"
        run.num_logged_steps = 2
        path.write_bytes(evaluated(0, 0) + step(1) + step(2) + evaluated(2, 1) + step(3))
        with tracking.follow(run, path):
            pass
        assert [(row["train/global_step"], "eval/loss" in row) for row in run.rows] == [(2, True), (3, False)]


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
    metrics = Metrics(eval_loss=3.4, perplexity=30.0, bits_per_byte=1.2, num_posts=1, num_tokens=9, num_bytes=38)
    evaluation = Evaluation(
        fingerprint="e",
        base=metrics.model_copy(update={"perplexity": 90.0}),
        tuned=metrics,
        samples=(Samples(prompt="My dream is", tuned=(" a lamp", " fog"), base=(" to", " be")),),
        sampling={"top_p": 0.95},
        seed=42,
        eval_seconds=1.0,
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
    assert table["data"] == [["My dream is", " a lamp", " to"], ["My dream is", " fog", " be"]]


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


def test_importing_the_package_does_not_import_wandb() -> None:
    code = "import sys, hub_publisher.tracking; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
