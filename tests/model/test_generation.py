"""How a published model is sampled from: generation_config.json, and what a caller puts in its place."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from hub_publisher.config import Config
from hub_publisher.model import generation
from hub_publisher.model.dataset import publishable_tokenizer

CONFIG = Config(handle="x", temperature=0.9, top_p=0.8)
WRITE = """
import sys
from pathlib import Path
from hub_publisher.config import Config
from hub_publisher.model.generation import write_settings
write_settings(Path(sys.argv[1]), Config(handle="x"), 16)
sys.exit("torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A model in its published form, with its settings; padding has a token of its own."""
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("published") / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = "!"
    publishable_tokenizer(tokenizer).save_pretrained(folder)
    assert generation.write_settings(folder, CONFIG, 24) == generation.sampling_settings(CONFIG, 24)
    return folder


def test_transformers_reads_what_was_written(published: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(published)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    ids = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    settings = {**generation.sampling_settings(CONFIG, 24), **ids}
    assert json.loads((published / "generation_config.json").read_text()) == settings
    for read in (
        GenerationConfig.from_pretrained(published),
        AutoModelForCausalLM.from_pretrained(published).generation_config,
    ):
        assert {name: getattr(read, name) for name in settings} == settings


def test_writing_needs_no_torch(published: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((published / name).read_bytes())
    assert subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], check=False).returncode == 0
    assert json.loads((tmp_path / "generation_config.json").read_text())["max_new_tokens"] == 16


def test_nothing_is_written_beside_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        generation.write_settings(tmp_path, CONFIG, 16)
    assert not list(tmp_path.iterdir())


def test_texts_are_drawn_as_the_model_s_settings_say_or_as_asked(published: Path) -> None:
    as_saved = generation.generate_from(published, "My dream is", 3, 7)
    assert as_saved is not None and len(set(as_saved)) == 3
    assert generation.generate_from(published, "My dream is", 3, 7, temperature=0.9, top_p=0.8) == as_saved
    for certain in ({"top_p": 1e-6}, {"temperature": 1e-4}):
        texts = generation.generate_from(published, "My dream is", 3, 7, **certain)
        assert texts is not None and len(set(texts)) == 1, "only the likeliest token is left"
