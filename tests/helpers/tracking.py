"""A publication to track, told by a process of its own, and what a server must hold when all is well."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.localhub import LocalHub
from hub_publisher.tracking.records import Tracking
from tests.helpers import ROOT, TESTS
from tests.helpers.tracked_story import log_lines, main
from tests.helpers.wandb_server import ENTITY, WandbServer

KEY = "0123456789abcdef0123456789abcdef01234567"
BASE = "HuggingFaceTB-SmolLM2-135M"


def quiet_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A publication in a fresh folder and home, on a machine where nobody has logged in to Weights & Biases."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return Config(handle="lampkeeper_bot", runs_dir=tmp_path / "runs")


def step(number: int) -> bytes:
    point = {"kind": "step", "step": number, "epoch": number / 100, "loss": 4.0, "learning_rate": 3e-4}
    more = {"time": 1.5e9 + number, "grad_norm": 1.0, "num_tokens": number * 1000, "tokens_per_second": 2000.0}
    return json.dumps({**point, **more}).encode() + b"\n"


def evaluated(number: int, epoch: int) -> bytes:
    point = {"kind": "eval", "time": 1.5e9 + number, "epoch": epoch, "step": number, "eval_loss": 3.5}
    return json.dumps(point).encode() + b"\n"


# Stories are forked from a process that has imported what takes long.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["wandb", "tests.helpers.tracked_story"])


class Telling:
    """A story that is being told, by a process of its own, as subprocess.Popen would start it."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        pipes = [_FORKS.Pipe(duplex=False) for _ in range(3)]
        (its_input, our_input), *outputs = pipes
        theirs = [its_input, *(its_output for _, its_output in outputs)]
        self._process = _FORKS.Process(target=_tell, args=(command[1:], environment, str(folder), theirs))
        self._process.start()
        self.pid = self._process.pid or 0
        self.stdin = os.fdopen(os.dup(our_input.fileno()), "w", buffering=1)
        self.stdout, self.stderr = (os.fdopen(os.dup(ours.fileno()), encoding="utf-8") for ours, _ in outputs)
        for pipe in pipes:
            for end_of_it in pipe:
                end_of_it.close()

    def communicate(self) -> tuple[str, str]:
        """What is left of its output and its errors, when it has ended."""
        self.stdin.close()
        with self.stdout, self.stderr:
            told = self.stdout.read(), self.stderr.read()
        self.wait(180)
        return told

    def wait(self, seconds: float) -> int:
        """How it ended."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode


def _tell(arguments: list[str], environment: dict[str, str], folder: str, pipes: list[Connection]) -> None:
    os.setsid()
    for number, pipe in enumerate(pipes):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = arguments
    main()


class Story:
    """Tells tests/tracked_story.py in a folder, with a server's address or none, to a local Hub or to nobody."""

    def __init__(self, folder: Path, server: WandbServer | None = None, hub: LocalHub | None = None) -> None:
        self.folder, self.server, self.hub = folder, server, hub
        self.config = Config(handle="tide_clerk", runs_dir=folder / "runs", hub_dir=hub.root if hub else folder / "hub")
        (folder / "elsewhere").mkdir(parents=True, exist_ok=True)

    @property
    def tracking(self) -> Tracking:
        """The record as it is now."""
        now = tracking.current(self.config)
        assert now is not None
        return now

    def environment(self, **more: str) -> dict[str, str]:
        """Nobody's home; the server and its key where there is one."""
        login = {"WANDB_BASE_URL": self.server.url, "WANDB_API_KEY": KEY} if self.server else {}
        home = {"HOME": str(self.folder / "home"), "NETRC": str(self.folder / "netrc")}
        # Not the address of the process of wandb's that this one may have.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        return {**inherited, "PYTHONPATH": str(ROOT), **home, **login, **more}

    def command(self, *more: str) -> list[str]:
        where = [self.hub.url, self.hub.token] if self.hub else []
        return [sys.executable, str(TESTS / "helpers" / "tracked_story.py"), str(self.config.runs_dir), *where, *more]

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment(**environment), cwd=self.folder / "elsewhere", capture_output=True,
            encoding="utf-8", check=False, timeout=180,
        )  # fmt: skip

    def fork(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same as `run` of the story, in less time."""
        telling = Telling(self.command(*more), self.environment(**environment), self.folder / "elsewhere")
        told, errors = telling.communicate()
        return subprocess.CompletedProcess([], telling.wait(0), told, errors)

    def tell(self, *more: str, **environment: str) -> list[str]:
        """Publish; what went wrong with the tracker, a line each."""
        done = self.fork(*more, **environment)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert not [line for line in done.stdout.splitlines() if "wandb:" in line]
        return [line.removeprefix("warning: ") for line in done.stdout.splitlines() if line.startswith("warning: ")]

    def start(self, *more: str, **environment: str) -> Telling:
        """Begin to publish, a step at a time."""
        return Telling(self.command("--slowly", *more), self.environment(**environment), self.folder / "elsewhere")

    def sync(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`hub-publisher sync`, or for a story without a Hub what it does for the runs."""
        if self.hub is None:
            return self.fork("--sync", *more, **environment)
        flags = ["--runs-dir", str(self.config.runs_dir), "--hub-dir", str(self.config.hub_dir), *more]
        return self.run([sys.executable, "-m", "hub_publisher", "sync", "tide_clerk", *flags], **environment)


def together(folder: Path, **scenarios: Callable[[Story, WandbServer], None]) -> None:
    """Play several scenarios at once, each with a story and a server of its own: they mostly wait."""

    def play(name: str) -> None:
        with WandbServer(KEY) as server:
            scenarios[name](Story(folder / name, server), server)

    with ThreadPool(len(scenarios)) as pool:
        pool.map(play, scenarios, chunksize=1)


def go_on_to(told: Telling, name: str) -> None:
    """Let a story go on until it says that it is at the step `name`."""
    for line in told.stdout:
        if line.strip() == name:
            return
        told.stdin.write("\n")
    raise AssertionError(f"{name} was never reached")


def end(told: Telling) -> list[str]:
    """Let a story go on to its end; the lines it says."""
    lines = []
    told.stdin.write("\n")
    for line in told.stdout:
        lines.append(line.rstrip("\n"))
        if not line.startswith("warning"):
            told.stdin.write("\n")
    assert told.communicate() == ("", "") and told.wait(0) == 0
    return lines


def expected_history() -> list[dict[str, float]]:
    """What the train run's history is: every line of the training log, once."""
    rows = []
    for line in map(json.loads, log_lines()):
        if line["kind"] == "eval":
            rows.append({"eval/loss": line["eval_loss"], "eval/epoch": line["epoch"]})
        else:
            rows.append(
                {f"train/{name}": value for name, value in line.items() if name not in ("kind", "step", "time")}
            )
        rows[-1]["train/global_step"] = line["step"]
    return rows


def sent_rows() -> list[dict[str, float]]:
    """The same with wandb's own columns: each row keeps the time at which the training wrote it."""
    times = [json.loads(line)["time"] for line in log_lines()]
    rows = zip(expected_history(), times, strict=True)
    return [{**row, "_step": number, "_timestamp": time} for number, (row, time) in enumerate(rows)]


def history(server: WandbServer) -> list[dict[str, float]]:
    """The train run's history, the table of samples left out."""
    return [row for row in server.run("train").history if "samples" not in row]


def assert_whole(story: Story, server: WandbServer) -> None:
    """Two runs, every artifact and edge, each exactly once, and a record that says so."""
    now = story.tracking
    preprocess, train = server.run("preprocess"), server.run("train")
    assert set(server.runs) == {run.run_id for run in now.runs.values()} == {preprocess.name, train.name}
    assert {run.facts["groupName"] for run in server.runs.values()} == {"tide_clerk"}
    assert (preprocess.exit_code, train.exit_code) == (0, 0)
    assert history(server) == expected_history()
    times = [row["_timestamp"] for row in train.rows.values() if "samples" not in row]
    assert times == [row["_timestamp"] for row in sent_rows()]
    assert train.config["learning_rate"] == {"value": 2e-4} and preprocess.config["source"] == {"value": "x_archive"}
    tables = [f"run-{preprocess.name}-{name}" for name in ("languages", "lengths", "dropped")]
    by_run = {
        None: {"tide_clerk-raw-dataset", BASE},
        preprocess.name: {"tide_clerk-train-dataset", *tables},
        train.name: {"tide_clerk-evaluation", "tide_clerk-card", "tide_clerk-model", f"run-{train.name}-samples"},
    }
    committed = [artifact for artifact in server.artifacts if artifact.state == "COMMITTED"]
    assert sorted((a.run or "", a.name, a.number) for a in committed) == sorted(
        (run or "", name, 0) for run, names in by_run.items() for name in names
    )
    assert sorted(server.uses) == sorted(
        [
            (preprocess.name, "tide_clerk-raw-dataset:v0"),
            (train.name, "tide_clerk-train-dataset:v0"),
            (train.name, f"{BASE}:v0"),
        ]
    )
    for job_type, run in now.runs.items():
        assert run.recorded is not None, job_type
        assert run.url == f"{server.url}/{ENTITY}/hub-publisher/runs/{run.run_id}"
        assert set(run.artifacts.values()) == set(run.inputs.values()) == {"v0"}
