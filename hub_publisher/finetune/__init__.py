"""Curated posts -> model/ and a Training record, by a training loop on Accelerate.

finetune(config, curation, base) leaves a request (request.py) and starts the training processes (launch.py); each runs
the loop (loop.py) with its checkpoints (checkpoints.py), and process 0 leaves the weights in their published form and
the record (export.py).
"""

import shutil
import subprocess

from hub_publisher.config import Config
from hub_publisher.errors import TrainingError
from hub_publisher.finetune.checkpoints import RESULT, SCRATCH
from hub_publisher.finetune.launch import launch_command
from hub_publisher.finetune.request import REQUEST, Request, make_request, write_request
from hub_publisher.model.base_model import ResolvedBaseModel
from hub_publisher.records import Curation, Training
from hub_publisher.system.files import read_record

# Checkpoint (weights, two moments, in float32), a second one while the first is replaced, best and final weights.
BYTES_PER_PARAMETER = 2 * 12 + 2 * 4


def finetune(config: Config, curation: Curation, base: ResolvedBaseModel) -> Training:
    """Train in child processes and return the record they leave; a killed run goes on from its last checkpoint.

    Raises TrainingError when there is no room for checkpoints, or when the processes end without a record.
    """
    begin(config, curation, base)
    exit_code = _run(*launch_command(config, config.run_dir))
    training = None if exit_code else end(config)
    if training is None:
        raise TrainingError(
            f"Training ended with exit code {exit_code} before the model was complete; its messages stand above.",
            "Run the same command again: it goes on from the last checkpoint. If memory ran out, try "
            "--gradient-accumulation-steps 4: the same result in smaller pieces.",
        )
    return training


def begin(config: Config, curation: Curation, base: ResolvedBaseModel) -> Request:
    """Leave the request for the training processes. Raises TrainingError when there is no room for checkpoints."""
    _check_room(config, base)
    request = make_request(config, curation, base)
    (config.run_dir / RESULT).unlink(missing_ok=True)
    write_request(config.run_dir, request)
    return request


def end(config: Config) -> Training | None:
    """The record that the training processes left, or None."""
    return read_record(config.run_dir / RESULT, Training)


def clear(config: Config) -> None:
    """Remove what only a resumed training would need, once the record of this one is safe."""
    shutil.rmtree(config.run_dir / SCRATCH, ignore_errors=True)
    (config.run_dir / REQUEST).unlink(missing_ok=True)


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


def _check_room(config: Config, base: ResolvedBaseModel) -> None:
    needed = base.record.num_parameters * BYTES_PER_PARAMETER
    free = shutil.disk_usage(config.run_dir).free
    if free < needed:
        raise TrainingError(
            f"Training needs {needed / 1e9:.2f} GB for checkpoints and weights, {config.run_dir} has "
            f"{free / 1e9:.2f} GB free.",
            "Free some space, or put the runs elsewhere with --runs-dir.",
        )
