"""How the training processes are started, on whatever hardware there is."""

import os
import sys
from pathlib import Path

from hub_publisher.config import Config
from hub_publisher.system.hardware import THREADS, multiplies_bfloat16, num_threads

LIFELINE = "HUB_PUBLISHER_LIFELINE"


def launch_command(config: Config, run_dir: Path) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of the training processes.

    An Accelerate configuration file decides everything by itself. On CPUs Accelerate is told what it needs by its
    environment: for one process `accelerate launch` would load torch only to set that, and several it starts through
    MPI alone, so these go through torchrun.
    """
    import torch

    target = ["-m", "hub_publisher.finetune", str(run_dir)]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", LIFELINE: "1"}
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    if config.accelerate_config:
        return [*launch, "--config_file", str(config.accelerate_config), *target], environment
    num_processes = config.num_processes or max(torch.cuda.device_count(), 1)
    threads = str(num_threads(num_processes))
    precision = "bf16" if multiplies_bfloat16() else "no"
    if not torch.cuda.is_available():
        environment |= {"ACCELERATE_USE_CPU": "true", "ACCELERATE_MIXED_PRECISION": precision, THREADS: threads}
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes)]
        return [sys.executable, *(torchrun if num_processes > 1 else []), *target], environment
    kind = "--multi_gpu" if num_processes > 1 else ""
    flags = f"--num_processes {num_processes} --num_machines 1 --dynamo_backend no {kind}".split()
    resources = ["--mixed_precision", precision, "--num_cpu_threads_per_process", threads]
    return [*launch, *flags, *resources, *target], environment
