"""`wandb sync` of one run's folder, as a process that ends with the one that started it: `python -m ... FOLDER`."""

import os
import runpy
import sys
import threading


def _end_with_parent() -> None:
    """stdin is a pipe that nobody writes to: it ends when the publisher does, killed or not."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["wandb", "sync", sys.argv[1]]
    runpy.run_module("wandb", run_name="__main__")
