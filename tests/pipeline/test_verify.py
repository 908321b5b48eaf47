"""`hub-publisher verify` on a real repository: good, and broken in every way that it must name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationDelete

from hub_publisher import __version__
from hub_publisher.errors import CardError, HubError
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.verify import FAILS, NOTE, OK, Finding, verify
from tests.helpers import card_records
from tests.helpers.published_cards import PublishedCard


@pytest.fixture
def card(hub: LocalHub, tmp_path: Path, request: pytest.FixtureRequest) -> PublishedCard:
    """A card published under the test's own name."""
    made = PublishedCard(hub, tmp_path, request.node.name.replace("test_", "").replace("_", "-")[:60])
    made.push()
    return made


def findings(card: PublishedCard, state: str, **options: Path) -> list[tuple[str, str]]:
    found = verify(card.hub.url, None, card.repo_id, **options)
    return [(finding.subject, finding.detail) for finding in found if finding.state == state]


def test_a_good_repository_holds(card: PublishedCard) -> None:
    found = verify(card.hub.url, None, card.repo_id)
    assert {finding.state for finding in found} == {OK}
    assert {finding.subject for finding in found} >= {
        "model.safetensors",
        "config.json",
        "figures/loss.png",
        "README.md, region evaluation",
        "README.md, made again",
    }
    assert Finding(OK, "README.md, made again", "10 regions, the same bytes") in found


def test_the_command_exits_with_0_and_with_1(card: PublishedCard) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub_publisher", "verify", card.repo_id, "--hub", "local"]
        command += ["--hub-dir", str(card.hub.root), *more]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    good = run()
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith(f"\n{card.repo_id}: everything holds\n")
    card.edit("Optimizer steps | 120", "Optimizer steps | 121")
    bad = run("--json")
    assert bad.returncode == 1
    failing = [row for row in json.loads(bad.stdout) if row["state"] == FAILS]
    assert {row["subject"] for row in failing} == {"README.md, region procedure", "README.md, made again"}


def test_a_card_whose_markers_hold_hashes_holds_as_well(card: PublishedCard) -> None:
    """As every version up to 0.1 wrote them."""
    regions = json.loads(card.read("manifest.json"))["regions"]
    page = card.read()
    for name, sha256 in regions.items():
        page = page.replace(f"hub-publisher:begin {name} -->", f"hub-publisher:begin {name} sha256={sha256} -->")
    assert page.count(" sha256=") == 10
    card.write("README.md", page)
    assert {finding.state for finding in verify(card.hub.url, None, card.repo_id)} == {OK}


