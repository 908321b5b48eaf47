"""`release`: what was published with --private becomes public, and its receipt says so."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from hub_publisher.cli import main
from hub_publisher.config import Config
from hub_publisher.errors import HubError, PublisherError
from hub_publisher.hub.target import open_target
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.release import release
from hub_publisher.records import Receipt
from hub_publisher.system.files import read_record
from tests.helpers.push import make_publication, push
from tests.helpers.terminal import at_a_terminal


def private(hub: LocalHub, folder: Path, name: str, elsewhere: bool = False) -> Config:
    """A private publication, on the local Hub or on one that stands in for another."""
    config = replace(make_publication(folder, name), private=True, namespace="huggingtweets")
    place = {"hub": hub.url, "hub_dir": folder / "here"} if elsewhere else {"hub_dir": hub.root}
    config = replace(config, **place)
    with open_target(config) as target:
        assert push(config, target).visibility == "private"
    return config


def visibility(config: Config) -> str:
    receipt = read_record(config.run_dir / Receipt.file, Receipt)
    assert receipt
    return receipt.visibility


def test_a_no_leaves_it_private_and_a_yes_makes_it_public(
    hub: LocalHub, anonymous: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    config, asked = private(hub, tmp_path, "released", elsewhere=True), []
    url = f"{hub.url}/huggingtweets/released"
    with pytest.raises(HubError) as error:
        release(config, lambda *told: bool(asked.append(told)))
    assert error.value.message == "Nothing went out: the answer was no."
    assert error.value.remedy == "To be asked again: hub-publisher release lampkeeper_bot --repo-name released"
    assert asked == [(f"Make {url} public?", url)]
    assert not anonymous.repo_exists("huggingtweets/released") and visibility(config) == "private"
    assert release(config, lambda *told: True).visibility == visibility(config) == "public"
    assert anonymous.repo_exists("huggingtweets/released")
    assert release(config, lambda *told: False).visibility == "public", "done already: nothing to ask"


def test_on_the_local_hub_from_the_command_line(hub: LocalHub, anonymous: HfApi, tmp_path: Path) -> None:
    config = private(hub, tmp_path, "released-here")
    flags = ["--repo-name", config.name, "--runs-dir", str(config.runs_dir), "--hub-dir", str(hub.root)]
    result = CliRunner().invoke(main, ["release", config.handle, *flags])
    assert (result.exit_code, result.stdout) == (0, f"{hub.url}/huggingtweets/released-here is public\n")
    assert anonymous.repo_exists("huggingtweets/released-here")


def test_at_a_terminal_and_without_one(hub: LocalHub, anonymous: HfApi, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", hub.token)
    config = private(hub, tmp_path, "released-there", elsewhere=True)
    command = ["release", config.handle, "--repo-name", config.name, "--runs-dir", str(config.runs_dir)]
    refused = CliRunner().invoke(main, command)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"Error: Nothing goes to {hub.url} unseen, and there is no terminal here to ask at.\n"
        "Add --yes to go ahead without being asked; `publish` has --no-push, too, to stop before it.\n"
    )
    url = f"{hub.url}/huggingtweets/released-there"
    with at_a_terminal(*command) as terminal:
        assert terminal.until("]: ") == f"\nLook at it first: {url}\nMake {url} public? [y/N]: "
        terminal.type("y\n")
        assert terminal.ended() == (0, f"{url} is public\n")
    assert anonymous.repo_exists("huggingtweets/released-there")


def test_nothing_was_published(tmp_path: Path) -> None:
    with pytest.raises(PublisherError) as error:
        release(Config(handle="lampkeeper_bot", runs_dir=tmp_path))
    assert error.value.message == f"There is no receipt.json in {tmp_path / 'lampkeeper_bot'}: nothing was published."
    assert error.value.remedy == "Run first: hub-publisher publish lampkeeper_bot --private"
    assert not list(tmp_path.iterdir())
