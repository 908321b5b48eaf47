"""The documents say what is so: commands that exist, files that are there, help that is current."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from hub_publisher import __version__
from hub_publisher.cli import main

ROOT = Path(__file__).parent.parent
README, CONTRIBUTING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
FENCES = re.findall(r"^```(\w*)\n(.*?)^```", README + CONTRIBUTING, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[str]:
    return [line.split("#")[0].strip() for kind, text in FENCES if kind == "sh" for line in text.splitlines()]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make")])
def test_make_commands_of_the_readme_exist(line: str) -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    words = line.split()
    assert words[1] in targets
    given = re.search(r"^GIVEN := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert given
    assert {word.split("=")[0] for word in words[2:]} <= set(given[1].split())


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("hub-publisher")])
def test_commands_and_flags_of_the_readme_exist(line: str) -> None:
    words = line.split()
    command = main.commands[words[1]]
    flags = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.split("=")[0] for word in words[2:] if re.fullmatch(r"--?[a-z].*", word)} <= flags


def test_python_of_the_readme_compiles_and_imports_what_exists() -> None:
    blocks = [text for kind, text in FENCES if kind == "python"]
    assert blocks
    for text in blocks:
        compile(text, "README.md", "exec")
        for line in text.splitlines():
            if line.startswith("from hub_publisher"):
                exec(line, {})


def test_the_file_tree_is_the_one_on_disk() -> None:
    (tree,) = [text for kind, text in FENCES if kind == "" and text.startswith("hub_publisher/")]
    named = {line.split()[0].rstrip("/") for line in tree.splitlines()[1:] if line.startswith("  ")}
    there = {
        path.name for path in (ROOT / "hub_publisher").iterdir()
        if path.name not in ("__pycache__", "templates") and not path.name.startswith(".")
    }  # fmt: skip
    assert named == there


def test_every_stage_and_its_record_stand_in_the_readme() -> None:
    from hub_publisher.records import RECORDS

    for stage, record in RECORDS.items():
        assert f"`{stage}`" in README
        assert record.replace("*", "<handle>") in README


def test_pictures_of_the_readme_exist() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < 500_000


def test_the_changelog_has_this_version_or_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text or f"## {__version__}" in text


def test_no_text_names_a_machine_or_a_token() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    for name in listing.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".jinja", ".txt", ".sh") or path.name == "Makefile":
            text = path.read_text(encoding="utf-8")
            is_test = path.is_relative_to(ROOT / "tests")  # some plant paths, to show that they do not get out
            assert is_test or not re.search(r"/(?:home|Users|root)/\w+", text), name
            assert not re.search(r"\bhf_[A-Za-z0-9]{30,}\b", text), name


def test_help_of_every_command_fits_a_terminal() -> None:
    for name, command in main.commands.items():
        context = click.Context(command, info_name=name, terminal_width=100)
        assert all(len(line) <= 100 for line in command.get_help(context).splitlines()), name
