"""Command-line flags made from Config's fields, so that a setting is described in one place.

Precedence: command line, then HUB_PUBLISHER_<FIELD> in the environment, then the TOML file of --config.
"""

import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

import click

from hub_publisher.config import FIELD_NAMES, Config
from hub_publisher.errors import UsageError

create_pr_option = click.option(
    "--create-pr", is_flag=True, help="Propose changes of what is published as a pull request."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")


def options(*names: str, handle_required: bool = True, saved: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """Flags for the Config fields of these names, with --config, --json and the HANDLE argument.

    Those in `saved` are None unless given: what was published says their value then.
    """

    def decorate(function: Any) -> Any:
        function = json_option(flags(*names, saved=saved)(function))
        function = click.option(
            "--config",
            envvar="HUB_PUBLISHER_CONFIG",
            is_eager=True,
            expose_value=False,
            callback=_read_toml,
            help="TOML file with any of the flags.",
        )(function)
        return click.argument("handle", envvar="HUB_PUBLISHER_HANDLE", required=handle_required)(function)

    return decorate


def flags(*names: str, saved: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """Flags for the Config fields of these names, for commands that are about no publication of one's own."""

    def decorate(function: Any) -> Any:
        for setting in reversed(fields(Config)):
            if setting.name in names and setting.name != "handle":
                function = _flag(setting, setting.name in saved)(function)
        return function

    return decorate


def _flag(field: Any, is_saved: bool) -> Callable[[Any], Any]:
    """The click option of one Config field."""
    names = [f"--{field.name.replace('_', '-')}", field.name]
    common = {"default": field.default, "help": field.metadata["help"], "envvar": f"HUB_PUBLISHER_{field.name.upper()}"}
    if is_saved:
        common |= {"default": None, "help": f"{common['help']}  [default: as it was published]"}
    if field.type is bool:
        return click.option(f"{names[0]}/--no-{names[0][2:]}", names[1], **common)
    if field.name == "prompts":
        # An environment variable holds one prompt: a list would be split at the spaces.
        common |= {"envvar": None, "help": f"{common['help']}  [default: {', '.join(map(repr, field.default))}]"}
        return click.option(*names, multiple=True, **common)
    kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    kind = next(kind for kind in kinds if kind is not NoneType)
    return click.option(*names, type=click.Path(path_type=Path) if kind is Path else kind, show_default=True, **common)


def _read_toml(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Take the defaults from a TOML file; a key that is no flag is an error, not a silent loss."""
    if value is None:
        return
    try:
        values = tomllib.loads(Path(value).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"There is no configuration file {value}.", "Name one that exists with --config.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"The configuration file {value} cannot be read: {reason}.") from error
    if unknown := sorted(set(values) - FIELD_NAMES):
        raise UsageError(
            f"{value} holds unknown keys: {', '.join(unknown)}.", f"The known ones: {', '.join(sorted(FIELD_NAMES))}"
        )
    context.default_map = {**(context.default_map or {}), **values}
