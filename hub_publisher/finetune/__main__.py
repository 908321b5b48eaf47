"""One training process: `python -m hub_publisher.finetune RUN_DIR`, started by Accelerate's or torch's launcher."""

import errno
import sys
from pathlib import Path

from hub_publisher.finetune.loop import train
from hub_publisher.finetune.run import REQUEST, Request
from hub_publisher.system.lifeline import end_with_parent


def main(run_dir: Path) -> None:
    """Train what the request in `run_dir` asks for."""
    end_with_parent()
    try:
        train(Request.model_validate_json((run_dir / REQUEST).read_bytes()))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk that holds {run_dir} is full: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
