"""The numbers of an evaluation against their definitions, the one place that samples, and a whole evaluation."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hub_publisher import evaluate
from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.evaluate import bootstrap
from hub_publisher.model import dataset, generation, loss
from hub_publisher.model.base_model import load_model
from hub_publisher.records import POSTS, Check, Curation, Evaluation, Interval, KeptPost, Metrics, Samples, Training
from hub_publisher.system.files import read_jsonl, sha256_of, write_jsonl
from hub_publisher.text.copying import COPY_WORDS, copies
from tests.helpers import card_records
from tests.helpers.tiny import TEXTS

SETTINGS = generation.sampling_settings(Config(handle="x"), 24)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerFast:
    return dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(tiny_model))


def metrics_of(losses: evaluate.PostLosses, seed: int = 0) -> Metrics:
    return evaluate.compare(losses, losses, seed)[0]


def test_perplexity_and_bits_per_byte_follow_from_the_loss(
    tiny_model: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    metrics = metrics_of(evaluate.measure(load_model(tiny_model, "float32"), tokenizer, TEXTS, 512, 1024))
    assert metrics.num_posts == len(TEXTS)
    assert metrics.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert metrics.num_tokens == sum(len(tokenizer(text)["input_ids"]) for text in TEXTS)  # without BOS, with EOS
    assert metrics.perplexity == pytest.approx(math.exp(metrics.eval_loss))
    nats = metrics.eval_loss * metrics.num_tokens
    assert metrics.bits_per_byte == pytest.approx(nats / math.log(2) / metrics.num_bytes)


def test_the_losses_are_those_of_each_post_alone(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny_model, "float32")
    losses = evaluate.measure(model, tokenizer, TEXTS, 512, 64)
    for text, nats, num_tokens in zip(TEXTS, losses.nats, losses.num_tokens, strict=True):
        row = torch.tensor(dataset.encode([text], tokenizer, 512).sequences)
        with torch.no_grad():
            alone = float(model(row, labels=row).loss)  # transformers' own, a mean
        assert nats / num_tokens == pytest.approx(alone, rel=1e-5)
    encoded = dataset.encode(TEXTS, tokenizer, 512).sequences
    mean = loss.mean_loss(model, encoded, tokenizer.pad_token_id, 64)
    assert mean == pytest.approx(losses.nats.sum() / losses.num_tokens.sum(), rel=1e-12)


def test_a_uniform_model_has_the_vocabulary_as_its_perplexity(
    tiny_model: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = load_model(tiny_model, "float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    metrics = metrics_of(evaluate.measure(model, tokenizer, TEXTS, 512, 1024))
    assert metrics.perplexity == pytest.approx(model.config.vocab_size, rel=1e-4)
    # Every token costs the same, so other posts would give the same loss, but not the same bits for each byte.
    assert metrics.eval_loss_interval.high - metrics.eval_loss_interval.low < 1e-5
    assert metrics.bits_per_byte_interval.high - metrics.bits_per_byte_interval.low > 0.1


def test_texts_beyond_the_context_are_cut_to_it(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    losses = evaluate.measure(load_model(tiny_model, "float32"), tokenizer, ["fog " * 900], 5000, 1024)
    assert losses.num_tokens.tolist() == [255] and losses.num_bytes[0] < 900 * 4


def some_losses(num_posts: int, nats_per_token: float, seed: int = 0) -> evaluate.PostLosses:
    """Posts of one set, whatever the model."""
    num_tokens = np.random.default_rng(5).integers(3, 40, size=num_posts)
    nats = num_tokens * np.random.default_rng(seed).normal(nats_per_token, 0.4, size=num_posts)
    return evaluate.PostLosses(nats, num_tokens, num_tokens * 4)


def test_a_model_does_not_differ_from_itself() -> None:
    losses = some_losses(60, 4.0)
    tuned, base, comparison = evaluate.compare(losses, losses, seed=3)
    assert tuned == base
    assert comparison.eval_loss_difference == 0 and comparison.num_posts_better == 0
    assert comparison.eval_loss_difference_interval == Interval(low=0, high=0)


def test_the_comparison_is_paired() -> None:
    """Posts that differ widely, and one model better by the same on each: that it is better is all but certain."""
    base = some_losses(40, 4.0)
    tuned, _, comparison = evaluate.compare(base._replace(nats=base.nats - 0.1 * base.num_tokens), base, seed=0)
    assert comparison.eval_loss_difference == pytest.approx(-0.1)
    bounds = comparison.eval_loss_difference_interval
    assert bounds.low == pytest.approx(-0.1) and bounds.high == pytest.approx(-0.1)
    assert tuned.eval_loss_interval.high - tuned.eval_loss_interval.low > 0.1
    assert (comparison.num_posts_better, comparison.num_resamples) == (40, bootstrap.NUM_RESAMPLES)


def test_intervals_are_those_of_the_same_resamples_for_every_figure() -> None:
    tuned, base = some_losses(30, 3.0, seed=1), some_losses(30, 4.0, seed=2)
    ours, theirs, comparison = evaluate.compare(tuned, base, seed=9)
    draw = np.random.default_rng(9)
    rows = []
    for _ in range(bootstrap.NUM_RESAMPLES):
        chosen = draw.integers(30, size=30)
        num_tokens, num_bytes = tuned.num_tokens[chosen].sum(), tuned.num_bytes[chosen].sum()
        ours_nats, base_nats = tuned.nats[chosen].sum(), base.nats[chosen].sum()
        rows.append(
            [ours_nats / num_tokens, base_nats / num_tokens, (ours_nats - base_nats) / num_tokens,
             ours_nats / math.log(2) / num_bytes]
        )  # fmt: skip
    found = [
        ours.eval_loss_interval,
        theirs.eval_loss_interval,
        comparison.eval_loss_difference_interval,
        ours.bits_per_byte_interval,
    ]
    expected = np.percentile(np.array(rows), [2.5, 97.5], axis=0).T
    np.testing.assert_allclose([[bounds.low, bounds.high] for bounds in found], expected, rtol=1e-9)
    assert ours.perplexity_interval.low == math.exp(ours.eval_loss_interval.low)
    assert ours.perplexity_interval.high == math.exp(ours.eval_loss_interval.high)
    assert evaluate.compare(tuned, base, seed=9) == (ours, theirs, comparison)
    assert evaluate.compare(tuned, base, seed=8)[2] != comparison


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 1000), st.integers(1, 500), st.integers(1, 2000), st.integers(0, 2**32 - 1))
def test_the_interval_of_one_post_is_its_own_figure(nats: float, num_tokens: int, num_bytes: int, seed: int) -> None:
    post = evaluate.PostLosses(np.array([min(nats, 20.0 * num_tokens)]), np.array([num_tokens]), np.array([num_bytes]))
    metrics = evaluate.compare(post, post, seed)[0]
    for name in ("eval_loss", "perplexity", "bits_per_byte"):
        figure = getattr(metrics, name)
        assert getattr(metrics, f"{name}_interval") == Interval(low=figure, high=figure)


def test_one_seed_gives_one_set_of_texts(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny_model, "float32")
    first, again, other = (
        generation.generate(model, tokenizer, "My dream is", 3, seed, SETTINGS) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 3


def test_the_prompt_is_left_out_and_special_tokens_too(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    for text in generation.generate(load_model(tiny_model, "float32"), tokenizer, "My dream is", 5, 0, SETTINGS):
        assert not text.startswith("My dream is") and "<|endoftext|>" not in text


def test_generation_stops_at_eos(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = load_model(tiny_model, "float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.transformer.wte.weight[tokenizer.eos_token_id] = 1.0  # EOS is now what always comes next
    assert generation.generate(model, tokenizer, "My dream is", 2, 0, SETTINGS) == ["", ""]


@pytest.mark.parametrize(("lengths", "expected"), [([20] * 100, 32), ([5], 16), ([500] * 9, 128),
                                                   ([30] * 99 + [90], 96), ([33] * 500 + [400], 48)])  # fmt: skip
def test_room_for_99_of_100_posts(lengths: list[int], expected: int) -> None:
    assert generation.fitting_max_new_tokens(lengths) == expected


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert generation.generate_from(tmp_path, "x", 1, 0) is None


def test_more_samples_than_are_drawn_at_once(tiny_model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model, num_rows = load_model(tiny_model, "float32"), generation.MAX_ROWS
    all_at_once = generation.generate(model, tokenizer, "My dream is", num_rows, 1, SETTINGS)
    more = generation.generate(model, tokenizer, "My dream is", num_rows + 3, 1, SETTINGS)
    assert len(more) == num_rows + 3 and more[:num_rows] == all_at_once
    assert more[num_rows:] != more[:3]  # drawn on, not drawn again


PROMPTS = ("Fog again", "Three ships", "The gulls")
HELDOUT = ["Nobody saw the harbour master smile.", "Tea at four, and the log up to date.", "Wind from the north."]


def recite(base: Path, target: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Save the base model after so many steps on TEXTS that it knows them by heart."""
    torch.manual_seed(0)
    model = load_model(base, "float32").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    sequences = dataset.encode(TEXTS, tokenizer, 512).sequences
    input_ids, labels = loss.collate(sequences, tokenizer.pad_token_id)
    for _ in range(80):
        (loss.row_losses(model, input_ids, labels).sum() / loss.num_predicted(sequences)).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def publication(folder: Path, base: Path, tokenizer: PreTrainedTokenizerFast) -> tuple[Config, Curation, Training]:
    """A model that learned the tiny model's texts by heart, and the posts that go with it."""
    config = Config(handle="tiny", runs_dir=folder, prompts=PROMPTS, num_samples=2, num_measured_samples=20,
                    dtype="float32")  # fmt: skip
    recite(base, config.run_dir / "model", tokenizer)
    curation = with_posts(config, HELDOUT)
    return config, curation, card_records.training(max_new_tokens=32)


