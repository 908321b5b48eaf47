"""Tracking with the real wandb client, without a network: complete, resumable, silent about the machine."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import BlackHole, unused_url
from hypothesis import given
from hypothesis import strategies as st
from tracking_helpers import KEY, PUBLISH, clean, evaluated, publish_command, publish_in_a_process, quiet_config, step
from wandb_files import history, logs, records, summary

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.disk import read_record, write_record
from hub_publisher.errors import PublisherError
from hub_publisher.records import Tracking
from hub_publisher.tracking.runs import run_id


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication on a machine without a login."""
    return quiet_config(tmp_path, monkeypatch)


def logged_steps(path: Path) -> list[int]:
    return [row["train/global_step"] for row in history(path) if "train/loss" in row]


class TestDecide:
    """Online, offline or disabled, in seconds."""

    def test_without_a_key_offline(self, config: Config) -> None:
        started = time.monotonic()
        decided = tracking.decide(config)
        assert time.monotonic() - started < 15  # a second or two where nothing else runs
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
        assert seconds < 15

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
        assert time.monotonic() - started < 20
        os.set_blocking(main, False)
        with open(main, "rb") as screen:
            shown = screen.read() or b""
        os.close(terminal)
        assert b"wandb" not in shown


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
        killed, resumed = logs(config.run_dir, num_killed=1)
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
