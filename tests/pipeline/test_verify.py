"""`hub-publisher verify` on a real repository: good, and broken in every way that it must name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from hub_publisher import __version__
from hub_publisher.cli import main
from hub_publisher.errors import CardError, HubError
from hub_publisher.hub.client import HubClient
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.verify import FAILS, NOTE, OK, Finding, check, verify
from tests.helpers.published_cards import PublishedCard


class Repository(NamedTuple):
    """What a reader downloaded, to damage."""

    folder: Path
    repo_id: str

    def read(self, path: str = "README.md") -> str:
        return (self.folder / path).read_text(encoding="utf-8")

    def write(self, path: str, content: str | bytes) -> None:
        (self.folder / path).write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, old: str, new: str) -> None:
        """Replace text of README.md; it must be there."""
        assert old in self.read(), old
        self.write("README.md", self.read().replace(old, new))

    def findings(self, state: str, **options: Path) -> list[tuple[str, str]]:
        found = check(self.folder, self.repo_id, **options)
        return [(finding.subject, finding.detail) for finding in found if finding.state == state]


@pytest.fixture(scope="module")
def published(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> PublishedCard:
    """A card on the Hub, and in `back` beside it what a reader downloads."""
    card = PublishedCard(hub, tmp_path_factory.mktemp("published"), "verified")
    card.push()
    card.api.snapshot_download(card.repo_id, local_dir=card.config.runs_dir / "back")
    return card


@pytest.fixture
def card(published: PublishedCard, tmp_path: Path) -> Repository:
    """A copy of its own for each test."""
    shutil.copytree(published.config.runs_dir / "back", tmp_path / "back")
    return Repository(tmp_path / "back", published.repo_id)


def test_a_good_repository_holds(published: PublishedCard) -> None:
    found = published.verify()
    assert {finding.state for finding in found} == {OK}
    assert {finding.subject for finding in found} >= {
        "model.safetensors",
        "config.json",
        "figures/loss.png",
        "README.md, region evaluation",
        "README.md, made again",
    }
    assert Finding(OK, "README.md, made again", "11 regions, the same bytes") in found


def test_the_command_exits_with_0_and_with_1(published: PublishedCard) -> None:
    def run(*more: str) -> Result:
        places = ["--hub", "local", "--hub-dir", str(published.hub.root)]
        return CliRunner().invoke(main, ["verify", published.repo_id, *places, *more])

    good = run()
    assert (good.exit_code, good.stderr) == (0, "")
    assert good.stdout.endswith(f"\n{published.repo_id}: everything holds\n")
    published.edit("Optimizer steps | 120", "Optimizer steps | 121")
    bad = run("--json")
    assert bad.exit_code == 1
    failing = [row for row in json.loads(bad.stdout) if row["state"] == FAILS]
    assert {row["subject"] for row in failing} == {"README.md, region procedure", "README.md, made again"}


def test_a_card_whose_markers_hold_hashes_holds_as_well(card: Repository) -> None:
    """As every version up to 0.1 wrote them."""
    regions = json.loads(card.read("manifest.json"))["regions"]
    page = card.read()
    for name, sha256 in regions.items():
        page = page.replace(f"hub-publisher:begin {name} -->", f"hub-publisher:begin {name} sha256={sha256} -->")
    assert page.count(" sha256=") == 11
    card.write("README.md", page)
    assert {finding.state for finding in check(card.folder, card.repo_id)} == {OK}


def test_a_changed_byte_of_the_weights_is_named(card: Repository) -> None:
    weights = bytearray((card.folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    card.write("model.safetensors", bytes(weights))
    [(subject, detail)] = card.findings(FAILS)
    assert subject == "model.safetensors"
    assert detail.startswith("its SHA-256 is ") and "the manifest says" in detail


def test_a_changed_number_in_the_card_is_named_with_its_line(card: Repository) -> None:
    card.edit("| Perplexity (per token) | 151.4 ", "| Perplexity (per token) | 951.4 ")
    found = dict(card.findings(FAILS))
    assert found["README.md, region evaluation"] == "the manifest knows no number 951.4"
    assert "it says '| Perplexity (per token) | 951.4 " in found["README.md, made again"]
    assert "the records give '| Perplexity (per token) | 151.4 " in found["README.md, made again"]


def test_missing_files_are_named(card: Repository) -> None:
    for path in ("config.json", "figures/loss.png"):
        (card.folder / path).unlink()
    assert card.findings(FAILS) == [("config.json", "it is missing"), ("figures/loss.png", "it is missing")]
    (card.folder / "README.md").unlink()
    assert ("README.md", "it is missing") in card.findings(FAILS)
    (card.folder / "manifest.json").unlink()
    assert card.findings(FAILS) == [("manifest.json", "it is missing, so there is nothing to check the rest against")]


def test_a_changed_front_matter_is_named(card: Repository) -> None:
    card.edit('license: "apache-2.0"', 'license: "mit"')
    assert card.findings(FAILS) == [("README.md, front matter", 'license is "mit", the manifest says "apache-2.0"')]


def test_what_others_added_is_a_note_and_no_failure(card: Repository) -> None:
    card.edit("<!-- hub-publisher:begin samples", "My words, 12345 of them.\n\n<!-- hub-publisher:begin samples")
    card.write("notes.txt", "by hand")
    assert card.findings(FAILS) == []
    assert card.findings(NOTE) == [("notes.txt", "the manifest does not know this file")]


def test_a_manifest_that_contradicts_itself_is_named(card: Repository) -> None:
    manifest = json.loads(card.read("manifest.json"))
    manifest["inputs"]["evaluation"]["tuned"]["perplexity"] = 2.0
    card.write("manifest.json", json.dumps(manifest))
    found = dict(card.findings(FAILS))
    assert found["manifest.json"] == "what it says the page shows does not follow from its records"
    again = [detail for subject, detail in card.findings(FAILS) if subject == "README.md, made again"]
    assert "the records give '| Perplexity (per token) | 151.4 | 2.0 | " in again[0]
    manifest["provenance"]["posts_sha256"] = "0" * 64
    manifest["inputs"]["training"]["weights_sha256"] = "0" * 64
    card.write("manifest.json", json.dumps(manifest))
    said = [detail for subject, detail in card.findings(FAILS) if subject == "manifest.json"]
    assert "the weights that were measured are not the weights it lists" in said
    assert "its provenance names other posts than its records" in said


def test_another_version_may_word_it_otherwise(card: Repository) -> None:
    manifest = card.read("manifest.json")
    assert f'"made_by": "hub_publisher {__version__}"' in manifest
    older = json.loads(manifest)
    older["made_by"] = "hub_publisher 0.0.9"
    older["shown"] = {"evaluation": {"rows": older["shown"], "finding": "In other words."}}  # in sections then
    card.write("manifest.json", json.dumps(older))
    assert card.findings(FAILS) == []
    assert ("manifest.json", "what it says the page shows does not follow from its records") in card.findings(NOTE)


def test_other_templates_are_said_and_can_be_named(hub: LocalHub, tmp_path: Path) -> None:
    template = tmp_path / "mine.md.jinja"
    template.write_text(
        "<!-- hub-publisher:begin all -->\n# {{ identity.name }}\n\n"
        "{{ evaluation.tuned.perplexity | fixed(7) }}\n\n<!-- hub-publisher:end all -->\n"
    )
    made = PublishedCard(hub, tmp_path, "other-templates")
    made.config = replace(made.config, template=template)
    made.render()
    card = Repository(made.model, made.repo_id)
    assert card.findings(FAILS) == []
    assert card.findings(NOTE) == [
        ("README.md, made again", "not compared: it was made with other templates; name them with --template")
    ]
    assert card.findings(NOTE, templates=template) == []


def test_the_wrong_posts_and_the_wrong_name(published: PublishedCard, card: Repository, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("{}\n")
    with pytest.raises(CardError, match="is not the file of posts that the card's figures were measured on"):
        card.findings(OK, posts=tmp_path / "posts.jsonl")
    with pytest.raises(HubError, match="There is no huggingtweets/nobody at http"):
        verify(HubClient(published.hub.url, None), "huggingtweets/nobody")
    card.write("manifest.json", "[]")
    with pytest.raises(CardError, match=r"manifest.json of huggingtweets/.* cannot be read: the file: "):
        card.findings(OK)


def test_every_number_of_the_page_stands_in_the_manifest(card: Repository) -> None:
    """The check itself: a page whose every region has another number is found in every region."""
    parts = card.read().split("<!-- hub-publisher:end ")
    card.write("README.md", "7777777.7\n\n<!-- hub-publisher:end ".join(parts))
    unknown = [
        subject for subject, detail in card.findings(FAILS) if detail == "the manifest knows no number 7777777.7"
    ]
    assert len(unknown) == len(parts) - 1 == 11
