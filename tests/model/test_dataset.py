"""Batches hold every post once, with little padding; the tokenizer conditions prompts as training did."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from hub_publisher.model import dataset, loss
from tests.helpers.tiny import TEXTS

LENGTHS = st.lists(st.integers(2, 600), min_size=1, max_size=200)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerFast:
    return dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(tiny_model))


@given(LENGTHS, st.integers(2, 2048), st.integers(0, 9), st.integers(1, 3))
@example([4, 4], 7, 0, 1)
def test_every_post_is_in_exactly_one_batch_of_an_epoch(
    lengths: list[int], tokens_per_batch: int, seed: int, epoch: int
) -> None:
    batches = dataset.plan_batches(lengths, tokens_per_batch, seed, epoch)
    assert sorted(post for batch in batches for post in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[post] for post in batch) <= tokens_per_batch
    assert batches == dataset.plan_batches(lengths, tokens_per_batch, seed, epoch)


def test_epochs_and_seeds_order_the_posts_differently() -> None:
    lengths = [random.Random(0).randint(10, 60) for _ in range(500)]
    plans = [dataset.plan_batches(lengths, 1024, seed, epoch) for seed, epoch in ((0, 1), (0, 2), (1, 1))]
    assert plans[0] != plans[1] != plans[2] != plans[0]


def test_padding_of_lengths_like_those_of_posts_stays_under_a_tenth() -> None:
    draw = random.Random(1)
    lengths = [max(4, int(draw.gauss(34, 15))) for _ in range(700)]
    assert 0 < dataset.padding_ratio(lengths, dataset.plan_batches(lengths, 1024, 0, 1)) < 0.1


def test_padding_ratio_counts_what_is_computed_for_nothing() -> None:
    assert dataset.padding_ratio([2, 4, 3], [[0, 1], [2]]) == pytest.approx(1 - 9 / 11)


def test_a_post_is_bos_text_eos(tokenizer: PreTrainedTokenizerFast) -> None:
    rows, num_cut = dataset.encode(TEXTS, tokenizer, 512)
    assert num_cut == 0
    for row, text in zip(rows, TEXTS, strict=True):
        assert (row[0], row[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert tokenizer.decode(row[1:-1]) == text


def test_a_cut_post_has_no_eos(tokenizer: PreTrainedTokenizerFast) -> None:
    rows, num_cut = dataset.encode(TEXTS, tokenizer, 8)
    assert num_cut == len(TEXTS)
    assert all(len(row) == 8 and row[-1] != tokenizer.eos_token_id for row in rows)


@given(st.text(min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_can_spell_a_special_token(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    (row,), _ = dataset.encode([f"<|endoftext|>{text}<|endoftext|>"], tokenizer, 4096)
    assert tokenizer.eos_token_id not in row[1:-1]


def test_the_saved_tokenizer_still_prepends_bos(
    tokenizer: PreTrainedTokenizerFast, tiny_model: Path, tmp_path: Path
) -> None:
    AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("My dream is")["input_ids"] == tokenizer("My dream is")["input_ids"]
    assert loaded("My dream is")["input_ids"][0] == tokenizer.bos_token_id
    assert loaded.chat_template is None


def test_a_chat_model_loses_its_template(tiny_model: Path) -> None:
    chatty = AutoTokenizer.from_pretrained(tiny_model)
    chatty.chat_template = "{{ messages }}"
    assert dataset.publishable_tokenizer(chatty).chat_template is None


def test_the_mean_loss_is_that_of_each_post_alone(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    rows = dataset.encode(TEXTS, tokenizer, 512).sequences
    with torch.no_grad():
        # transformers' own loss is a mean per sequence: weigh it by the tokens that it predicts.
        alone = [float(model(torch.tensor([row]), labels=torch.tensor([row])).loss) * (len(row) - 1) for row in rows]
    batched = loss.mean_loss(model, rows, tokenizer.pad_token_id, tokens_per_batch=128)
    assert batched == pytest.approx(sum(alone) / loss.num_predicted(rows), rel=1e-6)


def test_an_empty_share_adds_nothing(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    summed = loss.row_losses(model, *loss.collate([], tokenizer.pad_token_id)).sum()
    summed.backward()
    assert summed.item() == 0
    assert all(not parameter.grad.any() for parameter in model.parameters())
