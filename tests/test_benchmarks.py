"""Benchmark results that the publisher brings along: checked, shown as theirs, published in the Hub's format."""

from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from hub_publisher.card import benchmarks
from hub_publisher.errors import CardError
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.verify import FAILS
from tests.helpers.published_cards import PublishedCard

GOOD = """
- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}
  value: 0.251
  date: 2026-02-03
  source: {url: "https://tide.example/gpqa", name: Eval logs | mine}
"""


def test_results_are_published_and_shown_as_the_publishers(hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    card = PublishedCard(hub, tmp_path, "benchmarks")
    card.config = type(card.config)(**{**vars(card.config), "eval_results": tmp_path / "mine.yaml"})
    card.push()
    [entry] = parse_eval_result_entries(yaml.safe_load(card.read(".eval_results/results.yaml")))
    assert (entry.dataset_id, entry.task_id, entry.value, entry.date) == (
        "Idavidrein/gpqa",
        "gpqa_diamond",
        0.251,
        "2026-02-03",
    )
    page = card.read()
    assert "As the publisher states them; hub_publisher did not run these." in page
    assert "| Idavidrein/gpqa | gpqa\\_diamond | 0.251 | [Eval logs &#124; mine](https://tide.example/gpqa) |" in page
    assert [found for found in card.verify() if found.state == FAILS] == []
    card.config = type(card.config)(**{**vars(card.config), "eval_results": None})
    card.push()
    assert ".eval_results/results.yaml" not in card.api.list_repo_files(card.repo_id)
    assert "### Benchmarks" not in card.read()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("just text", "holds no list of benchmark results"),
        ("- value: 3", "holds no list of benchmark results"),
        ("- dataset: {id: a/b}\n  value: 3", "holds no list of benchmark results"),
        ("- dataset: {id: ../b, task_id: t}\n  value: 3", "Entry 1 of .* names no data set of the Hub"),
        ("- [unclosed", "cannot be read"),
    ],
)
def test_what_the_hub_would_refuse_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(CardError, match=fault) as error:
        benchmarks.read(tmp_path / "bad.yaml")
    assert error.value.remedy.startswith("See https://huggingface.co/docs/hub/eval-results")


def test_no_file() -> None:
    assert benchmarks.read(None) == ()
    with pytest.raises(CardError, match="cannot be read"):
        benchmarks.read(Path("nowhere.yaml"))
