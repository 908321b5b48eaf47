"""hub-publisher: words on the screen and exit codes; the work is in the stages, which load only when called.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
"""

from hub_publisher.cli import publications, publishing, stages  # noqa: F401  # they add their commands to main
from hub_publisher.cli.group import main

__all__ = ["main"]
