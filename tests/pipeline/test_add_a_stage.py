"""docs/add-a-stage.md, done: its code as it stands there, run by the real runner."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hub_publisher.config import Config
from hub_publisher.pipeline import publish
from hub_publisher.pipeline.job import Job
from hub_publisher.pipeline.runner import Runner
from hub_publisher.pipeline.stages import STAGES, Stage
from tests.helpers import ROOT
from tests.helpers.publication import Place

PAGE = (ROOT / "docs" / "add-a-stage.md").read_text(encoding="utf-8")
MODULE, ROW = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def stage() -> Stage:
    """The page's stage, entered as it says."""
    names: dict[str, Any] = {"Stage": Stage}
    exec(MODULE, names)
    (row,) = eval(ROW, names)
    assert isinstance(row, Stage)
    return row


class Story:
    """fetch, curate and the new stage, as often as a test likes."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.config = Config(handle="lampkeeper_bot", runs_dir=folder)
        self.stages = (*STAGES[:2], stage)

    def told(self, **changes: object) -> list[str]:
        """What the runner says: a line for each stage found, two for each done."""
        said: list[str] = []
        job = Job(Config(**{**vars(self.config), **changes}), say=said.append)
        runner = Runner(job, self.stages)
        for stage in self.stages:
            runner.run(stage.name)
        self.record = job.records[self.stages[-1].name]
        return [line.split(maxsplit=1)[1] for line in said if "..." not in line]


def test_the_stage_of_the_page_is_done_once_and_again_when_it_must(stage: Stage, tmp_path: Path) -> None:
    story = Story(tmp_path, stage)
    assert [re.sub(r"\d+ s", "N s", line) for line in story.told()] == [
        "fetch     done in N s",
        "curate    done in N s",
        "wordcount done in N s",
    ]
    words = json.loads((story.config.run_dir / "words.json").read_text())
    assert sum(words.values()) == story.record.num_words > story.record.num_different == len(words) > 100
    assert set(story.record.outputs) == {"words.json"}
    assert story.told() == ["fetch     up to date", "curate    up to date", "wordcount up to date"]
    (story.config.run_dir / "words.json").write_text("{}")
    assert [line.split()[1] for line in story.told()] == ["up", "up", "done"]
    assert json.loads((story.config.run_dir / "words.json").read_text()) == words
    assert [line.split()[1] for line in story.told(heldout_ratio=0.2)] == ["up", "done", "done"], "other posts.jsonl"


def test_publish_does_it_in_its_place(stage: Stage, copied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """That row and nothing else: the story needs no line about it."""
    monkeypatch.setattr(sys.modules[publish.__module__], "STAGES", (*STAGES[:2], stage, *STAGES[2:]))
    said = copied.publish()
    assert list(said) == ["fetch", "curate", "wordcount", *[row.name for row in STAGES[2:]]]
    assert {name for name, state in said.items() if state != "up to date"} == {"wordcount"}
    assert (copied.run_dir / "wordcount.json").is_file()
    assert set(copied.publish().values()) == {"up to date"}


def test_rows_of_the_page_name_what_a_row_has() -> None:
    said = set(re.findall(r"^- `(\w+)`:", PAGE, re.MULTILINE))
    optional = {name for name in Stage.__dataclass_fields__ if name in vars(Stage)}
    assert said == optional
