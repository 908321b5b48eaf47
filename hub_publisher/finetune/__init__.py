"""Curated posts -> model/ and training.json, by a training loop on Accelerate.

finetune(config, curation, base) starts the training processes (launch.py); each runs the loop (loop.py) with its
checkpoints (checkpoints.py) and process 0 leaves the model in its published form (published.py).
"""

import json
import shutil
import subprocess
from dataclasses import asdict
from typing import Any

from hub_publisher.base_model import BaseModel
from hub_publisher.config import Config
from hub_publisher.disk import read_record, stage_fingerprint, write_bytes
from hub_publisher.errors import TrainingError
from hub_publisher.finetune.launch import REQUEST, launch_command
from hub_publisher.records import Curation, Training

FIELDS = (
    "base_model",
    "base_revision",
    "max_post_tokens",
    "learning_rate",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "num_epochs",
    "tokens_per_batch",
    "gradient_accumulation_steps",
    "seed",
    "dtype",
    "temperature",
    "top_p",
)
RECORD = "training.json"
# Checkpoint (weights, two moments, in float32), a second one while the first is replaced, best and final weights.
BYTES_PER_PARAMETER = 2 * 12 + 2 * 4


def expected_fingerprint(config: Config, curation: Curation) -> str:
    """Changes when the posts or a hyperparameter change; the number of processes does not change the weights."""
    return stage_fingerprint("finetune", config, FIELDS, curation.posts_sha256)


def finetune(config: Config, curation: Curation, base: BaseModel) -> Training:
    """Train in child processes and return the record they leave; a killed run goes on from its last checkpoint.

    Raises TrainingError when there is no room for checkpoints, or when the processes end without a record.
    """
    request = {
        "fingerprint": expected_fingerprint(config, curation),
        "config": asdict(config),
        "base_path": str(base.path.resolve()),
        "base_record": base.record.model_dump(),
    }
    _check_room(config, base)
    (config.run_dir / RECORD).unlink(missing_ok=True)
    write_bytes(config.run_dir / REQUEST, json.dumps(request, indent=2, default=str).encode())
    exit_code = _run(*launch_command(config, config.run_dir))
    training = read_record(config.run_dir / RECORD, Training)
    if exit_code or training is None:
        raise TrainingError(
            f"Training ended with exit code {exit_code} before the model was complete; its messages stand above.",
            "Run the same command again: it goes on from the last checkpoint. If memory ran out, try "
            "--gradient-accumulation-steps 4: the same result in smaller pieces.",
        )
    return training


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


def _check_room(config: Config, base: BaseModel) -> None:
    needed: Any = base.record.num_parameters * BYTES_PER_PARAMETER
    free = shutil.disk_usage(config.run_dir).free
    if free < needed:
        raise TrainingError(
            f"Training needs {needed / 1e9:.2f} GB for checkpoints and weights, {config.run_dir} has "
            f"{free / 1e9:.2f} GB free.",
            "Free some space, or put the runs elsewhere with --runs-dir.",
        )
