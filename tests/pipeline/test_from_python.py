"""publish() as Python and notebooks call it: posts at hand, progress on stderr, a result to look at."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub_publisher import Config, publish, sources
from hub_publisher.errors import PublisherError, UsageError
from hub_publisher.pipeline import from_python
from hub_publisher.pipeline.publication import Publication
from hub_publisher.records import Evaluation
from tests.helpers.publication import QUICK, SAMPLE
from tests.pipeline.conftest import Published

TEXTS = ["The lamp is lit.", "Fog again, “thick” & <white>.", "Three ships passed.\nAll of them waved."]


class Frame:
    """What pandas and polars have in common with respect to us: they write themselves as JSON lines."""

    def __init__(self, rows: list[dict[str, object]]) -> None:
        self.rows = rows
        self.columns = list(rows[0])

    def _lines(self) -> str:
        return "\n".join(json.dumps(row) for row in self.rows) + "\n"


class PandasFrame(Frame):
    def to_json(self, *, orient: str, lines: bool, date_format: str) -> str:
        assert (orient, lines, date_format) == ("records", True, "iso")
        return self._lines()


class PolarsFrame(Frame):
    def write_ndjson(self) -> str:
        return self._lines()


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations that the stages are called with; none is run."""
    configs: list[Config] = []
    monkeypatch.setattr(from_python, "publish_from", lambda config, *rest: configs.append(config))
    return configs


def read(config: Config) -> list[str]:
    return [post.text for post in sources.fetch(config).posts]


@pytest.mark.parametrize(
    "posts",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        [{"text": text, "created_at": "2026-05-01"} for text in TEXTS],
        PandasFrame([{"text": text} for text in TEXTS]),
        PolarsFrame([{"text": text} for text in TEXTS]),
    ],
    ids=["list", "tuple", "generator", "rows", "pandas", "polars"],
)
def test_posts_at_hand_are_read_like_a_file(posts: Any, called: list[Config], tmp_path: Path) -> None:
    publish(handle="wick", posts=posts, runs_dir=tmp_path)
    (config,) = called
    assert config.from_path == config.run_dir / "posts-given.jsonl"
    assert read(config) == TEXTS


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_frames_of_the_real_libraries_are_read(name: str, called: list[Config], tmp_path: Path) -> None:
    from datetime import datetime

    library = pytest.importorskip(name)
    dates = [datetime(2026, 5, 1, 12), None, datetime(2026, 5, 3)]
    publish(handle="wick", posts=library.DataFrame({"text": TEXTS, "date": dates}), runs_dir=tmp_path)
    posts = sources.fetch(called[0]).posts
    assert [post.text for post in posts] == TEXTS
    assert [post.created_at and post.created_at.day for post in posts] == [1, None, 3]


def test_the_same_posts_are_the_same_input(called: list[Config], tmp_path: Path) -> None:
    for posts in (TEXTS, TEXTS, TEXTS[:2]):
        publish(handle="wick", posts=posts, runs_dir=tmp_path)
        called.append(sources.state(called.pop()))  # type: ignore[arg-type]
    first, second, other = called
    assert first == second != other


@pytest.mark.parametrize(
    ("path", "setting"),
    [("posts.csv", "from_path"), ("mine.zip", "archive"), ("tweets.js", "archive"), (".", "archive")],
)
def test_a_path_is_a_file_or_an_archive(
    path: str, setting: str, called: list[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(handle="wick", posts=path)
    publish(handle="wick", posts=Path(path))
    assert [getattr(config, setting) for config in called] == [Path(path)] * 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: publish(), "It is not said whose posts they are."),
        (lambda: publish(handle="me", epochs=2), "publish() knows no setting epochs."),
        (lambda: publish("me"), "'me' is no Config."),  # type: ignore[arg-type]
        (lambda: publish(handle="me", posts=[]), "posts holds no posts."),
        (lambda: publish(handle="me", posts=[7]), "posts holds 7 (int), which is no post."),
        (lambda: publish(handle="me", posts=7), "posts holds 7 (int), which is no post."),  # type: ignore[arg-type]
        (lambda: publish(handle="me", posts={"text": []}), "posts holds {'text': []} (dict), which is no post."),
        (lambda: publish(handle="me", posts="a.csv", from_path="b.csv"), "Posts are given twice."),
        (lambda: publish(handle="me", num_epochs="2"), "num_epochs must be a whole number, not '2' (str)."),
    ],
)
def test_a_wrong_call_is_told_so(
    call: Callable[[], object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.message == sentence and error.value.remedy
    assert not list(tmp_path.rglob("*.jsonl"))


def test_settings_change_those_of_a_configuration(called: list[Config]) -> None:
    publish(Config(handle="me", num_epochs=2), seed=7)
    assert (called[0].num_epochs, called[0].seed) == (2, 7)


def test_progress_is_said_unless_it_is_silenced(
    published: Published, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = published.place.config()
    assert isinstance(publish(config), Publication)
    captured = capsys.readouterr()
    assert "[1/8] fetch     up to date" in captured.err and not captured.out
    publish(config, say=None)
    assert "[1/8]" not in capsys.readouterr().err
    heard: list[str] = []
    publish(config, heard.append)
    assert heard[0] == f"Publishing @{SAMPLE}" and not capsys.readouterr().err


@pytest.fixture(scope="module")
def result(published: Published) -> Publication:
    return publish(published.place.config(), say=None)


def test_the_result_shows_itself(result: Publication) -> None:
    page = result._repr_html_()
    assert f'<a href="{result.receipt.url}">' in page
    assert result.quality in page and result.quality in repr(result)
    numbers = r"perplexity went from [\d.]+ to [\d.]+ and bits per byte from [\d.]+ to [\d.]+"
    assert re.fullmatch(rf"On 64 posts that it never saw, {numbers}\.", result.quality)
    assert page.count("<blockquote>") == QUICK["num_samples"]


def test_what_a_model_wrote_is_never_markup(result: Publication) -> None:
    group = result.evaluation.samples[0].model_copy(
        update={"prompt": "<b>", "tuned": ("<script>alert(1)</script>\nline", None), "base": ("one", "two")}
    )
    evaluation: Evaluation = result.evaluation.model_copy(update={"samples": (group,)})
    page = result._replace(evaluation=evaluation)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;<br>line" in page
    assert "<b>&lt;b&gt;</b>" in page and "(withheld)" in page


def test_the_samples_are_rows(result: Publication, monkeypatch: pytest.MonkeyPatch) -> None:
    (group,) = result.evaluation.samples
    assert [row["tuned"] for row in result.samples] == list(group.tuned)
    assert {row["prompt"] for row in result.samples} == {"My dream is"}
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(PublisherError, match="pip install pandas"):
            result.to_frame()
    made = SimpleNamespace(DataFrame=lambda rows, columns: (rows, columns))
    monkeypatch.setitem(__import__("sys").modules, "pandas", made)
    assert result.to_frame() == (result.samples, ["prompt", "tuned", "base"])  # type: ignore[comparison-overlap]
