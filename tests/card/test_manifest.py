"""manifest.json: every number of the page, every file's hash, enough to render again, and nothing of anybody's."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub_publisher import card
from hub_publisher.card.manifest import dump, parse, provenance
from hub_publisher.errors import CardError
from hub_publisher.readme.escape import JOINER
from hub_publisher.readme.parse import read_page
from hub_publisher.records import POSTS
from hub_publisher.system.files import output_of, sha256_of
from tests.helpers import card_records

NUMBER = re.compile(r"\d[\d,.]*\d|\d")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/ of a rendered publication, with weights beside the card."""
    arguments = card_records.publication(tmp_path_factory.mktemp("rendered"))
    model = arguments[0].run_dir / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "stray.env").write_text("of no stage")
    outputs = {"model/model.safetensors": output_of(model / "model.safetensors")}
    trained = arguments[3].model_copy(update={"outputs": outputs})
    card_records.render(*arguments[:3], trained, *arguments[4:])
    (model / "stray.env").unlink()
    return model


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def test_every_number_on_the_page_stands_in_it(folder: Path) -> None:
    metadata, body, _ = read_page((folder / "README.md").read_text())
    known = set(NUMBER.findall((folder / "manifest.json").read_text()))
    text = re.sub(" sha256=[0-9a-f]+", "", unescape(body)).replace(JOINER, "")
    numbers = NUMBER.findall(text)
    assert len(numbers) > 250
    assert [number for number in numbers if number not in known] == []
    assert manifest_of(folder)["front_matter"] == metadata


def test_what_is_shown_is_listed_as_it_is_read(folder: Path) -> None:
    shown = manifest_of(folder)["shown"]
    assert shown[:3] == ["@tide\\_clerk", "Tide Clerk", "AI BOT"]
    assert "quiet | salted \\* and \\_kept\\_" in shown  # its entities' numbers are no numbers of the page
    assert {"3.910", "−22.1", "2 min 7 s", "95 %"} < set(shown)


def test_every_file_has_its_hash(folder: Path) -> None:
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}
    del files["README.md"], files["manifest.json"]
    assert list(manifest_of(folder)["files"].items()) == sorted(files.items())
    assert "model.safetensors" in files and "figures/social.png" in files


def test_provenance_says_what_the_issue_of_a_model_is(folder: Path) -> None:
    assert manifest_of(folder)["provenance"] == {
        "repo_id": "huggingtweets/tide_clerk",
        "posts_sha256": sha256_of(folder.parent / POSTS),
        "posts_first_at": "2024-01-03 09:00:00+00:00",
        "posts_last_at": "2024-08-29 09:00:00+00:00",
        "sources": ["x_archive"],
        "base_model": "HuggingFaceTB/SmolLM2-135M",
        "base_revision": "93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        "weights_sha256": "e" * 64,
        "seeds": {"training": 42, "samples": 42},
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "accelerate": "1.15.0"},
        "wandb": {
            "preprocess": {
                "run_id": "r1",
                "url": card_records.PREPROCESS_LINK,
                "inputs": {"tide_clerk-raw-dataset": "v0"},
                "artifacts": {"tide_clerk-train-dataset": "v3"},
            },
            "train": {
                "run_id": "r2",
                "url": card_records.TRAIN_LINK,
                "inputs": {"tide_clerk-train-dataset": "v3", "HuggingFaceTB-SmolLM2-135M": "v1"},
                "artifacts": {},
            },
        },
    }


def test_the_seed_of_the_samples_may_be_another(folder: Path) -> None:
    inputs = parse((folder / "manifest.json").read_bytes(), "here").inputs
    seeds = provenance(inputs.model_copy(update={"evaluation": card_records.evaluation(seed=7)}))["seeds"]
    assert seeds == {"training": 42, "samples": 7}


def test_the_page_can_be_made_again_from_it(folder: Path) -> None:
    manifest = parse((folder / "manifest.json").read_bytes(), "here")
    assert dump(manifest) == (folder / "manifest.json").read_bytes()
    made = card.make(manifest.inputs, (folder / "figures" / "avatar.png").read_bytes())
    for path, content in made.files.items():
        assert content == (folder / path).read_bytes(), path


def test_nothing_that_is_published_holds_a_post_a_bio_or_a_path(folder: Path) -> None:
    posts = [post.text for post in card_records.posts()]
    for path in folder.rglob("*.*"):
        if path.suffix in (".json", ".md"):
            text = path.read_text()
            assert [post for post in posts if post in text] == [], path.name
            assert "what the sea returns" not in text
            assert str(folder.parents[2]) not in text
            assert "avatar-tide_clerk.png" not in text


def test_long_logs_are_thinned(tmp_path: Path) -> None:
    training = card_records.training(log=card_records.training().log * 30)
    config, repo_id, curation, _, *rest = card_records.publication(tmp_path)
    inputs = card_records.gather(config, repo_id, card_records.HUGGING_FACE_URL, curation, training, *rest)
    assert len(inputs.training.log) == 900
    assert inputs.training.log[-1] == training.log[-1]


def test_what_is_no_manifest_is_refused() -> None:
    with pytest.raises(CardError) as caught:
        parse(b'{"format": "x"}', "tide/x")
    assert caught.value.message.startswith("manifest.json of tide/x cannot be read: format: ")
    assert caught.value.remedy == "If another version of hub_publisher wrote it, use that; its name stands in made_by."
