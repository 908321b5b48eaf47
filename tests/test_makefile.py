"""The Makefile hands what it is given to the program and never to a shell."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        capture_output=True, encoding="utf-8", cwd=ROOT, env={**environment, "USER": "login-name"}, check=False,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def set_up_already() -> None:
    ready, needed = ROOT / ".venv" / ".ready", ("pyproject.toml", "constraints.txt")
    if not ready.exists() or ready.stat().st_mtime < max((ROOT / name).stat().st_mtime for name in needed):
        pytest.skip("make would install first: run the tests through `make test`")


def test_make_alone_prints_the_targets() -> None:
    result = make()
    assert result.returncode == 0
    for target in ("publish", "serve", "card", "test", "lint", "format", "bench", "clean"):
        assert f"  make {target} " in result.stdout


def test_the_login_name_is_never_published() -> None:
    result = make("publish")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith("*** Say whose posts: make publish USER=lampkeeper_bot.  Stop.")


@pytest.mark.parametrize("attack", ["x; touch {}", "$(shell touch {})", "$$(touch {})", "`touch {}`", "x' ; touch {} '",
                                    'x" ; touch {} "', "x\ntouch {}", "$(id)", "../../etc"])  # fmt: skip
def test_no_value_reaches_a_shell(attack: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    result = make("publish", f"USER={attack.format(trap)}")
    assert not trap.exists()
    assert result.returncode == 2
    assert "is not a handle" in result.stderr


@pytest.mark.parametrize(
    "name", ["ARCHIVE", "FROM", "BASE_MODEL", "HUB", "NAMESPACE", "NUM_PROCESSES", "CONFIG", "TEXT_COLUMN", "OPTIONS"]
)
def test_no_other_value_reaches_a_shell(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    make("publish", "USER=no_such_account", f"{name}=$(shell touch {trap}); touch {trap}")
    assert not trap.exists()
