"""The numbers of an evaluation against their definitions, and the one place that samples."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hub_publisher import dataset, evaluate, generation
from hub_publisher.base_model import load_model
from hub_publisher.config import Config
from tests.tiny import TEXTS, make_tiny_model

SETTINGS = generation.sampling_settings(Config(handle="x"), 24)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> PreTrainedTokenizerFast:
    return dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(tiny))


def test_perplexity_and_bits_per_byte_follow_from_the_loss(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    metrics = evaluate.measure(load_model(tiny, "float32"), tokenizer, TEXTS, 512, 1024)
    assert metrics.num_posts == len(TEXTS)
    assert metrics.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert metrics.num_tokens == sum(len(tokenizer(text)["input_ids"]) for text in TEXTS)  # without BOS, with EOS
    assert metrics.perplexity == pytest.approx(math.exp(metrics.eval_loss))
    nats = metrics.eval_loss * metrics.num_tokens
    assert metrics.bits_per_byte == pytest.approx(nats / math.log(2) / metrics.num_bytes)


def test_a_uniform_model_has_the_vocabulary_as_its_perplexity(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny, "float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    metrics = evaluate.measure(model, tokenizer, TEXTS, 512, 1024)
    assert metrics.perplexity == pytest.approx(model.config.vocab_size, rel=1e-4)


def test_texts_beyond_the_context_are_cut_to_it(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    metrics = evaluate.measure(load_model(tiny, "float32"), tokenizer, ["fog " * 900], 5000, 1024)
    assert metrics.num_tokens == 255 and metrics.num_bytes < 900 * 4


def test_one_seed_gives_one_set_of_texts(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny, "float32")
    first, again, other = (
        generation.generate(model, tokenizer, "My dream is", 3, seed, SETTINGS) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 3


def test_the_prompt_is_left_out_and_special_tokens_too(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    for text in generation.generate(load_model(tiny, "float32"), tokenizer, "My dream is", 5, 0, SETTINGS):
        assert not text.startswith("My dream is") and "<|endoftext|>" not in text


def test_generation_stops_at_eos(tiny: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny, "float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.transformer.wte.weight[tokenizer.eos_token_id] = 1.0  # EOS is now what always comes next
    assert generation.generate(model, tokenizer, "My dream is", 2, 0, SETTINGS) == ["", ""]


@pytest.mark.parametrize(("lengths", "expected"), [([20] * 100, 32), ([5], 16), ([500] * 9, 128), ([], 128),
                                                   ([30] * 99 + [90], 96), ([33] * 500 + [400], 48)])  # fmt: skip
def test_room_for_99_of_100_posts(lengths: list[int], expected: int) -> None:
    assert generation.fitting_max_new_tokens(lengths) == expected


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert generation.generate_from(tmp_path, "x", 1, 0) is None
