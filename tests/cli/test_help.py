"""--help: options in groups, each command with its own, no sentence cut."""

import click
import pytest

from hub_publisher.cli import main
from hub_publisher.config import FIELD_NAMES, GROUPS


def help_of(name: str) -> str:
    command = main.commands[name]
    return command.get_help(click.Context(command, info_name=name, terminal_width=100))


def sections(text: str) -> dict[str, list[str]]:
    """Title of a section -> the flags in it."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            title = line.removesuffix(":")
        elif line.startswith("  -") and title:
            found.setdefault(title, []).append(line.split()[-1 if line.strip().startswith("-n,") else 0].rstrip(","))
    return found


def test_every_setting_has_a_group() -> None:
    assert set(GROUPS) == FIELD_NAMES
    assert {name for name, group in GROUPS.items() if not group} == {"handle"}


def test_publish_lists_its_options_in_groups_of_a_size_to_read() -> None:
    found = sections(help_of("publish"))
    assert list(found)[:3] == ["Options", "Posts", "Where it goes"]
    assert {"Training", "Model card", "Tracking", "Folders"} <= set(found)
    assert "--archive" in found["Posts"] and "--learning-rate" in found["Training"]
    assert "--dry-run" in found["Options"] and "--contact" in found["Model card"]
    assert max(map(len, found.values())) <= 12


@pytest.mark.parametrize(
    ("command", "foreign"),
    [("card", "--learning-rate"), ("generate", "--num-samples"), ("generate", "--prompts"), ("sync", "--base-model"),
     ("fetch", "--min-posts"), ("curate", "--from-path"), ("verify", "--contact")],
)  # fmt: skip
def test_a_command_offers_its_own_options_only(command: str, foreign: str) -> None:
    assert f"{foreign} " not in help_of(command)


def test_the_list_of_commands_cuts_no_sentence() -> None:
    text = main.get_help(click.Context(main, info_name="hub-publisher", terminal_width=80))
    assert "..." not in text.replace("[ARGS]...", "")
    flowing = " ".join(text.split())
    for command in main.commands.values():
        assert command.help
        assert " ".join(command.help.split("\n\n")[0].split()).rstrip(".") in flowing
