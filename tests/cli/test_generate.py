"""`generate` writes as the model was published, or as its flags say."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from transformers import AutoTokenizer

from hub_publisher.cli import main
from hub_publisher.config import Config
from hub_publisher.model import generation
from hub_publisher.model.dataset import publishable_tokenizer


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A model as `publish` leaves it, which always writes its likeliest words."""
    folder = tmp_path_factory.mktemp("runs")
    model = shutil.copytree(tiny_model, folder / "me" / "model")
    publishable_tokenizer(AutoTokenizer.from_pretrained(model)).save_pretrained(model)
    generation.write_settings(model, Config(handle="me", top_p=1e-6), 16)
    return folder


def texts(runs: Path, *flags: str, config: str = "", **environment: str) -> list[str]:
    """Three posts."""
    (runs / "run.toml").write_text(config)
    arguments = ["generate", "me", "--runs-dir", str(runs), "-n", "3", "--json", "--config", str(runs / "run.toml")]
    result = CliRunner().invoke(main, [*arguments, *flags], env=environment)
    assert result.exit_code == 0, result.output
    return [str(text) for text in json.loads(result.stdout)]


def test_without_flags_it_writes_as_it_was_published(runs: Path) -> None:
    assert len(set(texts(runs))) == 1


def test_a_flag_that_is_given_counts(runs: Path) -> None:
    assert len(set(texts(runs, "--top-p", "1"))) == 3
    assert len(set(texts(runs, "--top-p", "1", "--temperature", "0.0001"))) == 1


def test_so_do_the_environment_and_the_file(runs: Path) -> None:
    assert len(set(texts(runs, HUB_PUBLISHER_TOP_P="1"))) == 3
    assert len(set(texts(runs, config="top_p = 1.0\n"))) == 3


def test_the_prompt_is_continued(runs: Path) -> None:
    assert all(text.startswith("The fog") for text in texts(runs, "--prompt", "The fog"))


def test_a_flag_that_makes_no_sense_is_refused(runs: Path) -> None:
    result = CliRunner().invoke(main, ["generate", "me", "--runs-dir", str(runs), "--top-p", "2"])
    assert (result.exit_code, result.stderr) == (2, "Error: --top-p is 2.0, it must be above 0 and at most 1.\n")
