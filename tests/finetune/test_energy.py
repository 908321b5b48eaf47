"""Energy counters: read from a real tree of files that advances like the kernel's, added up, absent when in doubt."""

import math
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hub_publisher.finetune import energy
from hub_publisher.finetune.energy import Counter, Meter, counters_for, nvml_counters, rapl_counters
from tests.helpers.energy import RANGE, Clocked, drawing, make_machine, make_zone, set_energy

SERVER = "RAPL (package-0, dram, package-1)"


@pytest.fixture
def rapl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the kernel's, empty yet."""
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    return tmp_path


def test_packages_and_memory_are_counted_once(rapl: Path) -> None:
    make_machine(rapl)
    counters = rapl_counters()
    assert [counter.source for counter in counters] == [SERVER] * 4
    assert {counter.range_joules for counter in counters} == {262_143.32885}
    for number, zone in enumerate(("intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl:1:1"), 1):
        set_energy(rapl / zone, number * 500_000)
    assert [counter.read() for counter in counters] == [0.5, 1.0, 1.5, 2.0]


def unreadable(root: Path) -> None:
    """What only root may read is no file to others; for the tests, which root may run, it is a folder."""
    (root / "intel-rapl:1" / "energy_uj").unlink()
    (root / "intel-rapl:1" / "energy_uj").mkdir()


def unreadable_memory(root: Path) -> None:
    (root / "intel-rapl:1:1" / "energy_uj").unlink()


def nonsense(root: Path) -> None:
    (root / "intel-rapl:0" / "energy_uj").write_text("many\n")


def without_range(root: Path) -> None:
    (root / "intel-rapl:0" / "max_energy_range_uj").write_text("0\n")


def dies(root: Path) -> None:
    """One package's counter may be shown twice."""
    (root / "intel-rapl:0" / "name").write_text("package-0-die-0\n")
    (root / "intel-rapl:1" / "name").write_text("package-0-die-1\n")


def same_name(root: Path) -> None:
    (root / "intel-rapl:1" / "name").write_text("package-0\n")


def no_package(root: Path) -> None:
    for number in range(2):
        (root / f"intel-rapl:{number}" / "name").unlink()


@pytest.mark.parametrize(
    "break_it", [unreadable, unreadable_memory, nonsense, without_range, dies, same_name, no_package]
)
def test_a_machine_that_does_not_tell_all_is_not_measured(rapl: Path, break_it: Callable[[Path], None]) -> None:
    make_machine(rapl)
    assert len(rapl_counters()) == 4
    break_it(rapl)
    assert rapl_counters() == ()


def test_a_machine_without_counters_is_not_measured(rapl: Path) -> None:
    assert rapl_counters() == ()
    assert Meter(()).stop() is None