def test_a_changed_byte_of_the_weights_is_named(card: PublishedCard) -> None:
    weights = bytearray((card.model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    card.write("model.safetensors", bytes(weights))
    [(subject, detail)] = findings(card, FAILS)
    assert subject == "model.safetensors"
    assert detail.startswith("its SHA-256 is ") and "the manifest says" in detail


def test_a_changed_number_in_the_card_is_named_with_its_line(card: PublishedCard) -> None:
    card.edit("| Perplexity (per token) | 151.4 ", "| Perplexity (per token) | 951.4 ")
    found = dict(findings(card, FAILS))
    assert found["README.md, region evaluation"] == "the manifest knows no number 951.4"
    assert "it says '| Perplexity (per token) | 951.4 " in found["README.md, made again"]
    assert "the records give '| Perplexity (per token) | 151.4 " in found["README.md, made again"]


def test_missing_files_are_named(card: PublishedCard) -> None:
    gone = [CommitOperationDelete("config.json"), CommitOperationDelete("figures/loss.png")]
    card.api.create_commit(card.repo_id, gone, commit_message="Tidy up")
    assert findings(card, FAILS) == [("config.json", "it is missing"), ("figures/loss.png", "it is missing")]
    card.api.create_commit(card.repo_id, [CommitOperationDelete("README.md")], commit_message="More")
    assert ("README.md", "it is missing") in findings(card, FAILS)
    card.api.create_commit(card.repo_id, [CommitOperationDelete("manifest.json")], commit_message="And more")
    assert findings(card, FAILS) == [("manifest.json", "it is missing, so there is nothing to check the rest against")]


def test_a_changed_front_matter_is_named(card: PublishedCard) -> None:
    card.edit('license: "apache-2.0"', 'license: "mit"')
    assert findings(card, FAILS) == [("README.md, front matter", 'license is "mit", the manifest says "apache-2.0"')]


def test_what_others_added_is_a_note_and_no_failure(card: PublishedCard) -> None:
    card.edit("<!-- hub-publisher:begin samples", "My words, 12345 of them.\n\n<!-- hub-publisher:begin samples")
    card.write("notes.txt", "by hand")
    assert findings(card, FAILS) == []
    assert findings(card, NOTE) == [("notes.txt", "the manifest does not know this file")]


def test_a_manifest_that_contradicts_itself_is_named(card: PublishedCard) -> None:
    manifest = json.loads(card.read("manifest.json"))
    manifest["inputs"]["evaluation"]["tuned"]["perplexity"] = 2.0
    card.write("manifest.json", json.dumps(manifest))
    found = dict(findings(card, FAILS))
    assert found["manifest.json"] == "what it says the page shows does not follow from its records"
    assert found["README.md, made again"].endswith("from 151 to 2.00.'")
    manifest["provenance"]["posts_sha256"] = "0" * 64
    manifest["inputs"]["training"]["weights_sha256"] = "0" * 64
    card.write("manifest.json", json.dumps(manifest))
    said = [detail for subject, detail in findings(card, FAILS) if subject == "manifest.json"]
    assert "the weights that were measured are not the weights it lists" in said
    assert "its provenance names other posts than its records" in said


def test_another_version_may_word_it_otherwise(card: PublishedCard) -> None:
    manifest = card.read("manifest.json")
    assert f'"made_by": "hub_publisher {__version__}"' in manifest
    older = json.loads(manifest)
    older["made_by"] = "hub_publisher 0.0.9"
    older["shown"] = {"evaluation": {"rows": older["shown"], "finding": "In other words."}}  # in sections then
    card.write("manifest.json", json.dumps(older))
    assert findings(card, FAILS) == []
    assert ("manifest.json", "what it says the page shows does not follow from its records") in findings(card, NOTE)


def test_other_templates_are_said_and_can_be_named(hub: LocalHub, tmp_path: Path) -> None:
    template = tmp_path / "mine.md.jinja"
    template.write_text(
        "<!-- hub-publisher:begin all -->\n# {{ identity.name }}\n\n"
        "{{ evaluation.tuned.perplexity | fixed(7) }}\n\n<!-- hub-publisher:end all -->\n"
    )
    card = PublishedCard(hub, tmp_path, "other-templates")
    card.config = type(card.config)(**{**vars(card.config), "template": template})
    card.push()
    assert findings(card, FAILS) == []
    assert findings(card, NOTE) == [
        ("README.md, made again", "not compared: it was made with other templates; name them with --template")
    ]
    assert findings(card, NOTE, templates=template) == []


def test_the_wrong_posts_and_the_wrong_name(card: PublishedCard, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text("{}\n")
    with pytest.raises(CardError, match="is not the file of posts that the card's figures were measured on"):
        verify(card.hub.url, None, card.repo_id, posts=tmp_path / "posts.jsonl")
    with pytest.raises(HubError, match="There is no huggingtweets/nobody at http"):
        verify(card.hub.url, None, "huggingtweets/nobody")
    card.write("manifest.json", "[]")
    with pytest.raises(CardError, match=r"manifest.json of huggingtweets/.* cannot be read: the file: "):
        verify(card.hub.url, None, card.repo_id)


def test_every_number_of_the_page_stands_in_the_manifest(hub: LocalHub, tmp_path: Path) -> None:
    """The check itself: a page whose every region has another number is found in every region."""
    card = PublishedCard(hub, tmp_path, "numbers")
    card.push(evaluation=card_records.evaluation(eval_seconds=98765.4))
    page = card.read()
    parts = page.split("<!-- hub-publisher:end ")
    card.write("README.md", "7777777.7\n\n<!-- hub-publisher:end ".join(parts))
    unknown = [
        subject for subject, detail in findings(card, FAILS) if detail == "the manifest knows no number 7777777.7"
    ]
    assert len(unknown) == len(parts) - 1 == 10
