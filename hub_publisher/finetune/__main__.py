"""One training process: `python -m hub_publisher.finetune RUN_DIR`, started by Accelerate's or torch's launcher."""

import errno
import json
import os
import sys
import threading
from pathlib import Path

from hub_publisher.finetune.launch import LIFELINE, REQUEST
from hub_publisher.finetune.loop import train


def main(run_dir: Path) -> None:
    """Train what the request in `run_dir` asks for."""
    if os.environ.get(LIFELINE):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        train(run_dir, json.loads((run_dir / REQUEST).read_text(encoding="utf-8")))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk that holds {run_dir} is full: {error}")


def _end_with_parent() -> None:
    """stdin is a pipe that nobody writes to: it ends when the publisher does, killed or not."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
