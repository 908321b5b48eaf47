"""The published weights beside their base model: held-out loss, copying, and samples -> evaluation.json."""

import gc
import math
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hub_publisher.config import Config
from hub_publisher.errors import UsageError
from hub_publisher.evaluate import bootstrap, memorisation
from hub_publisher.evaluate.memorisation import Text
from hub_publisher.model import dataset, generation
from hub_publisher.model.base_model import load_on_device
from hub_publisher.records import (
    MODEL_DIR,
    POSTS,
    Check,
    Comparison,
    Evaluation,
    Interval,
    KeptPost,
    Memorisation,
    Metrics,
    Samples,
    Training,
)
from hub_publisher.system.bars import hidden, tqdm
from hub_publisher.system.files import read_jsonl
from hub_publisher.text import copying, showing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as FastTokenizer

    from hub_publisher.model.base_model import CausalLM

METHOD = (copying.COPY_WORDS, bootstrap.NUM_RESAMPLES)  # another one gives other figures


class PostLosses(NamedTuple):
    """What one model's losses on the held-out posts are made of: a row for each post, as it was after cutting."""

    nats: np.ndarray  # (N,) float64
    num_tokens: np.ndarray  # (N,) int64, predicted: all but BOS
    num_bytes: np.ndarray  # (N,) int64, UTF-8


def evaluate(config: Config, training: Training, base_path: Path) -> Evaluation:
    """Measure both models on the same held-out posts and let both go on from the same prompts.

    Both read the published tokenizer and compute in the same number format, so that nothing but the weights differs.
    The samples are the first of their seed; none is picked. What text/showing.py does not let pass is withheld.
    """
    from transformers import PreTrainedTokenizerFast

    check_prompts(config)
    started = time.monotonic()
    model_dir = config.run_dir / MODEL_DIR
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model_dir)
    heldout = list(_posts(config, "heldout"))
    sampling = generation.write_settings(model_dir, config, training.max_new_tokens)
    losses, tuned = _one_model(config, model_dir, tokenizer, heldout, sampling, "fine-tuned")
    base_losses, base = _one_model(config, base_path, tokenizer, heldout, sampling, "base")
    tuned_metrics, base_metrics, comparison = compare(losses, base_losses, config.seed)
    samples, check = _shown(config, tuned, base)
    return Evaluation(
        base=base_metrics,
        tuned=tuned_metrics,
        comparison=comparison,
        memorisation=_memorisation(config, tuned, base, heldout),
        samples=samples,
        check=check,
        sampling=sampling,
        seed=config.seed,
        eval_seconds=time.monotonic() - started,
    )


def check_prompts(config: Config) -> None:
    """Raises UsageError for a prompt that repeats a post: the page, the widget and the preview would publish it."""
    if copied := sorted(copying.copies(_posts(config), config.prompts)):
        raise UsageError(
            f"The prompt {copied[0][:100]!r} repeats a post, and no post is published.",
            "Choose another, or only its first words, with --prompts.",
        )


def _posts(config: Config, *splits: str) -> Iterator[str]:
    """The texts of the kept posts, of these splits alone when some are named."""
    return (post.text for post in _kept(config) if post.split in splits or not splits)


def _kept(config: Config) -> Iterator[KeptPost]:
    return read_jsonl(config.run_dir / POSTS, KeptPost)


def _one_model(
    config: Config, path: Path, tokenizer: "FastTokenizer", heldout: list[str], sampling: dict[str, Any], whose: str
) -> tuple[PostLosses, list[list[str]]]:
    """The losses of the model in `path`, and its continuations of every prompt: those shown first, all measured."""
    gc.collect()  # the model before should not have to fit beside this one
    model = load_on_device(path, config.dtype)
    losses = measure(model, tokenizer, heldout, config.max_post_tokens, config.tokens_per_batch)
    num_each = max(config.num_samples, math.ceil(config.num_measured_samples / len(config.prompts)))
    prompts = tqdm(config.prompts, desc=f"Samples of the {whose} model", unit="prompt", disable=hidden())
    return losses, [
        # A seed for each prompt: with one for all, equal random numbers make the texts echo one another.
        generation.generate(model, tokenizer, prompt, num_each, config.seed + index, sampling)
        for index, prompt in enumerate(prompts)
    ]


