"""The energy of whole trainings: measured where there are counters, over every process that a training took."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from energy_helpers import RANGE, drawing, make_zone, set_energy

from hub_publisher import finetune
from hub_publisher.config import Config
from hub_publisher.disk import read_record, write_record
from hub_publisher.energy import rapl_counters
from hub_publisher.finetune.checkpoints import ENERGY, EnergyLedger, Progress, Spent
from hub_publisher.records import EpochEval, Training
from tests.finetune_helpers import prepare


class Parts:
    """The processes of one training, one after the other, each killed but the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zone = make_zone(folder / "rapl", "intel-rapl:0", "package-0", 1_000_000).parent

    def start(self, is_measured: bool = True, progress: Progress | None = None) -> EnergyLedger:
        counters = rapl_counters(self.folder / ("rapl" if is_measured else "absent"))
        return EnergyLedger(self.folder, progress or Progress(fingerprint="f"), counters, is_main_process=True)

    def draw(self, joules: int) -> None:
        set_energy(self.zone, int((self.zone / "energy_uj").read_text()) + joules * 1_000_000)

    def kill(self, ledger: EnergyLedger) -> None:
        """Its thread had just read."""
        ledger._keep(ledger.meter.stop())


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_what_a_killed_training_spent_is_counted(parts: Parts) -> None:
    ledger = parts.start()
    parts.draw(100)
    parts.kill(ledger)
    parts.draw(500)  # by whatever ran meanwhile
    ledger = parts.start()
    parts.draw(20)
    spent = ledger.stop()
    assert spent.joules == 120
    assert spent.source == "RAPL (package-0), without the last seconds before 1 interruption"
    spent = parts.start().before
    assert spent.num_interruptions == 2 and spent.joules == 100, "the last part was killed at once"


@pytest.mark.parametrize("measured", [(False, True), (True, False), (True, False, True)])
def test_a_part_that_was_not_measured_leaves_no_number(parts: Parts, measured: tuple[bool, ...]) -> None:
    for is_measured in measured[:-1]:
        ledger = parts.start(is_measured)
        parts.draw(100)
        parts.kill(ledger)
    ledger = parts.start(measured[-1])
    parts.draw(100)
    spent = ledger.stop()
    assert spent.joules is None and spent.source is None


def test_another_training_starts_at_nothing(parts: Parts) -> None:
    ledger = parts.start()
    parts.draw(100)
    parts.kill(ledger)
    ledger = parts.start(progress=Progress(fingerprint="another"))
    parts.draw(7)
    spent = ledger.stop()
    assert spent.joules == 7 and spent.source == "RAPL (package-0)"


def test_a_checkpoint_whose_energy_is_not_known_leaves_no_number(parts: Parts) -> None:
    before = Progress(fingerprint="f", step=3, evals=[EpochEval(epoch=0, step=0, eval_loss=4.0)])
    ledger = parts.start(progress=before)
    parts.draw(100)
    assert ledger.stop().joules is None


TRAIN = (
    "import sys, json; from pathlib import Path\n"
    "from hub_publisher.finetune.loop import train\n"
    "run_dir, rapl = map(Path, sys.argv[1:])\n"
    "train(run_dir, json.loads((run_dir / 'training-request.json').read_text()), rapl)\n"
)


def request(folder: Path, **settings: Any) -> Config:
    """What `finetune` leaves for its training processes, without starting them."""
    config, curation, base = prepare(folder, **settings)
    asked = {
        "fingerprint": finetune.expected_fingerprint(config, curation),
        "config": asdict(config),
        "base_path": str(base.path),
        "base_record": base.record.model_dump(),
    }
    (config.run_dir / "training-request.json").write_text(json.dumps(asked, default=str))
    return config


def launch(run_dir: Path, rapl: Path) -> subprocess.Popen[bytes]:
    """One training process, as the launcher starts it, that finds the processors' counters under `rapl`."""
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(run_dir), str(rapl)])


def train(run_dir: Path, rapl: Path) -> Training:
    assert launch(run_dir, rapl).wait() == 0
    training = read_record(run_dir / "training.json", Training)
    assert training is not None
    assert not (run_dir / ENERGY).exists()
    return training


def test_training_is_measured_where_there_are_counters_and_only_there(tmp_path: Path) -> None:
    config, curation, base = prepare(tmp_path, num_epochs=1)
    here = finetune.finetune(config, curation, base)
    assert (here.energy_joules is None) == (here.energy_source is None) == (rapl_counters() == ())
    assert not (config.run_dir / ENERGY).exists()

    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0", RANGE - 1_000_000)
    make_zone(tmp_path / "rapl", "intel-rapl:0:0", "dram")
    with drawing(tmp_path / "rapl") as joules:
        training = train(config.run_dir, tmp_path / "rapl")
        most = joules()
    assert training.energy_joules is not None
    assert 50 * training.train_seconds < training.energy_joules < most, "two zones of 100 W each"
    assert training.energy_source == "RAPL (package-0, dram)"


def test_a_training_that_was_killed_says_what_its_number_misses(tmp_path: Path) -> None:
    config = request(tmp_path, num_epochs=2, num_posts=60, tokens_per_batch=64, checkpoint_seconds=0.0)
    log = config.run_dir / "training-log.jsonl"
    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0")
    with drawing(tmp_path / "rapl"):
        process = launch(config.run_dir, tmp_path / "rapl")
        deadline = time.monotonic() + 60
        while not log.exists() or log.read_text().count('"kind": "step"') < 5:
            assert time.monotonic() < deadline and process.poll() is None, "training never got that far"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kept = read_record(config.run_dir / ENERGY, Spent)
        assert kept is not None and kept.joules is not None and kept.sources == ["RAPL (package-0)"]
        write_record(config.run_dir / ENERGY, kept.model_copy(update={"joules": 1000.0}))  # as some seconds later
        training = train(config.run_dir, tmp_path / "rapl")
    assert training.energy_joules is not None and training.energy_joules > 1000
    assert training.energy_source == "RAPL (package-0), without the last seconds before 1 interruption"


def test_of_two_processes_one_measures(tmp_path: Path) -> None:
    config = request(tmp_path, num_epochs=1)
    make_zone(tmp_path / "rapl", "intel-rapl:0", "package-0")
    script = tmp_path / "one.py"
    script.write_text(TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment: dict[str, Any] = {**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": os.getcwd()}
    with drawing(tmp_path / "rapl") as joules:
        subprocess.run(
            [*torchrun, str(script), str(config.run_dir), str(tmp_path / "rapl")], env=environment, check=True
        )
        most = joules()
    training = read_record(config.run_dir / "training.json", Training)
    assert training is not None and training.num_processes == 2
    assert training.energy_joules is not None and 0 < training.energy_joules < most
