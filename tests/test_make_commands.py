"""Commands after `make`: what it hands on arrives, and what is said then can be typed as it stands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = "#!{}\nimport sys\nfrom hub_publisher.cli import main\nsys.exit(main())\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout after `make`, as far as make sees it; the program is this one."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "python").symlink_to(sys.executable)
    (commands / "hub-publisher").write_text(PROGRAM.format(sys.executable))
    (commands / "hub-publisher").chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    """That of a person whose PATH has no hub-publisher."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "HUB_PUBLISHER"))}
    return {**kept, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **more}


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        capture_output=True, encoding="utf-8", cwd=checkout, env=environment(), check=False, timeout=120,
    )  # fmt: skip


def test_commands_in_its_words_are_found(checkout: Path) -> None:
    said = make(checkout, "publish", "USER=nobody", "HUB=local").stderr
    (command,) = [line.strip() for line in said.splitlines() if "--from-path" in line]
    assert command == ".venv/bin/hub-publisher publish nobody --from-path posts.csv"
    typed = subprocess.run(
        ["/bin/sh", "-c", f"{command} --dry-run"],
        capture_output=True, encoding="utf-8", cwd=checkout, env=environment(HUB_PUBLISHER_HUB="local"), check=False,
    )  # fmt: skip
    assert typed.returncode == 1 and "posts.csv" in typed.stderr, "it was found, the file was not"


def test_where_the_name_alone_is_found_it_is_named_alone(checkout: Path) -> None:
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}/usr/bin:/bin"
    typed = subprocess.run(
        ["hub-publisher", "status", "me"],
        capture_output=True, encoding="utf-8", cwd=checkout, env=environment(PATH=path), check=False,
        executable=checkout / ".venv" / "bin" / "hub-publisher",
    )  # fmt: skip
    assert typed.stderr.endswith("See what there is: hub-publisher list\n")


def test_column_options_and_configuration_arrive(checkout: Path, tiny_model: Path) -> None:
    (checkout / "posts.csv").write_text("words\n" + "".join(f"Number {n} of the ships passed by.\n" for n in range(9)))
    (checkout / "run.toml").write_text(f'wandb = "disabled"\nbase_model = "{tiny_model}"\n')
    given = ["publish", "USER=me", "FROM=posts.csv", "HUB=local", "CONFIG=run.toml", "OPTIONS=--dry-run --min-posts 3"]
    refused = make(checkout, *given)
    assert refused.returncode == 2 and "has no column that is known to hold texts" in refused.stderr
    result = make(checkout, *given, "TEXT_COLUMN=words")
    assert result.returncode == 0, result.stderr
    assert "      posts       9 from a file of posts\n" in result.stderr
    assert "      W&B         disabled" in result.stderr
    missing = make(checkout, *given, "CONFIG=none.toml")
    assert "Error: There is no configuration file none.toml." in missing.stderr


def test_options_that_are_no_words(checkout: Path) -> None:
    result = make(checkout, "publish", "USER=me", "OPTIONS=--contact 'a")
    assert result.stderr.startswith(
        'Error: OPTIONS cannot be read: No closing quotation.\nTry OPTIONS="--min-posts 20"'
    )


def test_ctrl_c_ends_make_serve_without_an_error(checkout: Path) -> None:
    command = ["make", "--no-print-directory", "serve"]
    with subprocess.Popen(
        command, cwd=checkout, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        os.killpg(child.pid, signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert said.endswith("The local Hub has ended. What it holds stays in runs/.hub.\n"), said