def measure(
    model: "CausalLM", tokenizer: "FastTokenizer", texts: list[str], max_post_tokens: int, tokens_per_batch: int
) -> PostLosses:
    """The model's loss on each of `texts`, each alone, BOS to EOS, and what to divide it by.

    Bytes are those of what the model had to predict, so without what was cut off.
    """
    from hub_publisher.model.loss import num_predicted, sequence_losses

    rows = dataset.encode(texts, tokenizer, dataset.post_limit(max_post_tokens, model.config)).sequences
    nats = sequence_losses(model, rows, tokenizer.pad_token_id, tokens_per_batch)
    decoded = tokenizer.batch_decode(rows, skip_special_tokens=True)
    return PostLosses(
        nats=nats.cpu().numpy(),
        num_tokens=np.array([num_predicted([row]) for row in rows]),
        num_bytes=np.array([len(text.encode()) for text in decoded]),
    )


def compare(tuned: PostLosses, base: PostLosses, seed: int) -> tuple[Metrics, Metrics, Comparison]:
    """The metrics of the tuned and of the base model, and their difference, over the same posts.

    Perplexity is exp of the mean loss per token; bits per byte divides by bytes, which makes models with different
    tokenizers comparable. The figures are ratios of sums over posts, in every resample of the bootstrap as in the
    whole, and both models meet the same resamples.
    """
    better = tuned.nats - base.nats  # (N,) nats, below 0 where the tuned model is
    posts = np.column_stack([tuned.nats, base.nats, better, tuned.num_tokens, tuned.num_bytes])  # (N, 5) float64
    sums = np.vstack([posts.sum(0), bootstrap.resampled_sums(posts, seed)])  # (1 + R, 5) float64: whole, resamples
    difference = sums[:, 2] / sums[:, 3]  # (1 + R,)
    comparison = Comparison(
        eval_loss_difference=difference[0],
        eval_loss_difference_interval=bootstrap.interval(difference[1:]),
        num_posts_better=int((better < 0).sum()),
        num_resamples=len(sums) - 1,
    )
    return _metrics(sums, 0, len(posts)), _metrics(sums, 1, len(posts)), comparison


def _metrics(sums: np.ndarray, column: int, num_posts: int) -> Metrics:
    """The metrics of the model whose nats are in `column`, from sums over posts as `compare` lays them out."""
    nats, num_tokens, num_bytes = sums[:, column], sums[:, 3], sums[:, 4]
    losses, bits = nats / num_tokens, nats / math.log(2) / num_bytes  # (1 + R,)
    around = bootstrap.interval(losses[1:])
    return Metrics(
        eval_loss=float(losses[0]),
        perplexity=math.exp(losses[0]),
        bits_per_byte=float(bits[0]),
        eval_loss_interval=around,
        perplexity_interval=Interval(low=math.exp(around.low), high=math.exp(around.high)),
        bits_per_byte_interval=bootstrap.interval(bits[1:]),
        num_posts=num_posts,
        num_tokens=int(num_tokens[0]),
        num_bytes=int(num_bytes[0]),
    )


def _memorisation(config: Config, tuned: list[list[str]], base: list[list[str]], heldout: list[str]) -> Memorisation:
    """What the texts of both models, and as many held-out posts, share with the training posts."""
    ours, theirs = _by_turns(config.prompts, tuned), _by_turns(config.prompts, base)
    # No more posts than texts: of more of them the longest copy would be longer by their number alone.
    chosen = random.Random(config.seed).sample(heldout, min(len(ours), len(heldout)))
    return memorisation.statistics(_posts(config, "train"), ours, theirs, chosen)


def _by_turns(prompts: tuple[str, ...], written: list[list[str]]) -> list[Text]:
    """One text of each prompt at a time: where a set is cut to the words of a shorter one, no prompt drops out."""
    return [Text(*pair) for texts in zip(*written, strict=True) for pair in zip(prompts, texts, strict=True)]


def _shown(config: Config, tuned: list[list[str]], base: list[list[str]]) -> tuple[tuple[Samples, ...], Check]:
    """The first samples of every prompt, with None in the place of one that is not to be shown."""
    drawn = [
        (prompt, text)
        for prompt, *written in zip(config.prompts, tuned, base, strict=True)
        for texts in written
        for text in texts[: config.num_samples]
    ]
    checked, check = showing.check([prompt + text for prompt, text in drawn], _kept(config), config.show_all)
    shown = (None if whole is None else text for (_, text), whole in zip(drawn, checked, strict=True))
    return tuple(
        Samples(
            prompt=prompt, tuned=tuple(islice(shown, config.num_samples)), base=tuple(islice(shown, config.num_samples))
        )
        for prompt in config.prompts
    ), check
