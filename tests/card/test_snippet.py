"""The card's code is run as it stands, on the files that will be published, and its words are shown as they came."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from hub_publisher.card import snippet
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.model import dataset
from hub_publisher.records import KeptPost, Snippet
from hub_publisher.system import isolated_process
from hub_publisher.system.files import write_jsonl
from tests.helpers.tiny import make_tiny_model

REPO_ID = "huggingtweets/tide_clerk"


class Tried(NamedTuple):
    """A publication after its snippet ran for the first time, and what was printed then."""

    config: Config
    snippet: Snippet


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    config = publication(tmp_path_factory.mktemp("tried"))
    return Tried(config, snippet.run_snippet(config, REPO_ID))


def publication(folder: Path) -> Config:
    """One whose model is the tiny one, as finetune leaves it: the same in every folder."""
    from transformers import AutoTokenizer, GenerationConfig

    made = Config(handle="tide_clerk", runs_dir=folder / "runs", dtype="float32")
    model = make_tiny_model(made.run_dir / "model")
    tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(model))
    tokenizer.save_pretrained(model)
    ids = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    GenerationConfig(do_sample=True, max_new_tokens=12, **ids).save_pretrained(model)
    write_jsonl(made.run_dir / "posts.jsonl", [KeptPost(id="1", text="The lamp is lit.")])
    return made


def test_it_prints_what_it_printed(tried: Tried) -> None:
    config, made = tried
    assert made.code == (
        "from transformers import pipeline, set_seed\n\n"
        'generator = pipeline("text-generation", model="huggingtweets/tide_clerk")\n'
        "set_seed(42)\n"
        'for post in generator("My dream is", num_return_sequences=3):\n'
        '    print(post["generated_text"])\n'
    )
    assert len(made.printed) == 3
    assert all(text and text.startswith("My dream is") for text in made.printed)
    assert made.stderr == ""
    assert not list(config.run_dir.glob(".reader-*"))


def test_the_same_texts_come_again_and_what_repeats_a_post_is_withheld(tried: Tried) -> None:
    config, printed = tried.config, tried.snippet.printed
    write_jsonl(config.run_dir / "posts.jsonl", [KeptPost(id="1", text=str(printed[1]))])
    again = snippet.run_snippet(config, "a/b").printed
    assert again[1] is None
    assert (again[0], again[2]) == (printed[0], printed[2])


def test_what_is_printed_is_checked(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["My dream is a boat.", "My dream is shit.", "My dream: keeper@lamp.example"]
    monkeypatch.setattr(snippet, "run_python", lambda *_: isolated_process.Said(texts, "", 1.0))
    made = snippet.run_snippet(tried.config, "a/b")
    assert made.printed == (texts[0], None, None)
    assert made.check and made.check.found == {"copies": 0, "language": 1, "personal_data": 1}
    assert snippet.run_snippet(replace(tried.config, show_all=True), "a/b").printed == tuple(texts)


def test_code_that_does_not_run_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path)
    config.run_dir.mkdir()
    monkeypatch.setattr(snippet, "_CODE", "print('so far')\nraise SystemExit('no weights')")
    with pytest.raises(PublisherError) as error:
        snippet.run_snippet(config, "a/b")
    assert error.value.message == "The code that the card would show failed:\nno weights"
    assert error.value.remedy == (
        "Run the same command again. If that ends likewise, make the model again: "
        "hub-publisher publish tide_clerk --force finetune"
    )


def test_code_that_does_not_end_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path)
    config.run_dir.mkdir()
    monkeypatch.setattr(snippet, "_CODE", "while True: pass")
    monkeypatch.setattr(isolated_process, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(PublisherError, match="The code that the card would show timed out after 0 s"):
        snippet.run_snippet(config, "a/b")


def test_its_code_says_what_it_depends_on() -> None:
    config = Config(handle="tide_clerk")
    changed = replace(config, prompts=("Fog",))
    assert len({snippet.code(config, "a/b"), snippet.code(config, "a/c"), snippet.code(changed, "a/b")}) == 3


def test_a_hostile_prompt_stays_a_string_in_one_line() -> None:
    prompt = '"); import os; os.remove("x")\n# ```\u2028' + "x" * 1000
    code = snippet.code(Config(handle="x", prompts=(prompt,), dtype="float32"), "a/b")
    compile(code, "snippet", "exec")
    assert len(code.splitlines()) == 6
    assert "import os" in code.splitlines()[4] and len(code) < 700
