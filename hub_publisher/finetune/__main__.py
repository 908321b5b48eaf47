"""One training process: `python -m hub_publisher.finetune RUN_DIR`, started by Accelerate's or torch's launcher."""

import errno
import os
import sys
from pathlib import Path

from hub_publisher.finetune.launch import LIFELINE
from hub_publisher.finetune.loop import train
from hub_publisher.finetune.request import read_request
from hub_publisher.system.lifeline import end_with_parent


def main(run_dir: Path) -> None:
    """Train what the request in `run_dir` asks for."""
    if os.environ.get(LIFELINE):
        end_with_parent()
    try:
        train(run_dir, read_request(run_dir))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk that holds {run_dir} is full: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
