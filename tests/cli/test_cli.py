"""What the command line says and how it ends: exact texts and exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from hub_publisher import __version__
from hub_publisher.cli import main
from hub_publisher.config import FIELD_NAMES
from tests.helpers.tiny import make_tiny_model

COMMANDS = [
    "publish", "fetch", "curate", "finetune", "evaluate", "snippet", "card", "push", "loadback",
    "serve", "generate", "verify", "sync", "list", "status", "inspect", "delete", "release",
]  # fmt: skip


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, **environment: str) -> Ended:
    """The command line in this process."""
    result = CliRunner().invoke(main, arguments, env=environment, prog_name="hub-publisher")
    return Ended(result.exit_code, result.stdout, result.stderr)


def run_child(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hub_publisher", *arguments],
        capture_output=True, encoding="utf-8", env={**os.environ, **environment}, check=False, timeout=120,
    )  # fmt: skip


def test_the_commands_are_these() -> None:
    assert sorted(main.commands) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert main.commands[command].help
    for parameter in main.commands[command].params:
        assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), parameter.name


def test_every_setting_has_a_flag() -> None:
    flags = {parameter.name for parameter in main.commands["publish"].params}
    assert flags >= FIELD_NAMES


def test_help_answers_at_once_because_it_loads_next_to_nothing() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hub_publisher", "--help"],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in result.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"torch", "transformers", "wandb", "huggingface_hub", "pydantic", "numpy", "jinja2", "yaml"}


def test_version() -> None:
    assert run_child("--version").stdout == f"hub-publisher, version {__version__}\n"


@pytest.mark.parametrize("handle", ["../../etc", "x; touch /tmp/y", "$(id)", "a b", "", "a/b", "-", "naïve", "a" * 101])
def test_a_handle_that_is_none(handle: str) -> None:
    result = run("publish", "--", handle)
    assert result.returncode == 2
    assert result.stderr == (
        f"Error: {handle!r} is not a handle: letters, digits and _ . - @ only, 100 characters at most.\n"
        "Name the account without spaces or slashes: hub-publisher publish lampkeeper_bot\n"
    ).replace(repr(handle), repr(handle[:100]))


def test_a_handle_that_no_source_serves(tmp_path: Path) -> None:
    result = run("fetch", "nobody_in_particular", "--runs-dir", str(tmp_path))
    assert result.returncode == 1
    assert "There is nothing to read the posts of nobody_in_particular from." in result.stderr
    assert "hub-publisher publish nobody_in_particular --archive path/to/archive.zip" in result.stderr
    assert "hub-publisher publish nobody_in_particular --from-path posts.csv" in result.stderr
    assert "hub-publisher publish lampkeeper_bot" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning-rate", "0"], "Error: --learning-rate is 0.0, it must be above 0.\n"),
        (["--heldout-ratio", "1"], "Error: --heldout-ratio is 1.0, it must be between 0 and 1.\n"),
        (["--num-epochs", "0"], "Error: --num-epochs is 0, it must be at least 1.\n"),
        (
            ["--force", "training"],
            "Error: There is no stage 'training'.\n"
            "Choose one of: fetch, curate, finetune, evaluate, snippet, card, push, loadback\n",
        ),
        (["--dtype", "int8"], "Error: --dtype 'int8' is not one of bfloat16, float32.\n"),
        (["--wandb", "often"], "Error: --wandb 'often' is not one of auto, online, offline, disabled.\n"),
        (
            ["--hub", "example.org"],
            "Error: --hub 'example.org' is neither local, huggingface.co nor a URL.\n"
            "Try --hub local or --hub huggingface.co\n",
        ),
        (
            ["--repo-name", "a--b"],
            "Error: The Hub refuses 'a--b' as a repository name: at most 96 letters, digits and _ . -, no -- or .., "
            "not ending in .git.\nChoose another with --repo-name or --namespace.\n",
        ),
        (
            ["--namespace", "a..b"],
            "Error: The Hub refuses 'a..b' as a namespace: at most 96 letters, digits and _ . -, no -- or .., "
            "not ending in .git.\nChoose another with --repo-name or --namespace.\n",
        ),
        (
            ["--archive", "a.zip", "--from-path", "b.csv"],
            "Error: Both an archive and a file of posts are given.\nKeep one of --archive and --from-path.\n",
        ),
    ],
)
def test_settings_that_make_no_sense(flags: list[str], message: str) -> None:
    result = run("publish", "me", *flags)
    assert (result.returncode, result.stderr) == (2, message)


def test_toml_then_environment_then_flag(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('min_posts = 100000\nheldout_ratio = 0.2\nprompts = ["A", "B"]\n')
    runs = ["--runs-dir", str(tmp_path)]
    assert run("fetch", "lampkeeper_bot", *runs).returncode == 0
    refused = run("curate", "lampkeeper_bot", "--config", str(file), *runs)
    assert refused.returncode == 1 and "100000 are needed" in refused.stderr
    by_environment = run("curate", "lampkeeper_bot", "--config", str(file), *runs, HUB_PUBLISHER_MIN_POSTS="100001")
    assert "100001 are needed" in by_environment.stderr
    by_flag = run("curate", "lampkeeper_bot", "--config", str(file), *runs, "--min-posts", "9", "--json",
                  HUB_PUBLISHER_MIN_POSTS="100001")  # fmt: skip
    curation = json.loads(by_flag.stdout)
    assert curation["num_heldout"] == pytest.approx(0.2 * (curation["num_train"] + curation["num_heldout"]), abs=1)


def test_a_configuration_file_with_a_wrong_key(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("learning_rat = 1.0\n")
    result = run("publish", "me", "--config", str(file))
    assert result.returncode == 2
    assert result.stderr.startswith(f"Error: {file} holds unknown keys: learning_rat.\nThe known ones: ")
    missing = run("publish", "me", "--config", str(tmp_path / "none.toml"))
    assert (missing.returncode, missing.stderr) == (
        2,
        f"Error: There is no configuration file {tmp_path / 'none.toml'}.\nName one that exists with --config.\n",
    )
    file.write_text("min_posts = \n")
    broken = run("publish", "me", "--config", str(file))
    assert broken.returncode == 2 and "cannot be read: Invalid value (at line 1" in broken.stderr


@pytest.mark.parametrize(
    ("command", "record", "first"),
    [
        ("curate", "timeline.json", "fetch"),
        ("finetune", "timeline.json", "fetch"),
        ("evaluate", "timeline.json", "fetch"),
        ("snippet", "timeline.json", "fetch"),
        ("card", "timeline.json", "fetch"),
        ("push", "timeline.json", "fetch"),
        ("loadback", "timeline.json", "fetch"),
        ("generate", "model", "publish"),
    ],
)
def test_a_stage_without_its_input_names_the_first_command_that_is_missing(
    command: str, record: str, first: str, tmp_path: Path
) -> None:
    places = ["--runs-dir", str(tmp_path)]
    if command in ("snippet", "card", "push", "loadback"):
        places += ["--hub-dir", str(tmp_path / "hub")]
    result = run(command, "me", *places)
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: There is no {record} in {tmp_path / 'me'}.\nRun first: hub-publisher {first} me\n"
    )


def test_a_hub_that_is_down_is_found_before_any_work(tmp_path: Path) -> None:
    result = run("publish", "lampkeeper_bot", "--hub", "http://127.0.0.1:9", "--runs-dir", str(tmp_path), "--yes",
                 HF_TOKEN="hf_notarealtoken")  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ") and "http://127.0.0.1:9" in result.stderr
    assert "hf_notarealtoken" not in result.stderr + result.stdout
    assert [path.name for path in (tmp_path / "lampkeeper_bot").iterdir()] == [".lock"]


def test_a_base_model_that_cannot_write(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    result = run("publish", "lampkeeper_bot", "--base-model", str(folder), "--runs-dir", str(tmp_path / "runs"),
                 "--hub-dir", str(tmp_path / "hub"), "--wandb", "disabled")  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.splitlines()[4].startswith("[1/8] fetch     done in ")
    assert "[2/8]" not in result.stderr, "nothing more is done"
    assert result.stderr.endswith(
        f"Error: The folder {folder} is not a causal language model (BertForMaskedLM): it cannot write posts.\n"
        "Choose one that can, for instance --base-model openai-community/gpt2 or --base-model smollm2-135m\n"
    )


def test_a_base_model_that_does_not_exist(tmp_path: Path) -> None:
    result = run("publish", "lampkeeper_bot", "--base-model", "no such thing", "--runs-dir", str(tmp_path / "runs"),
                 "--hub-dir", str(tmp_path / "hub"), "--wandb", "disabled")  # fmt: skip
    assert result.returncode == 1
    assert "[2/8]" not in result.stderr, "nothing more is done"
    assert result.stderr.endswith(
        "Error: 'no such thing' is neither a folder nor a model id of the Hub.\nTry --base-model smollm2-135m\n"
    )


@pytest.fixture
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system with little left: by default 100 kB, room for the avatar, not for the timeline."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={getattr(request, 'param', 100)}k"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(full_disk: Path) -> None:
    result = run("fetch", "lampkeeper_bot", "--runs-dir", str(full_disk))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: No space is left on the disk.\n"
        "Free some, or use another folder with --runs-dir; the same command then goes on from here.\n"
    )
    assert not list((full_disk / "lampkeeper_bot").glob("*timeline*")), "nothing half-written is left"


@pytest.mark.parametrize("full_disk", [1000], indirect=True)
def test_a_disk_without_room_for_checkpoints(full_disk: Path, tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    for stage in ("fetch", "curate"):
        assert run(stage, "lampkeeper_bot", "--runs-dir", str(full_disk)).returncode == 0
    result = run("finetune", "lampkeeper_bot", "--runs-dir", str(full_disk), "--base-model", str(base))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Training needs ")
    assert "put the runs elsewhere with --runs-dir." in result.stderr


def test_a_traceback_only_when_asked_for() -> None:
    assert "Traceback" not in run_child("publish", "a b").stderr
    assert "Traceback" in run_child("publish", "a b", HUB_PUBLISHER_DEBUG="1").stderr


def test_shell_completion_knows_the_commands() -> None:
    result = run(_HUB_PUBLISHER_COMPLETE="bash_complete", COMP_WORDS="hub-publisher cur", COMP_CWORD="1")
    script = subprocess.run(
        [str(Path(sys.executable).parent / "hub-publisher")],
        capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "_HUB_PUBLISHER_COMPLETE": "bash_complete", "COMP_WORDS": "hub-publisher cur",
             "COMP_CWORD": "1"},
    )  # fmt: skip
    assert "curate" in script.stdout
    assert result.returncode in (0, 2)


def test_a_card_of_nobody_names_what_to_type() -> None:
    result = run("card")
    assert (result.returncode, result.stderr) == (
        2,
        "Error: Say whose publication.\nName the account: hub-publisher card lampkeeper_bot\n",
    )


def test_a_published_card_gets_no_contact_that_is_none() -> None:
    result = run("card", "--refresh", "huggingtweets/me", "--contact", "not-a-contact", "--hub", "http://127.0.0.1:9")
    assert (result.returncode, result.stderr) == (
        2,
        "Error: --contact 'not-a-contact' is no address that people can write to.\n"
        "Give a page, such as https://example.org/contact, or an e-mail address, such as me@example.org\n",
    )
