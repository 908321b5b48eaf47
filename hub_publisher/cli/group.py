"""What every command shares: errors as one message and an exit code, data on stdout, talk on stderr."""

import errno
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub_publisher import __version__
from hub_publisher.config import GROUPS
from hub_publisher.errors import PublisherError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

NAME = "hub-publisher"


class _Command(click.Command):
    """A command whose options stand in the groups of their settings; what it does is said in one whole sentence."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(context):
            if isinstance(parameter, click.Option) and (row := parameter.get_help_record(context)):
                sections.setdefault(GROUPS.get(parameter.name or "", "Options"), []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def get_short_help_str(self, limit: int = 0) -> str:
        return super().get_short_help_str(limit=1000)


class _Group(click.Group):
    """Turns every expected failure into one message on stderr and the right exit code."""

    command_class = _Command

    def main(self, args: Sequence[str] | None = None, *more: Any, **kwargs: Any) -> Any:
        """Run the command; an expected failure is one message on stderr and an exit code."""
        if not sys.stderr.isatty():  # read when the libraries are imported, so set before they are
            os.environ.setdefault("TQDM_DISABLE", "1")
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            given = [*(sys.argv[1:] if args is None else args), *_more_options()]
            return super().main(given, *more, **kwargs)
        except (PublisherError, OSError) as error:
            if os.environ.get("HUB_PUBLISHER_DEBUG") == "1":
                raise
            failure = error if isinstance(error, PublisherError) else _os_failure(error)
            say(f"Error: {failure}")
            sys.exit(failure.exit_code)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; Ctrl-C ends it with 130 and a word on how to go on."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            say("\nInterrupted. The same command goes on from here.")
            sys.exit(130)


def _more_options() -> list[str]:
    """Flags of HUB_PUBLISHER_OPTIONS, which is how make hands them on: no shell sees them."""
    try:
        return shlex.split(os.environ.get("HUB_PUBLISHER_OPTIONS", ""))
    except ValueError as error:
        raise UsageError(f"OPTIONS cannot be read: {error}.", 'Try OPTIONS="--min-posts 20"') from error


def _os_failure(error: OSError) -> PublisherError:
    """The operating system's complaint as one of ours; programmer errors do not look like this."""
    if error.errno == errno.ENOSPC:
        remedy = "Free some, or use another folder with --runs-dir; the same command then goes on from here."
        return PublisherError("No space is left on the disk.", remedy)
    where = f"{error.filename}: " if error.filename else ""
    return PublisherError(f"{where}{error.strerror or error}", "Set HUB_PUBLISHER_DEBUG=1 for the traceback.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hub-publisher")
def main() -> None:
    """Fine-tune a language model on an account's posts and publish it, with a truthful model card, to the Hub.

    \b
    hub-publisher publish lampkeeper_bot                     the bundled sample, to the local Hub
    hub-publisher publish me --archive twitter-archive.zip   your X archive
    hub-publisher publish me --from-path posts.csv           posts in a file
    hub-publisher serve                                      look at what the local Hub holds
    hub-publisher verify huggingtweets/lampkeeper_bot        check a published model against its manifest

    Every flag can also stand in a TOML file (--config) or in the environment as HUB_PUBLISHER_<FLAG>.
    Shell completion: eval "$(_HUB_PUBLISHER_COMPLETE=bash_source hub-publisher)", or zsh_source, fish_source.
    """


def say(line: str) -> None:
    """Talk to the person at the keyboard, on stderr. Commands in it can be typed as they stand."""
    click.echo(_COMMAND.sub(lambda found: _own_name(), line), err=True)


_COMMAND = re.compile(r"(?<![\w./-])hub-publisher(?= [a-z])")


def _own_name() -> str:
    """What this program was started by where its name alone would not be found: .venv/bin/hub-publisher after make."""
    started, found = sys.argv[0], shutil.which(NAME)
    if Path(started).name != NAME or (found and Path(found).samefile(started)):
        return NAME
    return started


def show(as_json: bool, record: "BaseModel", *lines: str) -> None:
    """Print the result on stdout: the record as JSON, or the lines for people."""
    click.echo(record.model_dump_json(indent=2) if as_json else "\n".join(lines))
