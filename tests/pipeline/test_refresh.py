"""`card --refresh`: a published card rendered again from its manifest alone, without weights, records or training."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import CommitOperationDelete

from hub_publisher.cli import main
from hub_publisher.errors import HubError, UsageError
from hub_publisher.hub.preview import asking
from hub_publisher.hub.target import choose_hub
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.refresh import config_for, refresh
from hub_publisher.pipeline.verify import FAILS
from tests.helpers.faults import FaultProxy
from tests.helpers.published_cards import PublishedCard


@pytest.fixture
def card(hub: LocalHub, tmp_path: Path, request: pytest.FixtureRequest) -> PublishedCard:
    """A card published under the test's own name."""
    made = PublishedCard(hub, tmp_path, request.node.name.replace("test_", "").replace("_", "-")[:60])
    made.push()
    return made


def again(card: PublishedCard, create_pr: bool = False, **settings: object):
    config = config_for(card.repo_id, **settings)
    return refresh(config, card.target(card.hub.url, config), create_pr)


def test_nothing_new_is_no_commit(card: PublishedCard) -> None:
    head = card.api.model_info(card.repo_id).sha
    assert again(card).commit == head


def test_a_new_contact_and_template_reach_the_page_and_hold(card: PublishedCard, tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "card"
    folder.mkdir(parents=True)
    (folder / "how.md.jinja").write_text("## In short\n\nPosts in, model out.\n")
    card.edit("<!-- hub-publisher:begin samples", "A word of mine.\n\n<!-- hub-publisher:begin samples")
    with FaultProxy(card.hub.url) as proxy:
        config = config_for(card.repo_id, contact="https://tide.example/removal", template=folder.parent)
        refresh(config, card.target(proxy.url, config))
        assert proxy.num_bytes < 200_000  # the weights, 400 kB, were neither read nor sent
    page = card.read()
    assert "Write to [https" in page and "## In short" in page and "## How was it made?" not in page
    assert "figures/pipeline.png" not in page and "A word of mine." in page
    assert card.commits()[0] == "Render the card again"
    found = card.verify(templates=folder.parent)
    assert [finding for finding in found if finding.state == FAILS] == []


def test_edits_inside_stop_it_or_become_a_pull_request(card: PublishedCard) -> None:
    card.edit("## How much does it copy?", "## Recitation")
    with pytest.raises(HubError, match="was edited inside what hub_publisher writes"):
        again(card, contact="https://tide.example")
    assert again(card, create_pr=True, contact="https://tide.example").pull_request


def test_a_repository_without_a_manifest(card: PublishedCard) -> None:
    card.api.create_commit(card.repo_id, [CommitOperationDelete("manifest.json")], commit_message="Oops")
    with pytest.raises(HubError) as error:
        again(card)
    assert error.value.message == (
        f"{card.repo_id} has no manifest.json: it was not published by hub_publisher, or by an early version."
    )


def test_a_name_that_is_no_repository() -> None:
    with pytest.raises(UsageError, match="'nasa' is not a repository"):
        config_for("nasa")


def test_another_hub_is_changed_after_a_yes_only(card: PublishedCard, tmp_path: Path) -> None:
    config = config_for(card.repo_id, contact="https://tide.example", hub_dir=tmp_path / "here")
    target, asked = replace(card.target(card.hub.url, config), is_local=False), []
    before = card.commits()
    with pytest.raises(HubError, match="the answer was no"):
        refresh(config, asking(target, config, lambda *told: bool(asked.append(told))))
    assert card.commits() == before
    refresh(config, asking(target, config, lambda *told: not asked.append(told)))
    assert card.commits() == ["Render the card again", *before] and len(asked) == 2


@pytest.mark.parametrize(("repo_id", "hub"), [("huggingtweets/lampkeeper_bot", "local"),
                                              ("me/lampkeeper_bot", "https://huggingface.co")])  # fmt: skip
def test_the_sample_is_looked_for_where_it_was_published(
    repo_id: str, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert choose_hub(config_for(repo_id)) == hub


def test_from_the_command_line(card: PublishedCard) -> None:
    flags = ["--hub", "local", "--hub-dir", str(card.hub.root), "--contact", "https://tide.example"]
    run = CliRunner().invoke(main, ["card", "--refresh", card.repo_id, *flags])
    assert run.exit_code == 0, run.output
    assert run.stdout.split()[2] == card.api.model_info(card.repo_id).sha
