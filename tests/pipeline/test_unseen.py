"""A whole publication that nobody sees before it was looked at: --no-push, the question at a terminal, --yes."""

import json
import urllib.request

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi

from hub_publisher import localhub
from hub_publisher.cli import main
from hub_publisher.localhub import LocalHub
from tests.helpers.publication import SAMPLE, Place, states
from tests.helpers.terminal import at_a_terminal

PREPARED = ["fetch", "curate", "finetune", "evaluate", "snippet", "card"]


def page_of(url: str) -> str:
    """The page as a browser gets it."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as response:
        return str(response.read().decode())


def test_no_push_stops_after_the_card_and_publish_goes_on_from_there(copied: Place) -> None:
    receipt = (copied.run_dir / "receipt.json").read_bytes()
    stopped = CliRunner().invoke(main, ["publish", *copied.flags("--no-push", "--force", "card")])
    assert stopped.exit_code == 0, stopped.output
    assert list(states(stopped.stderr.splitlines())) == PREPARED
    assert stopped.stdout == f"{copied.run_dir / 'model' / 'README.md'}\n"
    assert stopped.stderr.endswith(
        f"\nNothing was published. `hub-publisher serve --hub-dir {copied.folder / 'hub'}` shows it as "
        f"preview/{SAMPLE}; the same command without --no-push goes on.\n"
    )
    assert json.loads(receipt)["commit"] == json.loads((copied.run_dir / "receipt.json").read_bytes())["commit"]
    with localhub.start(copied.folder / "hub") as hub:
        assert "How much does it copy?" in page_of(f"{hub.url}/preview/{SAMPLE}")
        assert "model.safetensors" in HfApi(endpoint=hub.url).list_repo_files(f"preview/{SAMPLE}")
    assert copied.commits() == ["Publish the model and its card"]
    said = copied.publish()
    assert {said[stage] for stage in PREPARED} == {"up to date"} and said["push"].startswith("done")


def test_no_push_with_json(copied: Place) -> None:
    result = CliRunner().invoke(main, ["publish", *copied.flags("--no-push", "--json")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {"model/README.md", "model/manifest.json"} <= set(told["outputs"]), "the card's record"


def test_without_a_terminal_another_hub_is_refused_before_any_work(
    hub: LocalHub, copied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    before = sorted(copied.run_dir.rglob("*"))
    places = [SAMPLE, "--runs-dir", str(copied.folder / "runs")]
    for command in (
        ["publish", *copied.flags("--force", "fetch")],
        ["publish", *copied.flags("--force", "fetch", "--dry-run")],
        ["push", *places],
        ["card", "--refresh", f"local/{SAMPLE}"],
    ):
        result = CliRunner().invoke(main, [*command, "--hub", hub.url])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"Error: Nothing goes to {hub.url} unseen, and there is no terminal here to ask at.\n"
            "Add --yes to go ahead without being asked; `publish` has --no-push, too, to stop before it.\n"
        )
    assert sorted(copied.run_dir.rglob("*")) == before


def test_at_a_terminal_the_question_comes_last_with_the_page_to_look_at(
    hub: LocalHub, api: HfApi, copied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    command = ["publish", *copied.flags("--hub", hub.url, "--repo-name", "asked-about")]
    (copied.folder / "runs" / SAMPLE).rename(copied.folder / "runs" / "asked-about")
    question = f"Publish this to {hub.url}/local/asked-about (public)? [y/N]: "
    with at_a_terminal(*command) as terminal:
        said = terminal.until("[y/N]: ")
        assert said.endswith(question)
        assert f"  target      {hub.url}\n  repository  local/asked-about (public)\n" in said
        assert list(states(said.splitlines())) == [*PREPARED, "push"]
        address = said.split("Look at it first: ")[1].split()[0]
        assert address.endswith("/preview/asked-about") and "lampkeeper" in page_of(address)
        terminal.type("n\n")
        assert terminal.ended() == (1, "")
        assert terminal.screen.splitlines()[-2] == "Error: Nothing went out: the answer was no."
        assert terminal.screen.splitlines()[-1].endswith("the same command asks again, with nothing done twice.")
    assert not api.repo_exists("local/asked-about")
    with at_a_terminal(*command) as terminal:
        assert set(list(states(terminal.until("[y/N]: ").splitlines()).values())[:6]) == {"up to date"}
        terminal.type("y\n")
        code, printed = terminal.ended()
    assert (code, printed.splitlines()[-1]) == (0, f"{hub.url}/local/asked-about")
    with at_a_terminal(*command) as terminal:
        assert terminal.ended()[0] == 0, terminal.screen
        assert "[y/N]" not in terminal.screen, "nothing would change"


def test_ctrl_c_at_the_question_is_a_no(
    hub: LocalHub, api: HfApi, copied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    places = ["--runs-dir", str(copied.folder / "runs"), "--hub-dir", str(copied.folder / "hub")]
    with at_a_terminal("push", SAMPLE, *places, "--hub", hub.url, "--namespace", "huggingtweets") as terminal:
        terminal.until("[y/N]: ")
        terminal.type("\x04")
        assert terminal.ended() == (1, "")
        assert "\nError: Nothing went out: the answer was no.\n" in terminal.screen
    assert not api.repo_exists(f"huggingtweets/{SAMPLE}")


def test_yes_is_for_scripts(hub: LocalHub, copied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HUB_PUBLISHER_YES", "1")
    places = ["--runs-dir", str(copied.folder / "runs"), "--hub-dir", str(copied.folder / "elsewhere")]
    result = CliRunner().invoke(main, ["push", SAMPLE, *places, "--hub", hub.url, "--namespace", "huggingtweets"])
    assert (result.exit_code, result.stdout) == (0, f"{hub.url}/huggingtweets/{SAMPLE}\n"), result.output
    assert not (copied.folder / "elsewhere").exists(), "nobody looks, so nothing is shown"


def test_the_sample_goes_to_the_hub_on_this_machine_whatever_token_there_is(
    copied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_somebodys_own")
    result = CliRunner().invoke(main, ["publish", *copied.flags("--dry-run")])
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[1].startswith("  target      the local Hub at http://127.0.0.1:")
