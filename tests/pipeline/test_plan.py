"""publish --dry-run refuses what publish refuses before it trains, in the same words, and leaves nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub_publisher.cli import main
from hub_publisher.errors import BaseModelError
from hub_publisher.model import base_model
from hub_publisher.model.base_model import ResolvedBaseModel
from hub_publisher.records import BaseModelInfo
from tests.helpers.publication import SAMPLE

FILES = {
    "broken.jinja": "{% if %}",
    "not-text.jinja": b"\xff\xfe\x00",
    "a-word.yaml": "yes",
    "no-id.yaml": "- dataset: {task_id: x}\n  value: 1\n",
    "unknown-key.yaml": "compute_environment: LOCAL_MACHINE\nno_such_key: 1\n",
    "few.txt": "The lamp is lit and the kettle is on.\nThe fog has come in again.\n",
    "bert/config.json": '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}',
}
REFUSED = [
    ["--template", "none.jinja"],
    ["--template", "broken.jinja"],
    ["--template", "not-text.jinja"],
    ["--eval-results", "none.yaml"],
    ["--eval-results", "a-word.yaml"],
    ["--eval-results", "no-id.yaml"],
    ["--accelerate-config", "none.yaml"],
    ["--accelerate-config", "unknown-key.yaml"],
    ["--config", "none.toml"],
    ["--contact", "foo"],
    ["--dataset", "no data set"],
    ["--log-with", "a notebook"],
    ["--wandb", "online"],
    ["--from-path", "none.csv"],
    ["--from-path", "few.txt"],
    ["--min-posts", "100000"],
    ["--prompts", "Five degrees in the lamp room. My oil has gone"],
    ["--base-model", "bert"],
    ["--hub", "http://127.0.0.1:9"],
    ["--force", "nothing"],
]


def run(folder: Path, *flags: str) -> Result:
    return CliRunner().invoke(main, ["publish", SAMPLE, *flags], env={"HF_TOKEN": "hf_notarealtoken"})


def refusal(result: Result) -> tuple[int, str]:
    return result.exit_code, result.stderr[result.stderr.index("Error: ") :]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Path:
    """A working directory with files that are wrong, each in its own way, and a base model that is right."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_PUBLISHER_BASE_MODEL", str(tiny_model))
    monkeypatch.setenv("HUB_PUBLISHER_HUB", "local")
    monkeypatch.setenv("HUB_PUBLISHER_WANDB", "disabled")
    return tmp_path


@pytest.mark.parametrize("flags", REFUSED, ids=" ".join)
def test_what_is_refused_before_training_is_refused_by_a_dry_run(flags: list[str], folder: Path) -> None:
    dry = run(folder, *flags, "--dry-run")
    assert not (folder / "runs").exists(), "nothing is written"
    real = run(folder, *flags)
    assert refusal(dry) == refusal(real)
    assert dry.exit_code in (1, 2)
    assert "Errno" not in dry.stderr or "--hub" in flags
    assert not list(folder.glob("runs/*/training*")), "nothing was trained"


def test_it_says_how_many_posts_are_kept_and_leaves_nothing(folder: Path) -> None:
    result = run(folder, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "644 of 761 posts kept, 64 of them held out" in result.stderr
    assert not (folder / "runs").exists()


def test_asking_for_a_key_leaves_nothing(folder: Path) -> None:
    keys = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    result = CliRunner().invoke(main, ["publish", SAMPLE, "--dry-run", "--wandb", "auto"], env=keys)
    assert result.exit_code == 0, result.output
    assert "its server did not confirm the API key" in result.stderr
    assert not (folder / "runs").exists()


def test_the_base_model_is_named_that_would_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    def not_there(hub_id: str, revision: str | None) -> Path:
        raise BaseModelError(f"{hub_id} is not there")

    def bundled(substituted_for: str | None = None) -> ResolvedBaseModel:
        facts = BaseModelInfo(
            requested=str(substituted_for), hub_id="a/stand-in", num_parameters=1000, substituted_for=substituted_for
        )
        return ResolvedBaseModel(tiny_model, facts)

    monkeypatch.setattr(base_model, "_download", not_there)
    monkeypatch.setattr(base_model, "_bundled", bundled)
    result = run(folder, "--base-model", "openai-community/gpt2", "--dry-run")
    assert result.exit_code == 0, result.output
    told = "a/stand-in (bundled), because openai-community/gpt2 is neither cached nor reachable"
    assert f"      base model  {told}\n" in result.stderr
