"""What every command shares: errors as one message and an exit code, data on stdout, talk on stderr."""

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from hub_publisher import __version__
from hub_publisher.config import GROUPS
from hub_publisher.errors import PublisherError

if TYPE_CHECKING:
    from pydantic import BaseModel


class _Command(click.Command):
    """A command whose options stand in the groups of their settings; what it does is said in one whole sentence."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if not sys.stderr.isatty():  # read when the libraries are imported, so set before they are
            os.environ.setdefault("TQDM_DISABLE", "1")
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            return super().main(*args, **kwargs)
        except (PublisherError, OSError) as error:
            if os.environ.get("HUB_PUBLISHER_DEBUG") == "1":
                raise
            failure = error if isinstance(error, PublisherError) else _os_failure(error)
            click.echo(f"Error: {failure.message}", err=True)
            if failure.remedy:
                click.echo(failure.remedy, err=True)
            sys.exit(failure.exit_code)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. The same command goes on from here.", err=True)
            sys.exit(130)


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
    """Talk to the person at the keyboard, on stderr."""
    click.echo(line, err=True)


def show(as_json: bool, record: "BaseModel", *lines: str) -> None:
    """Print the result on stdout: the record as JSON, or the lines for people."""
    click.echo(record.model_dump_json(indent=2) if as_json else "\n".join(lines))
