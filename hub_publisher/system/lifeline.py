"""A child process that ends when the process that started it does, killed or not.

The parent gives the child a pipe as stdin and never writes to it; the system closes the pipe when the parent ends.
Nothing but the standard library is imported: isolated_process runs this very source in a process that has no package.
"""

import os
import sys
import threading


def end_with_parent() -> None:
    """Start a thread that ends this process with exit code 1 as soon as its stdin ends."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    sys.stdin.read()
    os._exit(1)
