"""Tracking with the real wandb client, without a network: complete, resumable, silent about the machine."""

import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.system.files import read_record
from hub_publisher.tracking.artifacts import Artifact, Report
from hub_publisher.tracking.records import Tracking, run_id
from tests.helpers.faults import BlackHole, unused_url
from tests.helpers.tracking import KEY, Story, assert_whole, end, go_on_to, quiet_config
from tests.helpers.wandb_server import WandbServer

REPORT = Report(uses=["a"], inputs=[Artifact("b", "c")], summary={"d": 1}, contents="all")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication on a machine without a login."""
    return quiet_config(tmp_path, monkeypatch)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A whole publication, in a process of its own, on such a machine."""
    return Story(tmp_path)


class TestDecide:
    """Online, offline or disabled, in seconds."""

    def test_without_a_key_offline(self, config: Config) -> None:
        started = time.monotonic()
        decided = tracking.decide(config)
        assert time.monotonic() - started < 15  # a second or two where nothing else runs
        assert (decided.mode, decided.reason) == ("offline", "there is no API key")
        assert (decided.project, decided.entity, decided.runs) == ("hub-publisher", None, {})
        assert len(decided.publication) == 8
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
        assert (decided.mode, decided.reason) == (mode, f"{mode} was asked for")
        assert (decided.project, decided.entity) == ("bots", "harbour")

    def test_online_without_a_key_is_an_error(self, config: Config) -> None:
        with pytest.raises(PublisherError) as error:
            tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb="online"))
        assert error.value.message == "Weights & Biases was asked for online, and there is no API key."
        assert error.value.remedy == ("Run `wandb login` or set WANDB_API_KEY, or publish with --wandb offline.")

    @pytest.mark.parametrize("key", [KEY, "too-short"])
    def test_a_server_or_key_that_does_not_work_means_offline_within_seconds(self, story: Story, key: str) -> None:
        assert story.tell("--wandb=disabled") == []
        (story.config.run_dir / "tracking.json").unlink()
        with BlackHole() as hole:
            started = time.monotonic()
            done = story.run(story.command(), WANDB_BASE_URL=hole.url, WANDB_API_KEY=key)
            seconds = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        assert story.tracking.mode == "offline"
        assert story.tracking.reason.startswith("its server did not confirm the API key (")
        assert story.tracking.runs["train"].inputs
        assert key not in story.tracking.model_dump_json() + done.stderr + done.stdout
        assert seconds < 30  # five where nothing else runs

    def test_online_and_the_server_is_down(self, story: Story) -> None:
        done = story.run(story.command("--wandb=online"), WANDB_BASE_URL=unused_url(), WANDB_API_KEY=KEY)
        assert done.returncode == 1
        assert "Weights & Biases was asked for online, and its server did not confirm the API key" in done.stderr

    def test_online_by_flag_counts_before_offline_by_variable(
        self, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_MODE", "offline")
        with WandbServer(KEY) as server:
            log_in(monkeypatch, server)
            decided = tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb="online"))
        assert (decided.mode, decided.reason) == ("online", "the server accepted the API key")

    def test_decided_once(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        first = tracking.decide(config)
        monkeypatch.setenv("WANDB_API_KEY", KEY)  # asking a server about it would fail and change the reason
        monkeypatch.setenv("WANDB_BASE_URL", unused_url())
        assert tracking.decide(config) == first
        monkeypatch.setenv("WANDB_MODE", "disabled")
        rehearsed = tracking.decide(config, is_rehearsal=True)
        assert rehearsed.mode == "disabled" and tracking.current(config) == first
        assert tracking.decide(config).mode == "disabled"
        assert tracking.current(config) == rehearsed
        monkeypatch.setenv("WANDB_PROJECT", "another")
        assert tracking.decide(config).project == "another"

    def test_no_prompt_on_a_terminal(self, story: Story) -> None:
        main, terminal = pty.openpty()
        started = time.monotonic()
        process = subprocess.Popen(
            story.command(), stdin=terminal, stdout=terminal, stderr=terminal, env=story.environment()
        )
        assert process.wait(30) == 0
        assert time.monotonic() - started < 20
        os.set_blocking(main, False)
        with open(main, "rb") as screen:
            shown = screen.read() or b""
        os.close(terminal)
        assert b"wandb" not in shown


class TestRuns:
    """Runs have our ids, are on disk before they start, and go on where they stopped."""

    def test_a_run_is_recorded_before_it_starts(self, config: Config) -> None:
        decided = tracking.decide(config)
        with tracking.open_run(config, decided, "train", {"learning_rate": 3e-4}) as run:
            during = tracking.current(config)
            assert during is not None
            recorded = during.runs["train"]
            assert recorded.run_id.startswith("lampkeeper-bot-train-")
            assert recorded.settings == {"learning_rate": 3e-4}
            assert not run.start()
            run.say(Report(summary={"tuned/perplexity": 30.5}, contents="all"))
        after = tracking.current(config)
        assert tracking.remainder(config) == (
            "Weights & Biases has nothing of this; to upload it: hub-publisher sync lampkeeper_bot"
        )
        assert after is not None and run.warnings == [] and run.url is None
        assert after.runs == {"train": recorded} and recorded.recorded is None
        assert [path.name for path in config.run_dir.iterdir()] == ["tracking.json"]

    @pytest.mark.parametrize("mode", ["offline", "online"])
    def test_an_exception_is_raised_and_the_run_has_failed(
        self, config: Config, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        with WandbServer(KEY) as server:
            log_in(monkeypatch, server)
            decided = tracking.decide(replace(config, wandb=mode))
            with pytest.raises(ZeroDivisionError), tracking.open_run(config, decided, "train", {}) as run:
                run.say(Report(summary={"a": 1}, contents="all"))
                raise ZeroDivisionError
            after = tracking.current(config)
            assert [run.exit_code for run in server.runs.values()] == ([1] if mode == "online" else [])
        assert after is not None

    def test_disabled_leaves_nothing(self, config: Config) -> None:
        decided = tracking.decide(Config(handle="x1", runs_dir=config.runs_dir, wandb="disabled"))
        quiet = Config(handle="x1", runs_dir=config.runs_dir)
        with tracking.open_run(quiet, decided, "train", {}) as run:
            assert not run.start() and run.has(REPORT)
            run.say(REPORT)
        assert run.url is None and run.warnings == [] and tracking.remainder(quiet) is None
        assert [path.name for path in quiet.run_dir.iterdir()] == ["tracking.json"]

    def test_wandb_dying_is_a_warning_and_the_next_publication_says_the_rest(self, story: Story) -> None:
        with WandbServer(KEY) as story.server:
            told = story.start()
            go_on_to(told, "trained")
            for child in psutil.Process(told.pid).children(recursive=True):
                child.kill()
            published, *warnings = end(told)
            assert published == "published"
            assert all(line.startswith("warning: Weights & Biases: ") for line in warnings)
            assert warnings
            assert story.tracking.runs["train"].recorded is None
            assert story.tell() == []
            assert_whole(story, story.server)

    def test_the_id_of_a_failed_start_is_free_again(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        with WandbServer(KEY) as server:
            log_in(monkeypatch, server)
            decided = tracking.decide(config)
            server.add("UpsertBucket", "error", times=1)
            for num_warnings in (1, 0):
                with tracking.open_run(config, decided, "train", {}) as run:
                    if run.start():
                        run.log({"train/loss": 1.0, "train/global_step": 1})
                assert len(run.warnings) == num_warnings
                assert all("starting the run failed: " in line for line in run.warnings)
            assert server.run("train").history == [{"train/loss": 1.0, "train/global_step": 1}]
        assert not [child for child in psutil.Process().children() if child.name().startswith("wandb-core")]
        assert [path.name for path in config.run_dir.iterdir()] == ["tracking.json"]


def log_in(monkeypatch: pytest.MonkeyPatch, server: WandbServer) -> None:
    """To this server, with a process of wandb's that has not yet heard of another."""
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)


def test_importing_the_package_does_not_import_wandb() -> None:
    code = "import sys, hub_publisher.tracking; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,90}[A-Za-z0-9_]", fullmatch=True))
def test_run_ids_are_of_letters_digits_and_dashes(name: str) -> None:
    if "--" in name or ".." in name or name.endswith((".git", ".ipynb")):
        return
    config = Config(handle="x1", repo_name=name)
    one = run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 1})
    assert len(one) <= 128 and set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert one == run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 1})
    assert one != run_id(config, Tracking(mode="offline", reason="", project="p"), "preprocess", {"seed": 2})
    other = Tracking(mode="offline", reason="", project="p", publication="1234abcd")
    assert one != run_id(config, other, "preprocess", {"seed": 1})
