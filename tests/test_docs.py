"""The documents say what is so: commands that exist, files that are there, examples that run, help that is current."""

import ast
import hashlib
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from hub_publisher import __version__, sources
from hub_publisher.cli import main
from hub_publisher.config import FIELD_NAMES, Config
from hub_publisher.pipeline.stages import STAGES
from hub_publisher.sources import files

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README, CONTRIBUTING, *GUIDES = (path.read_text(encoding="utf-8") for path in DOCUMENTS)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCES = _FENCE.findall("\n".join((README, CONTRIBUTING, *GUIDES)))


def shell_lines() -> list[str]:
    return [line.split("#")[0].strip() for kind, text in FENCES if kind == "sh" for line in text.splitlines()]


def typed() -> list[str]:
    """Every command of ours that a document shows, in a block or within a line, but for those with a <gap>."""
    inline = re.findall(r"`(hub-publisher \w[^`<]*)`", "\n".join((README, CONTRIBUTING, *GUIDES)))
    ours = [line for line in shell_lines() if line.startswith("hub-publisher")]
    return list(dict.fromkeys([*ours, *(line.replace("\n", " ") for line in inline)]))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("make")])
def test_make_commands_of_the_documents_exist(line: str) -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    words = line.split()
    assert words[1] in targets
    given = re.search(r"^GIVEN := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert given
    assert {word.split("=")[0] for word in words[2:]} <= set(given[1].split())


@pytest.mark.parametrize("line", typed())
def test_commands_of_the_documents_are_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed as the program does: flags and arguments that exist, values of the right kind, settings with a meaning."""
    shutil.copy(ROOT / "docs" / "run.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    _, name, *words = shlex.split(line)
    context = main.commands[name].make_context(name, words)
    settings = {key: value for key, value in context.params.items() if key in FIELD_NAMES and value is not None}
    if settings.get("handle"):
        Config(**settings)


def test_the_first_commands_do_what_the_readme_says(tmp_path: Path) -> None:
    """The rehearsal of one's own posts, and what the pages on sources show, with the posts there."""
    (tmp_path / "posts.csv").write_text("text\n" + "\n".join(f"{word} again." for word in _words(80)), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "run.toml", tmp_path)
    for line in typed():
        if re.match(r"hub-publisher (fetch|curate) you|.* --config run.toml", line):
            _, *words = shlex.split(line)
            rehearsal = ["--dry-run"] if words[0] == "publish" else []
            result = subprocess.run(
                [sys.executable, "-m", "hub_publisher", *words, *rehearsal],
                cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=120,
            )  # fmt: skip
            assert result.returncode == 0, (line, result.stderr)


def _words(number: int) -> list[str]:
    """As many sentences that have nothing in common."""
    return [" ".join(hashlib.sha256(f"{i} {j}".encode()).hexdigest()[:9] for j in range(6)) for i in range(number)]


def test_pip_installs_what_the_makefile_installs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in (line for line in shell_lines() if line.startswith("pip install --no-deps")):
        assert line.removeprefix("pip ") in makefile.replace("--quiet --disable-pip-version-check ", "")


def test_what_troubleshooting_quotes_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "hub_publisher").rglob("*.py"))
    said_elsewhere = {"command not found", "must be a whole number"}  # the shell; put together from Config's kinds
    assert len(quoted) > 10
    assert [text for text in quoted if text not in code and text not in said_elsewhere] == []


def test_the_columns_are_those_that_are_read() -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`(\w+)`", line) for line in page.splitlines() if line.startswith("| ")]
    listed = [tuple(names) for names in rows if names]
    assert listed[:-1] == [files._COLUMNS[what] for what in ("text", "created_at", "language", "is_repost", "id")]
    assert listed[-1] == files._REPLY


def test_python_of_the_pages_compiles_and_imports_what_exists() -> None:
    pages = (README, (ROOT / "docs" / "stages.md").read_text(encoding="utf-8"))
    blocks = [text for page in pages for kind, text in _FENCE.findall(page) if kind == "python"]
    assert len(blocks) == 2
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


def test_every_stage_and_its_record_stand_on_their_page() -> None:
    page = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", page, re.MULTILINE)
    assert [stage for stage, _ in rows] == [stage.name for stage in STAGES]
    for stage, (_, left) in zip(STAGES, rows, strict=True):
        assert left.startswith(f"`{stage.record.file}`") or stage.name == "card"  # whose page people look for
        assert f"`{stage.record.file}`" in left


def test_the_output_shown_in_the_readme_has_every_stage_in_order() -> None:
    shown = re.findall(r"^\[(\d)/(\d)\] (\w+) +done in \d+ s$", README, re.MULTILINE)
    assert shown == [(str(number), str(len(STAGES)), stage.name) for number, stage in enumerate(STAGES, 1)]


def test_the_picture_of_the_house_has_every_stage_and_every_record() -> None:
    picture = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")
    for number, stage in enumerate(STAGES, 1):
        assert f">{number} {stage.name}</text>" in picture
        assert f">{stage.record.file}</text>" in picture


def test_the_floors_are_those_that_the_imports_are_held_to() -> None:
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    (layers,) = [
        ast.literal_eval(line.value) for line in tree.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "LAYERS"
    ]  # fmt: skip
    house = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([a-z]+)(?:/|\.py)` \|", house, re.MULTILINE)
    floors = {name: number for number, names in enumerate(layers, 1) for name in names}
    assert {name: int(number) for number, name in rows} == floors


def _tests_in(text: str) -> list[Callable[[Path], None]]:
    """The tests that a block of a document defines."""
    where: dict[str, Callable[[Path], None]] = {}
    exec(compile(text, "add-a-source.md", "exec"), where)
    return [value for name, value in where.items() if name.startswith("test_")]


def test_the_source_in_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
    module, choice, tests = [text for kind, text in _FENCE.findall(guide) if kind == "python"]
    diary = ModuleType("hub_publisher.sources.diary")
    monkeypatch.setitem(sys.modules, diary.__name__, diary)
    exec(compile(module, "diary.py", "exec"), vars(diary))
    scope = {**vars(sources), "diary": diary}
    exec(compile(choice, "sources.py", "exec"), scope)
    monkeypatch.setattr(sources, "_source_of", scope["_source_of"])
    found = _tests_in(tests)
    assert len(found) == 3
    for number, test in enumerate(found):
        (tmp_path / str(number)).mkdir()
        test(tmp_path / str(number))


def test_the_guide_changes_two_lines_of_what_is_there() -> None:
    guide = (ROOT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
    (choice,) = [text for kind, text in _FENCE.findall(guide) if text.startswith("def _source_of")]
    added = ['    if config.from_path and config.from_path.suffix == ".md":', "        return diary"]
    there = inspect.getsource(sources._source_of).splitlines()
    assert [line for line in choice.splitlines() if line not in added] == there


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_to_files(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (document.parent / link).stat().st_size < 500_000, link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_the_documents_exist(document: Path) -> None:
    prose = _FENCE.sub("", document.read_text(encoding="utf-8"))
    for name in re.findall(r"`((?:hub_publisher|tests|templates)/[\w./-]+)`", prose):
        is_example = "diary" in name or "wordcount" in name  # what the guides add, and their tests make
        assert (ROOT / name).exists() or is_example, name


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
