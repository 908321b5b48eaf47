"""Imports point one way. Read from the code itself, so that a shortcut cannot creep in."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hub_publisher"

# A module may import from floors before its own in this list. Rooms on one floor never import one another.
LAYERS = [
    {"errors"},
    {"config"},
    {"records"},
    {"system", "text"},
    {"readme"},
    {"tracking", "localhub", "model"},
    {"sources", "curate", "finetune", "evaluate", "card", "hub"},
    {"pipeline"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    """Every file with a layer: all but the package's own __init__ and the entry points, which may import anything."""
    entry_points = {PACKAGE / "__init__.py", *PACKAGE.rglob("__main__.py")}
    return sorted(set(PACKAGE.rglob("*.py")) - entry_points)


def owner(path: Path) -> str:
    """The layer's name that a file belongs to: hub_publisher/card/escape.py -> card."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def first_party(path: Path) -> set[str]:
    """Names under hub_publisher that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts == ["hub_publisher"]:
                found |= {alias.name for alias in node.names}
            elif parts[0] == "hub_publisher":
                found.add(parts[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hub_publisher.")}
    return {name for name in found if name in LEVEL}


def test_every_module_has_its_layer() -> None:
    assert {owner(path) for path in modules()} == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    mine = owner(path)
    for name in first_party(path) - {mine}:
        assert LEVEL[name] < LEVEL[mine], f"{mine} imports {name}"


def test_no_function_has_more_than_six_parameters() -> None:
    """self included: who needs more has a noun to name."""
    too_many = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len(taken) > 6:
                    too_many.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}: {len(taken)}")
    assert too_many == []


def test_no_file_is_longer_than_300_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): number for path, number in lines.items() if number > 300} == {}


def test_the_house_has_few_rooms() -> None:
    found = [path for path in PACKAGE.iterdir() if path.name != "__pycache__" and not path.name.startswith(".")]
    assert len(found) <= 20


def test_the_local_hub_knows_no_stage() -> None:
    for path in modules():
        if owner(path) == "localhub":
            assert first_party(path) <= {"localhub", "errors", "readme", "text", "system"}, path


@pytest.mark.parametrize(
    "module",
    ["hub_publisher", "hub_publisher.cli", "hub_publisher.card", "hub_publisher.hub.push",
     "hub_publisher.localhub.server", "hub_publisher.pipeline"],
)  # fmt: skip
def test_importing_does_not_load_torch(module: str) -> None:
    script = f"import sys, {module}; sys.exit(any(n in sys.modules for n in ('torch', 'transformers', 'wandb')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_public_names_are_these() -> None:
    import hub_publisher

    assert hub_publisher.__all__ == ["Config", "__version__", "publish"]
    assert callable(hub_publisher.publish)