def test_a_meter_adds_up_what_all_counters_tell(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them comes round meanwhile, which must not show."""
    monkeypatch.setattr(energy, "READ_SECONDS", 0.01)
    make_zone(rapl, "intel-rapl:0", "package-0", RANGE - 5_000_000)
    make_zone(rapl, "intel-rapl:0:0", "dram", 7_000_000)
    threads = set(threading.enumerate())  # with those that other tests have left
    with drawing(rapl) as joules:
        before = joules()
        meter = Meter(rapl_counters())
        started = joules()
        while joules() < started + 40:
            time.sleep(0.01)
        ended = joules()
        measured = meter.stop()
        after = joules()
    assert measured is not None and ended - started - 1e-6 <= measured <= after - before + 1e-6
    assert int((rapl / "intel-rapl:0" / "energy_uj").read_text()) < 100_000_000, "it never came round"
    assert set(threading.enumerate()) <= threads


def test_a_counter_that_goes_away_takes_the_whole_number_with_it(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_zone(rapl, "intel-rapl:0", "package-0", 1_000_000)
    clocked = Clocked(*rapl_counters(), monkeypatch)
    set_energy(file.parent, 31_000_000)
    clocked.advance(1)
    file.unlink()
    clocked.advance(1)
    for microjoules in (40_000_000, 41_000_000):
        set_energy(file.parent, microjoules)
        clocked.advance(1)
    assert clocked.meter.stop() is None, "what it used while it was away is not known"


@pytest.mark.parametrize(("dram", "expected"), [(0, None), (1_000_000, 3)])
def test_a_counter_that_stands_still_does_not_count(rapl: Path, dram: int, expected: float | None) -> None:
    make_zone(rapl, "intel-rapl:0", "package-0", 1_000_000)
    make_zone(rapl, "intel-rapl:0:0", "dram")
    meter = Meter(rapl_counters())
    set_energy(rapl / "intel-rapl:0", 3_000_000)
    set_energy(rapl / "intel-rapl:0:0", dram)
    assert meter.stop() == expected


@pytest.mark.parametrize(("late", "expected"), [(31, 60_000.001), (32, None)])
def test_a_reading_that_comes_too_late_may_have_missed_a_turn(
    rapl: Path, monkeypatch: pytest.MonkeyPatch, late: float, expected: float | None
) -> None:
    """65,536 J come round in 33 seconds at 2,000 W."""
    file = make_zone(rapl, "intel-rapl:0", "package-0", 0, most=65_536_000_000)
    clocked = Clocked(*rapl_counters(), monkeypatch)
    set_energy(file.parent, 60_000_000_000)
    clocked.advance(31)
    set_energy(file.parent, 60_000_001_000)
    clocked.advance(late)
    assert clocked.meter.stop() == expected
    assert energy.READ_SECONDS < 31 / 3, "the thread may come late by twice its time"


def test_readings_in_time_may_go_on_for_ever(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_zone(rapl, "intel-rapl:0", "package-0", 0, most=65_536_000_000)
    clocked = Clocked(*rapl_counters(), monkeypatch)
    for reading in range(1, 31):
        set_energy(file.parent, reading * 4_000_000_000 % 65_536_000_000)
        clocked.advance(energy.READ_SECONDS)
    assert clocked.meter.stop() == pytest.approx(120_000)


def test_a_counter_that_was_reset_did_not_come_round(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_zone(rapl, "intel-rapl:0", "package-0", 100_000_000_000)
    clocked = Clocked(*rapl_counters(), monkeypatch)
    set_energy(file.parent, 1_000_000)
    clocked.advance(8)
    assert clocked.meter.stop() is None


@given(
    range_joules=st.floats(30_000, 300_000),
    start=st.floats(0, 1, exclude_max=True),
    pieces=st.lists(st.tuples(st.floats(0, energy.READ_SECONDS), st.floats(0, 1)), max_size=30),
)
def test_turns_never_show(range_joules: float, start: float, pieces: list[tuple[float, float]]) -> None:
    """Whatever the power, up to the most there is: the pieces between readings add up to what was drawn."""
    counter = Counter("RAPL", lambda: math.nan, range_joules)
    total = start * range_joules
    for seconds, load in pieces:
        drawn = seconds * load * energy.MOST_WATTS
        spent = counter.spent(total % range_joules, (total + drawn) % range_joules, seconds)
        # Between 0 and a full turn there is nothing, where rounding may put a counter that did not move.
        assert math.isclose(spent % range_joules, drawn, abs_tol=1e-5) or math.isclose(spent, drawn, abs_tol=1e-5)
        total += drawn


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e4), st.sampled_from([1e3, 65_536.0, 262_144.0, math.inf]))
def test_a_number_is_never_more_than_hardware_draws(before: float, now: float, seconds: float, most: float) -> None:
    spent = Counter("RAPL", lambda: math.nan, most).spent(before, now, seconds)
    assert math.isnan(spent) or 0 <= spent <= energy.MOST_WATTS * (seconds + 1)


class FakeAccelerator:
    """What an Accelerator says of the machine."""

    def __init__(self, kind: str, num_processes: int = 1, is_main_process: bool = True) -> None:
        self.device = types.SimpleNamespace(type=kind)
        self.num_processes = num_processes
        self.is_main_process = is_main_process


def test_one_process_measures_one_machine(rapl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_machine(rapl)
    assert len(counters_for(FakeAccelerator("cpu"))) == 4
    assert counters_for(FakeAccelerator("mps")) == ()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert len(counters_for(FakeAccelerator("cpu", 2))) == 4
    assert counters_for(FakeAccelerator("cpu", 2, is_main_process=False)) == ()
    assert counters_for(FakeAccelerator("cpu", 4)) == (), "two machines of two processes"


class NVMLError(Exception):
    pass


def fake_nvml(gpus: dict[str, list[int]]) -> types.ModuleType:
    """The four names of nvidia-ml-py in use, over counters in millijoules that a test holds: no GPU is here."""
    module = types.ModuleType("pynvml")

    def by_uuid(uuid: bytes) -> list[int]:
        if uuid.decode() not in gpus:
            raise NVMLError("Not Found")
        return gpus[uuid.decode()]

    def total_energy(handle: list[int]) -> int:
        if not handle:
            raise NVMLError("Not Supported")
        return handle[0]

    module.NVMLError = NVMLError  # type: ignore[attr-defined]
    module.nvmlInit = lambda: None  # type: ignore[attr-defined]
    module.nvmlDeviceGetHandleByUUID = by_uuid  # type: ignore[attr-defined]
    module.nvmlDeviceGetTotalEnergyConsumption = total_energy  # type: ignore[attr-defined]
    return module


def test_the_gpus_in_use_are_read_by_their_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = {"GPU-a": [5_000], "GPU-b": [7_000], "GPU-c": [9_000], "GPU-old": []}
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(gpus))
    counters = nvml_counters(["b", "a", "b"])
    assert [counter.source for counter in counters] == ["NVML (2 GPUs)"] * 2
    assert [counter.source for counter in nvml_counters(["c"])] == ["NVML (1 GPU)"]
    assert [counter.read() for counter in counters] == [5.0, 7.0]
    gpus["GPU-b"].clear()
    assert counters[0].read() == 5.0 and math.isnan(counters[1].read())
    assert nvml_counters(["a", "old"]) == nvml_counters(["a", "unknown"]) == ()


def test_a_driver_that_was_reloaded_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = {"GPU-a": [5_000_000]}
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(gpus))
    for millijoules, expected in ((5_600_000, 600), (1_000, None)):
        clocked = Clocked(*nvml_counters(["a"]), monkeypatch)
        gpus["GPU-a"][0] = millijoules
        clocked.advance(100)
        assert clocked.meter.stop() == expected


def test_gpus_without_their_counter_are_not_measured_by_the_processors(
    rapl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_machine(rapl)
    properties = types.SimpleNamespace(uuid="a")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert counters_for(FakeAccelerator("cuda")) == ()
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml({"GPU-a": [0], "GPU-other": [0]}))
    assert [counter.source for counter in counters_for(FakeAccelerator("cuda"))] == ["NVML (1 GPU)", *[SERVER] * 4]
    monkeypatch.setattr(energy, "RAPL", tmp_path / "absent")
    assert [counter.source for counter in counters_for(FakeAccelerator("cuda"))] == ["NVML (1 GPU)"]
