"""How much of a machine is used: what whoever shares it says, wherever there is something to compute."""

from pathlib import Path

import pytest

from hub_publisher.config import Config
from hub_publisher.finetune import launch_command
from hub_publisher.system.hardware import multiplies_bfloat16, num_cpus, num_threads
from hub_publisher.system.isolated_process import run_python

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("1", 1), ("64", 64)])
def test_what_is_said_of_threads_holds_however_many_processes(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert num_threads(1) == num_threads(2) == num_threads(1000) == threads


@pytest.mark.parametrize("said", [None, "", "0", "-1", "4,2", "many", "2.0"])
def test_otherwise_the_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert num_threads(1) == num_cpus()
    assert num_threads(num_cpus()) == num_threads(1000) == 1


def test_training_processes_take_as_many_and_compute_as_the_hardware_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for num_processes in (1, 2):
        command, environment = launch_command(Config(handle="x", num_processes=num_processes))
        assert environment["OMP_NUM_THREADS"] == "7"
        assert environment["ACCELERATE_MIXED_PRECISION"] == ("bf16" if multiplies_bfloat16() else "no")
        assert ("torch.distributed.run" in command) == (num_processes == 2)


def test_a_reader_knows_how_many_and_little_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = run_python(PRINT_ENVIRONMENT, "", tmp_path, {"HF_ENDPOINT": "http://127.0.0.1:9"}).answer
    assert (found["OMP_NUM_THREADS"], found["HF_ENDPOINT"]) == ("7", "http://127.0.0.1:9")
    assert {name for name in found if not name.startswith("LC_")} <= {
        "PATH", "HOME", "SYSTEMROOT", "OMP_NUM_THREADS", "HF_ENDPOINT", "HF_HOME",
    }  # fmt: skip