def with_posts(config: Config, heldout: list[str]) -> Curation:
    kept = [KeptPost(id=f"t{number}", text=text) for number, text in enumerate(TEXTS)]
    kept += [KeptPost(id=f"h{number}", text=text, split="heldout") for number, text in enumerate(heldout)]
    write_jsonl(config.run_dir / POSTS, kept)
    return card_records.curation(config.run_dir / "unused", posts_sha256=sha256_of(config.run_dir / POSTS))


def test_a_model_that_recites_is_caught(
    tiny_model: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config, _, training = publication(tmp_path, tiny_model, tokenizer)
    capfd.readouterr()
    found = evaluate.evaluate(config, training, tiny_model)
    assert capfd.readouterr().err == ""  # no terminal, no progress bar

    measured = found.memorisation
    assert measured.copy_words == COPY_WORDS
    assert (measured.tuned.num_texts, measured.base.num_texts, measured.heldout.num_texts) == (21, 21, 3)
    assert measured.tuned.num_copied > 10 and measured.base.num_copied == measured.heldout.num_copied == 0
    assert measured.excess == measured.tuned.num_copied / 21
    assert measured.tuned.longest_copy >= COPY_WORDS > measured.base.longest_copy
    assert measured.tuned.novelty[3] < 0.5 < measured.base.novelty[3] and measured.heldout.novelty[3] == 1
    assert measured.num_words == sum(len(post.split()) for post in HELDOUT)

    assert found.check
    withheld = [text for group in found.samples for text in (*group.tuned, *group.base)].count(None)
    assert sum(found.check.found.values()) == found.check.found["copies"] == withheld > 0
    assert [group.prompt for group in found.samples] == list(PROMPTS)
    shown = [text for group in found.samples for text in group.tuned]
    assert {len(group.tuned) for group in found.samples} == {len(group.base) for group in found.samples} == {2}
    assert None in shown and None not in [text for group in found.samples for text in group.base]
    content = found.model_dump_json()
    assert "kettle is on" not in content and "before breakfast, and all" not in content

    assert found.base.num_posts == found.tuned.num_posts == 3
    bounds = found.tuned.eval_loss_interval
    assert bounds.low <= found.tuned.eval_loss <= bounds.high
    difference = found.tuned.eval_loss - found.base.eval_loss
    assert found.comparison.eval_loss_difference == pytest.approx(difference)

    model, sampling = load_model(tiny_model, "float32"), generation.sampling_settings(config, 32)
    losses = evaluate.measure(model, tokenizer, HELDOUT, config.max_post_tokens, config.tokens_per_batch)
    assert found.base == metrics_of(losses, config.seed) != found.tuned
    for index, group in enumerate(found.samples):  # what the seed says, none picked
        drawn = generation.generate(model, tokenizer, group.prompt, 7, config.seed + index, sampling)
        assert list(group.base) == drawn[:2]
    check_heldout_copies_are_withheld(config, training, tiny_model, found)


def check_heldout_copies_are_withheld(config: Config, training: Training, base: Path, before: Evaluation) -> None:
    """Let a held-out post be what the base model is known to write: shown no more, though no training post has it."""
    group = before.samples[0]
    with_posts(config, [group.prompt + str(group.base[0])])
    # Fewer to measure than to show: as many are drawn as are shown, here the same seven of each prompt as before.
    all_shown = replace(config, num_samples=7, num_measured_samples=1)
    after = evaluate.evaluate(all_shown, training, base)
    assert after.memorisation.base.num_texts == 21
    assert after.samples[0].base[:2] == (None, group.base[1])
    assert [shown.tuned[:2] for shown in after.samples] == [shown.tuned for shown in before.samples]
    assert after.memorisation.base.num_copied == 0
    posts = [post.text for post in read_jsonl(config.run_dir / POSTS, KeptPost)]
    shown = [(group.prompt, text) for group in after.samples for text in (*group.tuned, *group.base)]
    assert not copies(posts, [prompt + text for prompt, text in shown if text is not None])
    assert after.tuned.eval_loss_interval == Interval(low=after.tuned.eval_loss, high=after.tuned.eval_loss)


def test_sets_are_cut_without_losing_a_prompt() -> None:
    """The texts of a set stand in turns, so that the first words of it are from every prompt."""
    assert evaluate._by_turns(("a", "b"), [[" 1", " 2"], [" 3", " 4"]]) == [
        ("a", " 1"), ("b", " 3"), ("a", " 2"), ("b", " 4"),
    ]  # fmt: skip


def test_a_prompt_that_repeats_a_post_is_refused(tmp_path: Path) -> None:
    with_posts(Config(handle="x", runs_dir=tmp_path), HELDOUT)
    with pytest.raises(UsageError) as caught:
        evaluate.check_prompts(Config(handle="x", runs_dir=tmp_path, prompts=(HELDOUT[0],)))
    assert caught.value.message == f"The prompt {HELDOUT[0][:100]!r} repeats a post, and no post is published."
    assert caught.value.remedy == "Choose another, or only its first words, with --prompts."


DRAWN = [[" keeps a list", " ass", " mails keeper@lamp.example"], [" is lit", " is out", " is shit"]]


def checked(folder: Path, **settings: bool) -> tuple[Config, tuple[Samples, ...], Check]:
    """What is shown of samples drawn by hand, two of each prompt."""
    config = Config(handle="x", runs_dir=folder, prompts=("The keeper", "The lamp"), num_samples=2, **settings)
    with_posts(config, HELDOUT)
    return config, *evaluate._shown(config, DRAWN, [[f"{text} again" for text in drawn] for drawn in DRAWN])


def test_words_on_the_list_are_withheld_of_both_models(tmp_path: Path) -> None:
    _, shown, check = checked(tmp_path)
    assert [group.tuned for group in shown] == [(" keeps a list", None), (" is lit", " is out")]
    assert [group.base for group in shown] == [(" keeps a list again", None), (" is lit again", " is out again")]
    assert check.found == {"copies": 0, "language": 2, "personal_data": 0}  # of those to be shown; the rest only counts


def test_show_all_shows_them_and_measures_the_same(tmp_path: Path) -> None:
    config, shown, check = checked(tmp_path, show_all=True)
    assert [group.tuned for group in shown] == [(" keeps a list", " ass"), (" is lit", " is out")]
    assert check.show_all and check.found["language"] == 2
    some = replace(config, show_all=False)
    measured = [evaluate._memorisation(each, DRAWN, DRAWN, HELDOUT) for each in (config, some)]
    assert measured[0] == measured[1] and measured[0].tuned.num_texts == 6
