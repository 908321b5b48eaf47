"""The published weights beside their base model: held-out loss, and samples -> evaluation.json."""

import gc
import math
import time
from pathlib import Path
from typing import Any

from hub_publisher import dataset, generation, loss
from hub_publisher.base_model import load_on_device
from hub_publisher.config import Config
from hub_publisher.disk import read_jsonl, stage_fingerprint, write_record
from hub_publisher.records import MODEL_DIR, POSTS, Curation, Evaluation, KeptPost, Metrics, Samples, Training

FIELDS = ("prompts", "num_samples", "seed", "max_post_tokens")
RECORD = "evaluation.json"


def expected_fingerprint(config: Config, curation: Curation, training: Training) -> str:
    """Changes with the weights, the held-out posts, the prompts and the seed."""
    return stage_fingerprint("evaluate", config, FIELDS, curation.posts_sha256, training.weights_sha256)


def evaluate(config: Config, curation: Curation, training: Training, base_path: Path) -> Evaluation:
    """Measure both models on the same held-out posts and let both go on from the same prompts.

    Both read the published tokenizer and compute in the same number format, so that nothing but the weights differs.
    The samples are the first of their seed; none is picked.
    """
    from transformers import AutoTokenizer

    started = time.monotonic()
    model_dir = config.run_dir / MODEL_DIR
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    texts = [post.text for post in read_jsonl(config.run_dir / POSTS, KeptPost) if post.split == "heldout"]
    sampling = training.hyperparameters["sampling"]
    results = [_one_model(config, path, tokenizer, texts, sampling) for path in (model_dir, base_path)]
    (tuned, tuned_samples), (base, base_samples) = results
    evaluation = Evaluation(
        fingerprint=expected_fingerprint(config, curation, training),
        base=base,
        tuned=tuned,
        samples=tuple(
            Samples(prompt=prompt, tuned=tuple(ours), base=tuple(theirs))
            for prompt, ours, theirs in zip(config.prompts, tuned_samples, base_samples, strict=True)
        ),
        sampling=sampling,
        seed=config.seed,
        eval_seconds=time.monotonic() - started,
    )
    write_record(config.run_dir / RECORD, evaluation)
    return evaluation


def _one_model(
    config: Config, path: Path, tokenizer: Any, texts: list[str], sampling: dict[str, Any]
) -> tuple[Metrics, list[list[str]]]:
    """The metrics of the model in `path`, and its continuations of every prompt."""
    model = load_on_device(path, config.dtype)
    metrics = measure(model, tokenizer, texts, config.max_post_tokens, config.tokens_per_batch)
    samples = [
        # A seed for each prompt: with one for all, equal random numbers make the texts echo one another.
        generation.generate(model, tokenizer, prompt, config.num_samples, config.seed + index, sampling)
        for index, prompt in enumerate(config.prompts)
    ]
    del model
    gc.collect()  # the other model should not have to fit beside this one
    return metrics, samples


def measure(model: Any, tokenizer: Any, texts: list[str], max_post_tokens: int, tokens_per_batch: int) -> Metrics:
    """Held-out metrics over `texts`, each alone, BOS to EOS.

    Perplexity is exp of the mean loss per token; bits per byte divides by the UTF-8 bytes of what the model had to
    predict, which makes models with different tokenizers comparable.
    """
    encoded = dataset.encode(texts, tokenizer, dataset.post_limit(max_post_tokens, model.config))
    value = loss.mean_loss(model, encoded.sequences, tokenizer.pad_token_id, tokens_per_batch)
    num_tokens = loss.num_predicted(encoded.sequences)
    decoded = tokenizer.batch_decode(encoded.sequences, skip_special_tokens=True)  # without what was cut off
    num_bytes = sum(len(text.encode()) for text in decoded)
    return Metrics(
        eval_loss=value,
        perplexity=math.exp(value),
        bits_per_byte=value * num_tokens / math.log(2) / num_bytes,
        num_posts=len(texts),
        num_tokens=num_tokens,
        num_bytes=num_bytes,
    )
