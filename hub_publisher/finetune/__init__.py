"""Curated posts -> model/ and a Training record, by a training loop on Accelerate.

finetune(config, curation, base) leaves a request (run.py) and starts the training processes, on whatever hardware there
is; each runs the loop (loop.py) with its checkpoints (checkpoints.py), and process 0 leaves the weights in their
published form and the record (export.py).
"""

import os
import shutil
import subprocess
import sys
from shlex import quote

from hub_publisher.config import Config
from hub_publisher.errors import TrainingError, UsageError
from hub_publisher.finetune.run import REQUEST, RESULT, SCRATCH, Request
from hub_publisher.model.base_model import ResolvedBaseModel
from hub_publisher.records import Curation, Training
from hub_publisher.system.files import read_record, write_record
from hub_publisher.system.hardware import THREADS, multiplies_bfloat16, num_threads

# Checkpoint (weights, two moments, in float32) and best weights, each once more while it is replaced.
BYTES_PER_PARAMETER = 2 * 12 + 2 * 4


def finetune(config: Config, curation: Curation, base: ResolvedBaseModel) -> Training:
    """Train in child processes and return the record they leave; a killed run goes on from its last checkpoint.

    Raises TrainingError when there is no room for checkpoints, or when the processes end without a record.
    """
    begin(config, curation, base)
    exit_code = _run(*launch_command(config))
    training = None if exit_code else read_record(config.run_dir / RESULT, Training)
    if training is None:
        raise TrainingError(
            f"Training ended with exit code {exit_code} before the model was complete; its messages stand above.",
            "Run the same command again: it goes on from the last checkpoint. If memory ran out, try "
            "--gradient-accumulation-steps 4: the same result in smaller pieces.",
        )
    return training


def begin(config: Config, curation: Curation, base: ResolvedBaseModel) -> Request:
    """Leave the request for the training processes. Raises TrainingError when there is no room for checkpoints."""
    check_room(config, base)
    request = Request(config=config, base=base, posts_sha256=curation.posts_sha256)
    (config.run_dir / RESULT).unlink(missing_ok=True)
    write_record(config.run_dir / REQUEST, request)
    return request


def check_room(config: Config, base: ResolvedBaseModel) -> None:
    """Raises TrainingError when the disk of the publication's folder, which need not be there yet, is too full."""
    needed = base.record.num_parameters * BYTES_PER_PARAMETER
    folder = next(path for path in (config.run_dir, *config.run_dir.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingError(
            f"Training needs {needed / 1e9:.2f} GB for checkpoints and weights, {config.run_dir} has "
            f"{free / 1e9:.2f} GB free.",
            "Free some space, or put the runs elsewhere with --runs-dir.",
        )


def check_launch(config: Config) -> None:
    """Raises UsageError when Accelerate cannot read the configuration file that `config` names."""
    path = config.accelerate_config
    if path is None:
        return
    import yaml
    from accelerate.commands.config.config_args import load_config_from_file

    remedy = f"Write one with `accelerate config --config_file {quote(str(path))}`, or leave --accelerate-config out."
    if not path.is_file():
        raise UsageError(f"There is no file {path} with Accelerate's configuration.", remedy)
    try:
        load_config_from_file(str(path))
    except (OSError, AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} is no configuration of Accelerate's: {error}", remedy) from error


def clear(config: Config) -> None:
    """Remove what only a resumed training would need, once the record of this one is safe."""
    shutil.rmtree(config.run_dir / SCRATCH, ignore_errors=True)
    (config.run_dir / REQUEST).unlink(missing_ok=True)


def launch_command(config: Config) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of the training processes.

    An Accelerate configuration file decides everything by itself. Without one Accelerate is told what it needs by its
    environment, and torchrun starts the processes when they are several: for one `accelerate launch` would load torch
    only to set that environment, and several on CPUs it starts through MPI alone.
    """
    import torch

    target = ["-m", "hub_publisher.finetune", str(config.run_dir)]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    if config.accelerate_config:
        launch = ["-m", "accelerate.commands.launch", "--config_file", str(config.accelerate_config)]
        return [sys.executable, *launch, *target], environment
    num_processes = config.num_processes or max(torch.cuda.device_count(), 1)
    environment[THREADS] = str(num_threads(num_processes))
    environment["ACCELERATE_MIXED_PRECISION"] = "bf16" if multiplies_bfloat16() else "no"
    if not torch.cuda.is_available():
        environment["ACCELERATE_USE_CPU"] = "true"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes)]
    return [sys.executable, *(torchrun if num_processes > 1 else []), *target], environment


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run the launcher with a pipe on its stdin: when this process dies, the pipe ends, and so does training.

    Ctrl-C reaches this process alone, which then ends the others, so that one message is printed and not one from each.
    """
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True) as child:
        try:
            return child.wait()
        except BaseException:
            child.terminate()
            raise
