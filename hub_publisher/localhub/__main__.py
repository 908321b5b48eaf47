"""The child process of `localhub.start`: python -m hub_publisher.localhub ROOT LIMITS, until standard input closes."""

import json
import sys
from pathlib import Path

from hub_publisher.errors import PublisherError
from hub_publisher.localhub.runner import Limits
from hub_publisher.localhub.server import run_server
from hub_publisher.system.lifeline import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    limits = Limits(**json.loads(sys.argv[2]))
    try:
        run_server(Path(sys.argv[1]), "127.0.0.1", None, lambda url: print(url, flush=True), limits)
    except PublisherError as error:
        sys.exit(str(error))
