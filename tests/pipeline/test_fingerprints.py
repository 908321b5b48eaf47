"""What a stage's fingerprint is made of: its settings and what it reads, and nothing else."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from PIL import Image

from hub_publisher.config import DEFAULTS, Config, deciding
from hub_publisher.pipeline.runner import Runner
from hub_publisher.pipeline.stages import STAGES

NAMES = [stage.name for stage in STAGES]


def test_the_settings_name_stages_of_the_table() -> None:
    for setting in fields(Config):
        decides, used_by = set(setting.metadata["decides"]), set(setting.metadata["used_by"])
        assert decides <= set(NAMES), setting.name
        assert used_by <= set(NAMES) or used_by == {"*"}, setting.name
        assert not decides & used_by, setting.name


OTHER = {
    "handle": "Lampkeeper_Bot",
    "text_column": "words",
    "display_name": "Somebody",
    "profile_url": "https://tide.example/@somebody",
    "hub": "local",
    "namespace": "somebody",
    "repo_name": "another",
    "private": True,
    "base_model": "distilgpt2",
    "base_revision": "main",
    "min_posts": 51,
    "heldout_ratio": 0.2,
    "max_post_tokens": 100,
    "learning_rate": 1e-3,
    "warmup_ratio": 0.2,
    "weight_decay": 0.1,
    "max_grad_norm": 2.0,
    "num_epochs": 3,
    "tokens_per_batch": 256,
    "gradient_accumulation_steps": 2,
    "seed": 7,
    "dtype": "float32",
    "checkpoint_seconds": 5.0,
    "num_processes": 2,
    "accelerate_config": Path("accelerate.yaml"),
    "prompts": ("The lamp",),
    "num_samples": 3,
    "num_measured_samples": 8,
    "temperature": 0.5,
    "top_p": 0.5,
    "show_all": True,
    "contact": "https://tide.example",
    "dataset": "tide/posts",
    "grid_intensity": 30.0,
    "wandb": "disabled",
    "wandb_project": "elsewhere",
    "dataset_artifact": "none",
    "log_with": "tensorboard",
    "runs_dir": Path("elsewhere"),
    "hub_dir": Path("elsewhere"),
}
# Files that the user names count by their content, and the first prompt by the code and the text that is made with it.
BY_STATE = {
    "archive": {"fetch"},
    "from_path": {"fetch"},
    "avatar": {"fetch"},
    "template": {"card"},
    "eval_results": {"card"},
    "prompts": {"snippet", "loadback"},
}


def other(name: str, folder: Path) -> object:
    """A valid value of a setting that is not its value in the publication."""
    if name in OTHER:
        return OTHER[name]
    contents = {
        "archive": ("tweets.js", 'window.YTD.tweets.part0 = [{"tweet": {"id_str": "1", "full_text": "Fog."}}]'),
        "from_path": ("posts.txt", "Fog.\n"),
        "template": ("model_card.md.jinja", "# {{ identity.name }}\n"),
        "eval_results": ("results.yaml", "[]\n"),
    }
    if name == "avatar":
        Image.new("RGB", (8, 8)).save(folder / "avatar.png")
        return folder / "avatar.png"
    file, content = contents[name]
    (folder / file).write_text(content)
    return folder / file


def fingerprints(runner: Runner, **changes: object) -> dict[str, str]:
    """What the runner expects of every stage when settings are others and all records as they lie."""
    job = runner.job
    before, job.config = job.config, Config(**{**vars(job.config), **changes})
    try:
        return {stage.name: runner.expected(stage) for stage in STAGES}
    finally:
        job.config = before


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_changes_the_stages_it_decides_and_no_other(runner: Runner, name: str, tmp_path: Path) -> None:
    value = other(name, tmp_path)
    assert value != getattr(runner.job.config, name)
    before, after = fingerprints(runner), fingerprints(runner, **{name: value})
    changed = {stage for stage in NAMES if before[stage] != after[stage]}
    decides = next(setting for setting in fields(Config) if setting.name == name).metadata["decides"]
    assert changed == {*decides, *BY_STATE.get(name, ())}


def test_another_version_of_a_stage_is_another_fingerprint(runner: Runner) -> None:
    for stage in STAGES:
        assert runner.expected(replace(stage, version=stage.version + 1)) != runner.expected(stage)


def test_sampling_never_trains_again() -> None:
    for name in ("temperature", "top_p", "num_samples", "num_measured_samples", "prompts"):
        assert name not in deciding("finetune")


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_changed_changes_the_stages_that_read_it(runner: Runner, name: str) -> None:
    records, before = runner.job.records, fingerprints(runner)
    kept = records[name]
    records[name] = kept.model_copy(update={"fingerprint": "another"})
    changed = {stage for stage, value in fingerprints(runner).items() if value != before[stage]}
    outputs = {path: output.model_copy(update={"sha256": "another"}) for path, output in kept.outputs.items()}
    records[name] = kept.model_copy(update={"outputs": outputs})
    by_file = {stage for stage, value in fingerprints(runner).items() if value != before[stage]}
    records[name] = kept
    assert changed == {stage.name for stage in STAGES if name in stage.reads}
    assert by_file == {stage.name for stage in STAGES if any(read.startswith(f"{name}:") for read in stage.reads)}
