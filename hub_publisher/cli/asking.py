"""The question before anything goes out, asked at a terminal or answered beforehand with --yes."""

import sys
from typing import TYPE_CHECKING

import click

from hub_publisher.cli.group import say
from hub_publisher.config import LOCAL, Config
from hub_publisher.errors import UsageError

if TYPE_CHECKING:
    from hub_publisher.hub.preview import Confirm

yes_option = click.option("--yes", is_flag=True, envvar="HUB_PUBLISHER_YES", help="Go ahead without being asked.")


def asker(config: Config, yes: bool) -> "Confirm | None":
    """Who is asked before another Hub than the local one is changed, None for nobody.

    Raises UsageError when there is somebody to ask and no terminal.
    """
    if yes:
        return None
    from hub_publisher.hub.target import choose_hub

    if (hub := choose_hub(config)) == LOCAL:
        return None
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"Nothing goes to {hub} unseen, and there is no terminal here to ask at.",
            "Add --yes to go ahead without being asked; `publish` has --no-push, too, to stop before it.",
        )
    return _ask


def _ask(question: str, page: str) -> bool:
    say(f"\nLook at it first: {page}")
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D: everything is as after a no
        say("")
        return False
