"""Progress bars are shown where somebody looks: in a terminal and in a notebook, not in a log."""

import os

from tqdm.auto import tqdm

__all__ = ["hidden", "tqdm"]


def hidden() -> bool | None:
    """What to give tqdm as `disable`: None lets it look whether stderr is a terminal.

    In a notebook it is none, and bars are seen. Jupyter marks the environment of its kernels, which their child
    processes inherit.
    """
    return False if "JPY_PARENT_PID" in os.environ else None
