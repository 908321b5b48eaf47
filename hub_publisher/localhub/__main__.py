"""Run the local Hub: python -m hub_publisher.localhub --root DIR [--host 127.0.0.1] [--port N]."""

import argparse
import json
import sys
from pathlib import Path

from hub_publisher.errors import PublisherError
from hub_publisher.localhub.runner import Limits
from hub_publisher.localhub.server import run_server
from hub_publisher.system.lifeline import end_with_parent


def main() -> int:
    """Serve until interrupted and return an exit code; the URL is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m hub_publisher.localhub", description="Serve the local Hub.")
    parser.add_argument("--root", type=Path, required=True, help="folder of its repositories")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port (default: that of last time, else a free one)")
    parser.add_argument("--stop-with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument("--limits", type=json.loads, default={}, help="of inference, as JSON: see runner.Limits")
    options = parser.parse_args()
    limits = Limits(**options.limits)
    if options.stop_with_parent:
        end_with_parent()
    try:
        run_server(options.root, options.host, options.port, lambda url: print(url, flush=True), limits)
    except PublisherError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
