"""What this machine is and can: the few facts that decide how training and evaluation run here."""

import os
import platform
from typing import Any

THREADS = "OMP_NUM_THREADS"


def num_cpus() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_threads(num_processes: int) -> int:
    """Threads for each of so many processes here: what OMP_NUM_THREADS says, else an equal share of the cores.

    Whoever shares a machine says how much of it is theirs. Threads beyond that wait for one another, and training
    then takes several times as long.
    """
    said = os.environ.get(THREADS, "")
    return int(said) if said.isdecimal() and int(said) else max(num_cpus() // num_processes, 1)


def multiplies_bfloat16() -> bool:
    """Whether bfloat16 products run in hardware; emulated, they are several times slower than float32."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def description(device: Any, num_processes: int) -> str:
    """The machine in words, without its name: "2 CPU cores (Intel Xeon 2.80GHz)" or "1 x NVIDIA H100"."""
    import torch

    if device.type == "cuda":
        return f"{num_processes} x {torch.cuda.get_device_name()}"
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    return f"{num_cpus()} CPU cores ({name})"


def peak_memory_bytes(device: Any) -> int:
    """This process's peak so far: GPU memory where it computes on one, else resident memory."""
    import resource

    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if platform.system() == "Darwin" else 1024  # getrusage counts bytes there and KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
