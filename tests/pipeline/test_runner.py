"""The runner on a finished publication: what is damaged, changed or forced is done again, and nothing else."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.pipeline.job import Job
from hub_publisher.pipeline.runner import VOID, Runner, following, void
from hub_publisher.pipeline.stages import BY_NAME, STAGES
from hub_publisher.records import Evaluation, StageRecord, Training
from tests.helpers.publication import Place

NAMES = [stage.name for stage in STAGES]


def not_done(runner: Runner) -> set[str]:
    """The stages that the runner would do again, each seen by itself."""
    return {stage.name for stage in STAGES if runner.found(stage) is None}


def record_of(runner: Runner, name: str) -> Path:
    """Where the record of a stage lies."""
    return runner.job.path(BY_NAME[name].record)


def forget(config: Config, name: str) -> None:
    """What `--force` does."""
    for stage in following(name):
        void(config, stage)


def owners(runner: Runner, path: str) -> set[str]:
    """The stages whose records vouch for a file."""
    return {name for name, record in runner.job.records.items() if path in record.outputs}


def flip_and_keep_the_time(path: Path) -> None:
    """Change two bytes in the middle, as a failing disk does: same size, same time."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    for place in (len(content) // 2, len(content) // 2 + 1):
        content[place] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_table_and_the_records_name_the_same_stages() -> None:
    assert len({stage.record for stage in STAGES}) == len({stage.record.file for stage in STAGES}) == len(STAGES)
    for place, stage in enumerate(STAGES):
        assert set(stage.inputs) <= set(NAMES[:place]), f"{stage.name} reads what is not made yet"


def test_a_finished_publication_is_done(runner: Runner) -> None:
    assert not_done(runner) == set()


