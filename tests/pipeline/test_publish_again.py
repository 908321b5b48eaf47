"""A published card that people edit: their words stay, edits inside ours stop the push or go to a pull request."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hub_publisher.errors import CardError, HubError
from hub_publisher.localhub import LocalHub
from hub_publisher.localhub.store import Draft, Store, regular_file
from tests.helpers import card_records
from tests.helpers.published_cards import PublishedCard

Publish = Callable[[str], PublishedCard]


@pytest.fixture
def published(hub: LocalHub, tmp_path: Path) -> Publish:
    """Publishes a card under a name of the test's choice."""

    def make(name: str) -> PublishedCard:
        made = PublishedCard(hub, tmp_path, name)
        made.push()
        return made

    return make


def newer() -> dict:
    """Records in which something the card shows is different."""
    return {"evaluation": card_records.evaluation(eval_seconds=13.9)}


def test_words_outside_the_regions_survive_a_new_card(published: Publish) -> None:
    card = published("outside")
    card.edit("<!-- hub-publisher:begin samples", "A word of mine.\n\n<!-- hub-publisher:begin samples")
    receipt = card.push(**newer())
    page = card.read()
    assert "A word of mine.\n\n<!-- hub-publisher:begin samples" in page
    assert "| Evaluation time | 13.9 s |" in page
    assert card.commits() == ["Update the card", "Edit README.md by hand", "Publish the model and its card"]
    assert receipt.notes == ('kept 1 line after region use: "A word of mine."',)
    assert card.push(**newer()).commit == receipt.commit


def test_an_edit_inside_a_region_stops_the_push_and_nothing_changes(published: Publish) -> None:
    card = published("inside")
    card.edit("## Limitations and bias", "## Limitations, and bias too")
    before = card.commits()
    with pytest.raises(HubError) as error:
        card.push(**newer())
    assert error.value.message.startswith(
        f"README.md of {card.hub.url}/huggingtweets/inside was edited inside what hub_publisher writes; "
        "nothing was published.\n  "
    )
    assert "limitations" in error.value.message
    assert error.value.remedy == (
        "Move these words outside the marked regions, where they stay, or propose ours beside them with --create-pr."
    )
    assert card.commits() == before


def test_a_pull_request_proposes_ours_once(published: Publish) -> None:
    card = published("proposed")
    card.edit("## Limitations and bias", "## Limitations, and bias too")
    receipt = card.push(create_pr=True, **newer())
    assert receipt.pull_request
    assert "## Limitations, and bias too" in card.read()
    branch = f"refs/pr/{receipt.pull_request}"
    proposed = card.read(revision=branch)
    assert "## Limitations and bias" in proposed and "13.9 s" in proposed
    again = card.push(create_pr=True, **newer())
    assert (again.pull_request, again.commit) == (receipt.pull_request, receipt.commit)
    card.api.merge_pull_request(card.repo_id, receipt.pull_request)
    assert card.read() == proposed
    assert card.push(**newer()).pull_request is None


def test_there_is_nothing_to_propose_to_an_empty_repository(hub: LocalHub, tmp_path: Path) -> None:
    card = PublishedCard(hub, tmp_path, "proposed-first")
    assert card.push(create_pr=True).pull_request is None
    assert card.commits() == ["Publish the model and its card"]


def test_an_edited_front_matter_key_of_ours_is_a_conflict_and_an_added_one_is_kept(published: Publish) -> None:
    card = published("keys")
    card.edit('pipeline_tag: "text-generation"', 'pipeline_tag: "text-generation"\nnew_version: "tide/better"')
    card.push(**newer())
    metadata = yaml.safe_load(card.read().split("---\n")[1])
    assert metadata["new_version"] == "tide/better"
    card.edit('license: "apache-2.0"', 'license: "mit"')
    with pytest.raises(HubError, match="license"):
        card.push()


def test_a_card_without_regions_is_kept_below_ours(hub: LocalHub, tmp_path: Path) -> None:
    card = PublishedCard(hub, tmp_path, "handmade")
    card.api.create_repo(card.repo_id)
    card.write("README.md", "---\nlicense: mit\n---\n\n# My old bot\n\nIt was good.\n")
    card.push()
    page = card.read()
    assert page.startswith("---\nlanguage:") and page.endswith("# My old bot\n\nIt was good.\n")


def test_a_front_matter_that_cannot_be_read_stops_the_push_and_is_named(published: Publish) -> None:
    card = published("broken")
    page = card.read()
    front = page.split("---\n")[1]
    # The Hub's own door refuses this today; cards of before it did so are still there.
    _write_unchecked(card, page.replace(front, "license: [unclosed\n"))
    with pytest.raises(CardError, match=r"The front matter of README\.md cannot be read: .*, line 2"):
        card.push(**newer())
    assert card.commits()[0] == "Of before"


def _write_unchecked(card: PublishedCard, page: str) -> None:
    """Put a README.md into the repository past the door that checks its metadata."""
    store = Store(card.hub.root)
    repo = store.repo("model", card.repo_id)
    head = store.refs(repo)["refs/heads/main"]
    content = page.encode()
    readme = regular_file("README.md", store.blobs.add(content), content)
    files = {**store.files(head), "README.md": readme}
    with store.transaction() as database:
        store.add_commit(database, repo.id, Draft("refs/heads/main", head, "Of before"), files)


def test_crlf_stays(published: Publish) -> None:
    card = published("crlf")
    page = card.read()
    card.write("README.md", page.replace("\n", "\r\n") + "Mine.\r\n")
    card.push(**newer())
    merged = card.read()
    assert merged.endswith("Mine.\r\n") and "13.9 s" in merged
    assert merged.count("\n") == merged.count("\r\n")
