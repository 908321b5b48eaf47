"""Kept posts -> token sequences -> the batches of one optimizer step each.

A post is its own sequence, BOS + post + EOS: no post is cut by a block or sees its neighbour, and the model learns
where a post ends. One global batch holds posts of like length, about `tokens_per_batch` tokens together, and does not
depend on how many processes or micro-batches share it, so neither do the weights.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast


class Encoded(NamedTuple):
    """Posts as token ids. `num_cut` of them were longer than allowed and lost their end (and their EOS)."""

    sequences: list[list[int]]
    num_cut: int


def publishable_tokenizer(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerFast":
    """A copy of a fast tokenizer that prepends BOS to every text by itself and has no chat template.

    With it `pipeline(...)(prompt)` conditions the model exactly as training did. Models without BOS use EOS in its
    place, as GPT-2 does; padding is EOS where there is no token for it, and is masked by length, never by id.
    """
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    assert isinstance(tokenizer, PreTrainedTokenizerFast), "the base model has no fast tokenizer"
    eos = tokenizer.eos_token
    bos = tokenizer.bos_token or eos
    backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.no_truncation()
    backend.post_processor = TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.convert_tokens_to_ids(bos))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        pad_token=tokenizer.pad_token or eos,
        unk_token=tokenizer.unk_token,
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
    )


def encode(texts: Sequence[str], tokenizer: "PreTrainedTokenizerFast", max_post_tokens: int) -> Encoded:
    """BOS + text + EOS for each text, from a tokenizer that `publishable_tokenizer` made.

    A post of more than `max_post_tokens` tokens is cut and gets no EOS, so that cutting is not learned as an ending.
    What looks like a special token inside a text is encoded as the plain characters it is.
    """
    eos = tokenizer.eos_token_id
    rows = [[*row, eos] for row in tokenizer(list(texts), split_special_tokens=True)["input_ids"]] if texts else []
    return Encoded([row[:max_post_tokens] for row in rows], sum(len(row) > max_post_tokens for row in rows))


def post_limit(max_post_tokens: int, model_config: "PreTrainedConfig") -> int:
    """Tokens a post may have: what was asked for, or the model's context where that is shorter."""
    return min(max_post_tokens, getattr(model_config, "max_position_embeddings", None) or max_post_tokens)


def plan_batches(lengths: Sequence[int], tokens_per_batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the posts of each global batch of one epoch, in training order.

    Batches hold posts of like length, so that B x T stays within `tokens_per_batch` with little padding; which posts of
    equal length meet, and the order of the batches, are drawn from (seed, epoch). Every post is in exactly one batch.
    """
    draw = random.Random(f"{seed}/{epoch}")
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], draw.random()))
    batches: list[list[int]] = []
    for index in order:
        # Sorted by length: this post is the longest of its batch, so the batch would be this many tokens wide.
        if batches and (len(batches[-1]) + 1) * lengths[index] <= tokens_per_batch:
            batches[-1].append(index)
        else:
            batches.append([index])
    draw.shuffle(batches)
    return batches


def padding_ratio(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Padding / all tokens that the batches compute, from 0 to 1."""
    widths = [[lengths[index] for index in batch] for batch in batches]
    return 1 - sum(map(sum, widths)) / sum(len(row) * max(row) for row in widths)