def test_every_record_vouches_for_every_file_that_its_stage_left(runner: Runner) -> None:
    folder, records = runner.job.config.run_dir, runner.job.records
    assert set(records["fetch"].outputs) == {"timeline.jsonl", "avatar.png"}
    assert set(records["curate"].outputs) == {"posts.jsonl"}
    assert {"model/config.json", "model/model.safetensors", "model/tokenizer.json"} <= set(records["finetune"].outputs)
    assert {"model/README.md", "model/manifest.json", "model/figures/loss.png"} <= set(records["card"].outputs)
    model = {path.relative_to(folder).as_posix() for path in (folder / "model").rglob("*") if path.is_file()}
    vouched = {path for name in ("finetune", "evaluate", "card") for path in records[name].outputs}
    assert model == vouched
    assert not records["finetune"].outputs.keys() & records["card"].outputs.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_damaged_or_gone_makes_its_stage_be_done_again(runner: Runner, name: str) -> None:
    for path in runner.job.records[name].outputs:
        file = runner.job.config.run_dir / path
        kept = file.with_name("kept aside")
        shutil.copy2(file, kept)
        flip_and_keep_the_time(file)
        os.utime(file)
        assert not_done(runner) == owners(runner, path), f"{path} damaged"
        file.unlink()
        assert not_done(runner) == owners(runner, path), f"{path} gone"
        kept.replace(file)
        assert not_done(runner) == set(), f"{path} as it was"


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_is_gone_or_damaged_makes_its_stage_be_done_again(runner: Runner, name: str) -> None:
    path = record_of(runner, name)
    whole = path.read_bytes()
    for content in (None, b"", b"[]", b"{}", b"\xff\x00", whole[: len(whole) // 2]):
        path.unlink() if content is None else path.write_bytes(content)
        assert not_done(runner) == {name}, content
        path.write_bytes(whole)
    assert not_done(runner) == set()


@pytest.mark.parametrize("content", [b"\xff garbage", b"", b"[]"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stage_is_forced_whatever_its_record_holds(runner: Runner, name: str, content: bytes) -> None:
    config = runner.job.config
    whole = {stage: record_of(runner, stage).read_bytes() for stage in NAMES}
    record_of(runner, name).write_bytes(content)
    forget(config, name)
    assert not_done(runner) == set(NAMES[NAMES.index(name) :])
    for stage, record in whole.items():
        record_of(runner, stage).write_bytes(record)


def test_what_is_cheap_is_really_made_again_and_what_follows_from_it_is_not(copied: Place) -> None:
    """Made again from the same it is the same, so nothing after it changes."""
    commits = copied.commits()
    posts, page = copied.run_dir / "posts.jsonl", copied.run_dir / "model" / "README.md"
    whole = posts.read_bytes(), page.read_bytes()
    (copied.run_dir / "timeline.jsonl").unlink()
    posts.write_bytes(b"\xff garbage\n")
    page.write_text("")
    for name in ("receipt.json", "card.json"):
        (copied.run_dir / name).write_text("[]")
    said = copied.publish(force="card")
    again = {name for name, state in said.items() if state.startswith("done in")}
    assert again == {"fetch", "curate", "card", "push", "loadback"}
    assert (posts.read_bytes(), page.read_bytes()) == whole
    assert copied.commits() == commits


def test_a_model_that_changed_unseen_is_not_published_but_made_again(copied: Place) -> None:
    commits = copied.commits()
    weights = copied.run_dir / "model" / "model.safetensors"
    good = weights.read_bytes()
    flip_and_keep_the_time(weights)
    with copied.runner() as runner:
        assert runner.found(BY_NAME["finetune"]), "by its time and size it is the same file"
        with pytest.raises(PublisherError) as error:
            runner.run_alone("push")
        assert error.value.message == f"{weights} is not the file that `finetune` left; nothing was published."
        assert error.value.remedy == "Publish again, which makes it again: hub-publisher publish lampkeeper_bot"
        assert runner.found(BY_NAME["finetune"]) is None
    assert json.loads((copied.run_dir / "training.json").read_text())["fingerprint"] == VOID
    assert copied.commits() == commits
    assert copied.publish()["finetune"].startswith("done in")
    assert weights.read_bytes() == good
    assert copied.publish() == dict.fromkeys(NAMES, "up to date")


def test_a_file_that_no_stage_left_is_never_published(copied: Place) -> None:
    model, repo_id = copied.run_dir / "model", "huggingtweets/lampkeeper_bot"
    for stray in (model / "secrets.env", model / "figures" / "photo.jpg"):
        stray.write_text("TOKEN=hush")
    with copied.runner() as runner:
        runner.run_alone("card")
        assert "secrets.env" not in (model / "manifest.json").read_text()
        assert runner.run_alone("push").files.keys().isdisjoint({"secrets.env", "figures/photo.jpg"})
        there = HfApi(endpoint=runner.job.target.endpoint).list_repo_files(repo_id)
    assert {"model.safetensors", "README.md"} < set(there)
    assert not {"secrets.env", "figures/photo.jpg"} & set(there)


def test_a_hub_that_lost_the_model_gets_it_again(copied: Place) -> None:
    with copied.runner() as runner:
        assert not_done(runner) == set()
        target = runner.job.target
        HfApi(endpoint=target.endpoint, token=target.hub.token).delete_repo(target.repo_id)
        assert not_done(runner) == {"push"}


def test_a_stand_in_for_the_base_model_is_for_the_local_hub_alone(runner: Runner) -> None:
    training, stage = runner.job.records["finetune"], BY_NAME["finetune"]
    assert isinstance(training, Training)
    base = training.base_model.model_copy(update={"substituted_for": "openai-community/gpt2"})
    stood_in = training.model_copy(update={"base_model": base})
    elsewhere = Job(runner.job.config, replace(runner.job.target, is_local=False))
    assert stage.is_current(runner.job, stood_in) and stage.is_current(elsewhere, training)
    assert not stage.is_current(elsewhere, stood_in)


def test_a_new_prompt_measures_again_but_does_not_train_again(copied: Place) -> None:
    with copied.runner(prompts=("My dream is", "The lamp")) as runner:
        assert runner.found(BY_NAME["finetune"]) and not runner.found(BY_NAME["evaluate"])
        evaluation = runner.run("evaluate")
        assert isinstance(evaluation, Evaluation)
    assert [row.prompt for row in evaluation.samples] == ["My dream is", "The lamp"]


def test_a_stage_that_fails_is_not_done(runner: Runner) -> None:
    def fail(job: Job) -> StageRecord:
        raise PublisherError("the power went")

    stage = runner.stages["card"]
    whole = record_of(runner, "card").read_bytes()
    runner.stages["card"] = replace(stage, work=fail)
    with pytest.raises(PublisherError):
        runner.do("card")
    assert runner.found(stage) is None
    runner.stages["card"] = stage
    record_of(runner, "card").write_bytes(whole)


def test_a_single_stage_refuses_inputs_that_are_gone_or_void(copied: Place) -> None:
    (copied.run_dir / "model" / "config.json").unlink()
    with copied.runner() as runner:
        with pytest.raises(PublisherError, match=r"config\.json is missing or is not the file that `finetune` left"):
            runner.run_alone("evaluate")
        forget(copied.config(), "curate")
        with pytest.raises(PublisherError) as error:
            runner.run_alone("finetune")
    assert error.value.message == f"There is no curation.json in {copied.run_dir}."
    assert error.value.remedy == "Run first: hub-publisher curate lampkeeper_bot"
