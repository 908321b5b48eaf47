"""The whole card: against a golden page, the same bytes every time, and nothing in it without a fact behind it.

After a wanted change: UPDATE_GOLDEN=1 pytest tests/card/test_card.py, and read the difference.
"""

import io
import os
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from hub_publisher import card
from hub_publisher.card import avatar, figures
from hub_publisher.card.metadata import build
from hub_publisher.card.page import context, environment, render_page
from hub_publisher.errors import CardError
from hub_publisher.readme import frontmatter
from hub_publisher.records import Samples
from tests.helpers import ROOT, TESTS, card_records
from tests.helpers.markdown_shape import PARSER, shape

GOLDEN = TESTS / "golden" / "model_card.md"


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Any, ...]:
    return card_records.publication(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/ of a rendered publication, for tests that only look at it."""
    publication = card_records.publication(tmp_path_factory.mktemp("rendered"))
    card_records.render(*publication)
    return publication[0].run_dir / "model"


NAMES = ("config", "repo_id", "curation", "training", "evaluation", "snippet", "tracking")


def inputs_of(arguments: tuple[Any, ...], **changes: Any) -> Any:
    """What the card is made from, with some records replaced."""
    given = {"endpoint": card_records.HUGGING_FACE_URL, **dict(zip(NAMES, arguments, strict=True)), **changes}
    accounts, run_dir = given["curation"].accounts, given["config"].run_dir
    has_avatar = avatar.draw(run_dir, accounts) is not None
    records = [given[name] for name in NAMES[2:]]
    return card_records.gather(given["config"], given["repo_id"], given["endpoint"], *records, has_avatar=has_avatar)


def page_of(arguments: tuple[Any, ...], **changes: Any) -> str:
    """README.md of the records with some of them replaced, without drawing its figures."""
    inputs = inputs_of(arguments, **changes)
    return frontmatter.dump(build(inputs)) + "\n" + render_page(context(inputs, {}), inputs_template(changes))[0]


def inputs_template(changes: dict[str, Any]) -> Path | None:
    return changes["config"].template if "config" in changes else None


def test_the_card_is_the_golden_one(model: Path) -> None:
    page = (model / "README.md").read_text()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(page)
    assert page == GOLDEN.read_text()


def test_it_leaves_these_files(model: Path) -> None:
    assert set(contents(model)) == {
        "README.md",
        "manifest.json",
        *(f"figures/{name}.png" for name in ("avatar", "social", "pipeline", "loss", "months", "lengths", "dropped")),
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_records_same_bytes_over_an_earlier_card_and_without_torch(model: Path, tmp_path: Path) -> None:
    again = tmp_path / "tide_clerk" / "model"
    (again / "figures").mkdir(parents=True)
    (again / "figures" / "old.png").write_bytes(b"of an earlier card")
    script = (
        "import sys, pathlib; from tests.helpers import card_records; "
        "card_records.render(*card_records.publication(pathlib.Path(sys.argv[1]))); "
        "sys.exit(len({'torch', 'transformers', 'wandb', 'pyarrow'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    assert contents(again) == contents(model)


def test_its_state_covers_where_it_goes_and_what_tracks_it(arguments: tuple[Any, ...]) -> None:
    config, repo_id, *_, tracking = arguments
    offline = tracking.model_copy(update={"runs": {}})
    found = [
        card.state(config, repo_id, card_records.HUGGING_FACE_URL, tracking),
        card.state(config, "other/name", card_records.HUGGING_FACE_URL, tracking),
        card.state(config, repo_id, card_records.HUGGING_FACE_URL, offline),
        card.state(config, repo_id, "http://127.0.0.1:8000", tracking),
    ]
    assert all(one != other for one, other in combinations(found, 2))
    assert found[2] == card.state(config, repo_id, card_records.HUGGING_FACE_URL, None)


def test_links_to_tracked_runs_are_there_or_not_at_all(arguments: tuple[Any, ...]) -> None:
    assert f"[train run]({card_records.TRAIN_LINK})" in page_of(arguments)
    run = arguments[6].runs["train"].model_copy(update={"url": None, "directory": "wandb/offline-run-1"})
    mixed = arguments[6].model_copy(update={"runs": {**arguments[6].runs, "train": run}})
    page = page_of(arguments, tracking=mixed)
    assert "- [preprocess run](" in page and "train run" not in page
    offline = arguments[6].model_copy(update={"mode": "offline", "runs": {"train": run}})
    for tracking in (offline, None):
        page = page_of(arguments, tracking=tracking)
        assert "Weights & Biases" not in page and "Explore the data" not in page
        assert "wandb" not in page


def test_the_first_figure_says_what_the_tracker_recorded(
    arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions on a server, which the page links; no digest, which it cannot; of this base model alone."""
    monkeypatch.setattr(figures, "_png", lambda *drawing: b"")
    earlier = {"tide_clerk-train-dataset": "v3", "gpt2": "v9"}
    for inputs, ending in (
        ({**earlier, "HuggingFaceTB-SmolLM2-135M": "v1"}, ", the training data as W&B artifact v3 and the base model "
         "as W&B artifact v1."),
        (earlier, " and the training data as W&B artifact v3."),
    ):  # fmt: skip
        train = arguments[6].runs["train"].model_copy(update={"inputs": inputs})
        tracking = arguments[6].model_copy(update={"runs": {**arguments[6].runs, "train": train}})
        alt = figures.draw(inputs_of(arguments, tracking=tracking))["pipeline"].alt
        assert alt.endswith(f" Recorded: the posts as W&B artifact v0{ending}"), alt
    runs = {job: run.model_copy(update={"url": None}) for job, run in arguments[6].runs.items()}
    for tracking in (None, arguments[6].model_copy(update={"runs": runs})):
        assert "W&B" not in figures.draw(inputs_of(arguments, tracking=tracking))["pipeline"].alt


def test_a_copied_text_is_withheld_and_counted(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments)
    assert card_records.COPIED.strip() not in page
    assert page.count("*withheld*") == 1
    assert "1 of 11 texts, the base model's included, is withheld" in page


def test_no_post_is_on_the_page(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments)
    assert [post.text for post in card_records.posts() if post.text in page] == []


def test_nothing_of_the_machine_is_on_the_page(arguments: tuple[Any, ...]) -> None:
    training = card_records.training(
        base_model=card_records.base_model(requested="a local folder", hub_id=None, revision=None, license=None)
    )
    page = page_of(arguments, training=training, endpoint="http://127.0.0.1:8000")
    for private in (str(arguments[0].runs_dir), "/home/", "127.0.0.1", "8000"):
        assert private not in page
    assert "BASE_MODEL=base-model-folder" in page
    assert "The base model is from a local folder," in page
    assert "licence of the base model is not known" in page


def test_a_local_hub_is_explained_and_not_linked(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments, endpoint="http://127.0.0.1:8000")
    assert "This copy is on a local Hub." in page
    assert "thumbnail:" not in page
    assert "/discussions" not in page
    assert "removes it, for good, with `HF_ENDPOINT` set as above and:" in page
    assert "This copy is on a local Hub." not in page_of(arguments)


def test_a_substituted_base_model_is_said(arguments: tuple[Any, ...]) -> None:
    base = card_records.base_model(
        requested="openai-community/gpt2",
        substituted_for="openai-community/gpt2",
        notes=("The base weights are a 4-bit quantisation.",),
    )
    page = page_of(arguments, training=card_records.training(base_model=base))
    assert "It took the place of openai-community/gpt2, which could not be had" in page
    assert page.count("The base weights are a 4-bit quantisation.") == 1
    assert "BASE_MODEL=smollm2-135m" in page
    assert "BASE_REVISION" not in page  # it is the other model's


def test_an_invented_account_is_called_one(arguments: tuple[Any, ...]) -> None:
    account = card_records.account(source="sample", profile_url=None)
    page = page_of(arguments, curation=card_records.curation(arguments[0].run_dir, account))
    assert "is an invented account, so nobody is imitated here" in page
    assert "Your posts, and you want this model gone?" not in page
    assert "hf repos delete huggingtweets/tide_clerk" in page


def test_two_accounts_have_a_column_each_and_a_sum(arguments: tuple[Any, ...]) -> None:
    other = card_records.account(
        handle="fog_clerk", display_name="Fog", num_downloaded=100, dropped={"reposts": 40, "too_short": 0}, num_kept=60
    )
    page = page_of(arguments, curation=card_records.curation(arguments[0].run_dir, card_records.account(), other))
    assert "🤖 AI CYBORG 🤖" in page
    assert (
        "fine-tuned on 216 posts\n> read from an X data archive, which X gives to the owner of an account only, and"
        in page
    )
    assert "| | @tide\\_clerk | @fog\\_clerk | All |" in page
    assert "| Posts read | 400 | 100 | 500 |" in page
    assert "| Reposts | −90 | −40 | −130 |" in page
    assert "| Posts kept | 240 | 60 | 300 |" in page


def test_a_reader_reads_it_to_the_end(arguments: tuple[Any, ...]) -> None:
    """What nobody needs to unfold has at most 900 words, also with the bundled sample's four prompts."""
    account = card_records.account(handle="lampkeeper_bot", source="sample", profile_url=None)
    told = " said the lamp to the fog and climbed the hundred steps once more before the tide came in again"
    samples = tuple(Samples(prompt=f"Prompt {n}", tuned=(told,) * 5, base=(told,) * 5) for n in range(4))
    bundled = page_of(
        arguments,
        curation=card_records.curation(arguments[0].run_dir, account),
        evaluation=card_records.evaluation(samples=samples),
        endpoint="http://127.0.0.1:8000",
    )
    assert bundled.count(told.strip()) == 40 + 4  # the widget's, and each once
    for page in (bundled, page_of(arguments)):
        assert len(unfolded(page)) <= 900
        assert page.count("<details>") == page.count("</details>") >= 8


def unfolded(page: str) -> list[str]:
    """The words that a reader sees before unfolding anything, code and tables included."""
    body = re.sub("<!--.*?-->|!\\[.*?\\]\\(.*?\\)", "", page.split("\n---\n", 1)[1], flags=re.DOTALL)
    body = re.sub("<details>\n(<summary>.*?</summary>).*?</details>", r"\1", body, flags=re.DOTALL)
    body = re.sub(r"\]\(.*?\)|</?\w+>", " ", body)
    return [word for word in re.split(r"[\s|]+", body) if re.search(r"\w", word)]


def test_the_rows_of_the_table_add_up(arguments: tuple[Any, ...]) -> None:
    rows = re.findall(r"^\| [A-Z][^|]+ \| (−?[\d,]+) \|$", page_of(arguments), re.M)
    numbers = [int(row.replace("−", "-").replace(",", "")) for row in rows]
    downloaded, *dropped, kept = numbers[: numbers.index(240) + 1]
    assert len(dropped) == 6
    assert "no post dropped for it: others' words, quoted by hand; said before, nearly the same." in page_of(arguments)
    assert downloaded + sum(dropped) == kept == 240


def test_a_model_that_is_no_better_says_so(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments, evaluation=card_records.evaluation(tuned=card_records.metrics(5.2)))
    assert page.count("The training did not help: of 24 posts that it has never seen") == 1
    assert "| Loss (nats per token) | 5.020 | 5.200 | \\+3.6 % |" in page
    assert "| Loss (nats per token) | 4.910 to 5.140 | 5.090 to 5.320 |" in page
    page = page_of(arguments, evaluation=card_records.evaluation(tuned=card_records.metrics(5.02)))
    assert "The training did not help" in page


def test_every_python_block_compiles_and_names_the_repository(arguments: tuple[Any, ...]) -> None:
    snippets = [token.content for token in PARSER.parse(page_of(arguments)) if token.info == "python"]
    assert len(snippets) == 1
    compile(snippets[0], "snippet", "exec")
    assert 'model="huggingtweets/tide_clerk"' in snippets[0]


def test_every_picture_is_there_and_says_what_it_shows(model: Path) -> None:
    page = (model / "README.md").read_text()
    pictures = re.findall(r"!\[(.+?)\]\((.+?)\)", page)
    assert len(pictures) == 6
    for alt, path in pictures:
        assert len(alt) > 20
        assert (model / path).stat().st_size < 60_000
    assert len([item for item in shape(page) if item[0] == "image"]) == 6


def test_pictures_are_clear_and_their_colours_stand_out_on_both_pages(model: Path) -> None:
    for path in (model / "figures").glob("*.png"):
        with Image.open(path) as picture:
            # A social site is neither light nor dark: its preview brings a page of its own along.
            assert picture.convert("RGBA").getpixel((0, 0))[3] == (255 if path.name == "social.png" else 0), path.name
            assert picture.info.keys() <= {"transparency"}, picture.info
    for colour in (figures.TEXT, figures.LINE, figures.ACCENT, figures.SECOND):
        assert min(contrast(colour, "#ffffff"), contrast(colour, "#0b0f19")) > 3.9, colour


def test_every_figure_has_a_title_above_what_it_shows(model: Path) -> None:
    for name in ("pipeline", "loss", "months", "lengths", "dropped"):
        with Image.open(model / "figures" / f"{name}.png") as picture:
            rows = (np.asarray(picture.convert("RGBA"))[:, :, 3] > 0).any(axis=1)
        top = int(np.argmax(rows))
        # A line of letters at the top, by itself: the rows below it are empty.
        assert top < 20 and 15 <= int(np.argmin(rows[top:])) <= 40, name


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_what_has_nothing_to_show_is_left_out(arguments: tuple[Any, ...]) -> None:
    run_dir = arguments[0].run_dir
    account = card_records.account(num_downloaded=240, dropped={"reposts": 0}, avatar_file=None)
    curation = card_records.curation(
        run_dir, account, first_post_at=None, last_post_at=None, last_train_post_at=None, languages={"und": 240}
    )
    training = card_records.training(log=(), evals=(), stopped_early=False)
    given = (*arguments[:2], curation, training, *arguments[4:])
    card_records.render(*given)
    page = (run_dir / "model" / "README.md").read_text()
    assert not re.search(
        r"dropped\.png|loss\.png|avatar\.png|<summary>Training log|\| Language|The last post|^language:", page, re.M
    )
    assert "\n\n\n" not in page
    assert not re.search("TODO|None|Undefined|More [Ii]nformation", page)


def test_a_picture_that_is_none_is_left_out(arguments: tuple[Any, ...]) -> None:
    run_dir = arguments[0].run_dir
    (run_dir / "avatar-tide_clerk.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "avatar.png" not in page_of(arguments)
    shutil.copy(GOLDEN, run_dir.parent / "secret.png")
    account = card_records.account(avatar_file="../secret.png")
    assert "avatar.png" not in page_of(arguments, curation=card_records.curation(run_dir, account))


def test_an_avatar_says_nothing_but_its_picture(arguments: tuple[Any, ...]) -> None:
    run_dir = arguments[0].run_dir
    exif = Image.Exif()
    exif[0x010F] = "a camera with a name"
    Image.new("RGB", (64, 48), "#a05030").save(run_dir / "avatar-tide_clerk.png", exif=exif)
    published = avatar.draw(run_dir, arguments[2].accounts)
    assert published and b"camera" not in published
    with Image.open(io.BytesIO(published)) as picture:
        assert picture.size == (160, 160)
        assert not picture.getexif()


def test_a_loss_that_is_no_number_stops_the_card(arguments: tuple[Any, ...]) -> None:
    broken = card_records.evaluation(tuned=card_records.metrics(3.0, perplexity=float("inf")))
    with pytest.raises(
        CardError, match=r"model-index\[0\].results\[0\].metrics\[0\].value: inf is not a finite number"
    ):
        card_records.render(*arguments[:4], broken, *arguments[5:])


def test_a_name_the_facts_lack_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'nothing' is undefined"):
        environment().from_string("{{ nothing }}").render()
    with pytest.raises(UndefinedError, match="no attribute 'b'"):
        environment().from_string("{{ a.b }}").render(a={})
