"""A template of one's own: it may say anything of the facts, reach nothing else, and fails with its line."""

from pathlib import Path

import pytest

from hub_publisher import card
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.page import context, render_page, template_hashes
from hub_publisher.config import Config
from hub_publisher.errors import CardError
from tests.helpers import card_records


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    config, repo_id, *records = card_records.publication(tmp_path)
    return card_records.gather(config, repo_id, "https://huggingface.co", *records)


def page(inputs: Inputs, folder: Path, template: str) -> str:
    path = folder / "mine.jinja"
    path.write_text(template)
    return render_page(context(inputs, {}), path)[0]


def test_a_whole_template(inputs: Inputs, tmp_path: Path) -> None:
    # Without regions of its own the page is one.
    assert page(inputs, tmp_path, "# {{ identity.name }}\n").splitlines()[1:] == [
        "# Tide Clerk",
        "<!-- hub-publisher:end text-1 -->",
    ]
    assert "\n## Limitations and bias\n" in page(inputs, tmp_path, '{% include "card/limitations.md.jinja" %}')


def test_a_part_in_place_of_ours(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "parts" / "card").mkdir(parents=True)
    (tmp_path / "parts" / "card" / "how.md.jinja").write_text("## How\n\nBy night.\n")
    made = render_page(context(inputs, {}), tmp_path / "parts")[0]
    assert "## How\n\nBy night." in made and "## How was it made?" not in made and "## How good is it?" in made
    assert template_hashes(tmp_path / "parts") != template_hashes()
    assert template_hashes(tmp_path / "parts").keys() == template_hashes().keys()


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("ok\n{{ identity.nothing }}", "line 2 of mine.jinja: 'dict object' has no attribute 'nothing'"),
        ("ok\n\n{% if %}", "line 3 of model_card.md.jinja: Expected an expression"),
        (
            "{{ ''.__class__.__mro__ }}",
            "line 1 of mine.jinja: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ evaluation.tuned }}", "line 1 of mine.jinja: .* reached the card unformatted"),
        ("ok\n{{ handle | number }}", "line 2 of mine.jinja: Cannot specify ',' with 's'"),
        ("{{ 1 / curation.languages.nothing }}", "line 1 of mine.jinja: 'dict object' has no attribute 'nothing'"),
        ("{{ 1 / (has_avatar | int) }}", "line 1 of mine.jinja: division by zero"),
        ("{{ training.log | thinned }}", "line 1 of mine.jinja: .*missing 1 required positional argument"),
        ("{{ handle | nothing }}", "line 1 of model_card.md.jinja: No filter named 'nothing'"),
        ("{% include 'nothing.jinja' %}", "there is no nothing.jinja"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "line 1 of mine.jinja: Range too big"),
    ],
)
def test_a_wrong_template_fails_with_its_line(inputs: Inputs, tmp_path: Path, template: str, fault: str) -> None:
    with pytest.raises(CardError, match=f"The card's template fails: {fault}") as error:
        page(inputs, tmp_path, template)
    assert error.value.remedy == "Compare it with templates/ in the project."


def test_a_template_that_is_not_there(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"There is no template .*nowhere"):
        render_page(context(inputs, {}), tmp_path / "nowhere")


def test_a_template_reads_no_other_file(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "secret.jinja").write_text("secret")
    with pytest.raises(CardError, match="there is no"):
        page(inputs, tmp_path, "{% include '../secret.jinja' %}")


@pytest.mark.parametrize("setting", ["template", "eval_results"])
def test_a_changed_file_makes_another_card(tmp_path: Path, setting: str) -> None:
    config, repo_id, *_, tracking = card_records.publication(tmp_path)

    def state(of: Config) -> object:
        return card.state(of, repo_id, card_records.HUGGING_FACE_URL, tracking)

    (tmp_path / "mine.jinja").write_text("# {{ identity.name }}\n")
    other = Config(**{**vars(config), setting: tmp_path / "mine.jinja"})
    before = state(other)
    assert state(config) != before
    (tmp_path / "mine.jinja").write_text("# {{ identity.name }}!\n")
    assert state(other) != before
