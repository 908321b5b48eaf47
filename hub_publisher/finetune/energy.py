"""Energy, as the hardware's own counters tell it: RAPL for processor packages and memory, NVML for NVIDIA's GPUs.

    Meter(counters_for(accelerator)).stop() -> joules, or None

Nothing here is estimated. Where a counter is missing, may not be read, goes away or jumps, there is no number at all.
A counter tells of the whole device: whatever else ran there meanwhile is in its number.
"""

import math
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

# https://docs.kernel.org/power/powercap/powercap.html; AMD's processors are under the same name.
RAPL = Path("/sys/class/powercap")
# No package, memory or GPU draws more for long. The smallest RAPL range there is, 2**32 units of 15.3 µJ, is 65,536 J:
# at that power the counter comes round in 32 seconds, so a reading every 8 cannot miss it.
MOST_WATTS = 2000.0
READ_SECONDS = 8.0
_SETTLING_SECONDS = 1.0  # the counters themselves are renewed every millisecond (RAPL) to tenth of a second (NVML)
_PACKAGE = re.compile(r"package-\d+")


@dataclass(frozen=True)
class Counter:
    """One counter. `read` gives joules since a moment of its own, or NaN; at `range_joules` it begins at 0 again."""

    source: str  # "RAPL (package-0, dram)": what all counters of its kind tell of
    read: Callable[[], float]
    range_joules: float = math.inf

    def spent(self, before: float, now: float, seconds: float) -> float:
        """Joules between two readings that lie `seconds` apart, or NaN when the readings do not tell.

        They do not when one is NaN, when the counter may have come round more than once in between, and when the
        difference is more than any hardware draws: then it was reset.
        """
        most = MOST_WATTS * (seconds + _SETTLING_SECONDS)
        difference = now - before if now >= before else now - before + self.range_joules
        return difference if 0 <= difference <= most < self.range_joules else math.nan


class Meter:
    """Adds up what counters say, from its making on. A thread reads them, since a step or an evaluation may be long."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters
        self._spent = [0.0] * len(counters)
        self._at, self._readings = monotonic(), [counter.read() for counter in counters]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> float | None:
        """Read a last time and end the thread. Returns the joules of all counters together.

        None without counters, when one could not be read at any time, and when one has not moved: hardware that is
        switched on draws power, so a counter that stands still does not count.
        """
        self._stopped.set()
        self._thread.join()
        self.read()
        return sum(self._spent) if self._spent and all(joules > 0 for joules in self._spent) else None

    def read(self) -> None:
        """Add what the counters moved since they were last read."""
        now, readings = monotonic(), [counter.read() for counter in self._counters]
        for index, counter in enumerate(self._counters):
            self._spent[index] += counter.spent(self._readings[index], readings[index], now - self._at)
        self._at, self._readings = now, readings

    def _watch(self) -> None:
        while not self._stopped.wait(READ_SECONDS):
            self.read()


def counters_for(accelerator: Accelerator) -> tuple[Counter, ...]:
    """The counters of a training under this `Accelerator`; every process asks, only the first gets any.

    A package's counter is the whole machine's, so one process reads it, and the counters of all GPUs in use as well.
    There are none when several machines take part, as this process sees one of them; none on a GPU without NVML, as
    the processors' share alone would be taken for the whole. The processors may be missing beside GPUs: their counters
    are often the root user's only, and a counter's `source` names what was counted.
    """
    device = accelerator.device
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type not in ("cpu", "cuda") or here != accelerator.num_processes:
        return ()
    gpus = gather_object([str(torch.cuda.get_device_properties(device).uuid)]) if device.type == "cuda" else []
    if not accelerator.is_main_process:
        return ()
    counters = nvml_counters(gpus)
    return (*counters, *rapl_counters()) if bool(counters) == bool(gpus) else ()


def rapl_counters() -> tuple[Counter, ...]:
    """The counters of all packages and of the memory beside them, which a package's own does not include.

    core and uncore are parts of their package, psys holds the packages. None at all when one of them cannot be read,
    which takes the root user on most systems, and when packages are told of by the die: the first AMD EPYC and
    Threadripper show one package's counter once for each die (Linux before 6.12), Intel's dies have their own.
    """
    names = {file.parent: file.read_text().strip() for file in sorted(RAPL.glob("intel-rapl:*/name"))}
    packages = [name for name in names.values() if name.startswith("package-")]
    if not packages or not all(map(_PACKAGE.fullmatch, packages)) or len(set(packages)) < len(packages):
        return ()
    zones = {zone: name for zone, name in names.items() if name in {*packages, "dram"}}
    source = f"RAPL ({', '.join(dict.fromkeys(zones.values()))})"
    reads = {zone: partial(_joules, zone / "energy_uj") for zone in zones}
    counters = tuple(Counter(source, read, _joules(zone / "max_energy_range_uj")) for zone, read in reads.items())
    return counters if all(each.range_joules > 0 and each.read() >= 0 for each in counters) else ()


def nvml_counters(uuids: Iterable[str]) -> tuple[Counter, ...]:
    """The counters of the GPUs with these UUIDs, as CUDA gives them; none without nvidia-ml-py (the extra `energy`).

    All or none: a GPU older than Volta has no such counter, nor has a part of one (MIG).
    """
    try:
        import pynvml
    except ImportError:
        return ()

    def read(handle: object) -> float:
        try:
            return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
        except pynvml.NVMLError:
            return math.nan

    distinct = sorted(set(uuids))
    source = f"NVML ({len(distinct)} GPU{'s' if len(distinct) > 1 else ''})"
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode()) for uuid in distinct]
    except pynvml.NVMLError:
        return ()
    counters = tuple(Counter(source, partial(read, handle)) for handle in handles)
    return counters if all(counter.read() >= 0 for counter in counters) else ()


def _joules(path: Path) -> float:
    """A file's number of microjoules, in joules; NaN when there is none."""
    try:
        return int(path.read_text()) / 1e6
    except (OSError, ValueError):
        return math.nan
