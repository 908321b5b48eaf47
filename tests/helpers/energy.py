"""A tree of files like the kernel's energy counters, which advances, and a meter whose clock a test holds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub_publisher.finetune import energy
from hub_publisher.finetune.energy import Counter, Meter

RANGE = 262_143_328_850  # microjoules: what an Intel processor says of its package


def make_zone(root: Path, zone: str, name: str, microjoules: int = 0, most: int = RANGE) -> Path:
    """A zone as the kernel shows it: a link to a folder elsewhere. Returns its counter's file."""
    folder, device = root / zone, root / "devices" / zone
    device.mkdir(parents=True)
    folder.symlink_to(device)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    set_energy(folder, microjoules)
    return folder / "energy_uj"


def set_energy(zone: Path, microjoules: int) -> None:
    """Renamed into place: a reader sees the one number or the other, as with the kernel's files."""
    (zone / ".new").write_text(f"{microjoules}\n")
    (zone / ".new").replace(zone / "energy_uj")


def make_machine(root: Path) -> Path:
    """Two packages with memory, as a server has them, and the zones that would be counted twice."""
    for package in range(2):
        make_zone(root, f"intel-rapl:{package}", f"package-{package}", 1_000_000)
        make_zone(root, f"intel-rapl:{package}:0", "core", 1_000_000)
        make_zone(root, f"intel-rapl:{package}:1", "dram", 1_000_000)
    make_zone(root, "intel-rapl:2", "psys", 1_000_000)
    make_zone(root, "intel-rapl-mmio:0", "package-0", 1_000_000)
    (root / "intel-rapl").mkdir()
    return root


@contextmanager
def drawing(root: Path, watts: float = 100.0) -> Iterator[Callable[[], float]]:
    """Every zone under `root` counts on and comes round at its range. Gives the joules that all files have told so far.

    Between two of its answers the files tell exactly the difference, however seldom this thread has its turn.
    """
    zones = {path.parent: int(path.read_text()) for path in root.glob("*/energy_uj")}
    ranges = {zone: int((zone / "max_energy_range_uj").read_text()) for zone in zones}
    started, stopped, lock, told = time.monotonic(), threading.Event(), threading.Lock(), [0]

    def joules() -> float:
        with lock:
            return told[0] * len(zones) / 1e6

    def count() -> None:
        while not stopped.wait(0.005):
            with lock:
                told[0] = int(watts * (time.monotonic() - started) * 1e6)
                for zone, start in zones.items():
                    set_energy(zone, (start + told[0]) % ranges[zone])

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield joules
    finally:
        stopped.set()
        thread.join()


class Clocked:
    """A meter of one counter on a clock that goes only when told to, so that nothing depends on this machine's load."""

    def __init__(self, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(energy, "monotonic", lambda: self.now)
        self.meter = Meter([counter])

    def advance(self, seconds: float) -> None:
        """Let that much time go by, and read."""
        self.now += seconds
        self.meter.read()
