"""Prompt -> continuations: the one place that samples. evaluate, the command line and the tests call it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.model.base_model import load_on_device
from hub_publisher.system.files import write_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as FastTokenizer

    from hub_publisher.model.base_model import CausalLM

SETTINGS_FILE = "generation_config.json"
MAX_ROWS = 32  # drawn at once: more gain little speed and take memory that a large model may not leave


def sampling_settings(config: Config, max_new_tokens: int) -> dict[str, Any]:
    """The sampling settings of a publication, as generation_config.json and the card state them.

    top_k is 0 (off) because transformers would otherwise add its own default of 50 to a card that says top_p alone.
    """
    asked = {"temperature": config.temperature, "top_p": config.top_p}
    return {"do_sample": True, **asked, "top_k": 0, "max_new_tokens": max_new_tokens}


def write_settings(model_dir: Path, config: Config, max_new_tokens: int) -> dict[str, Any]:
    """Write generation_config.json beside a published model and its tokenizer, whole or not at all.

    Returns the sampling settings; the file holds the ids of the special tokens too. Loads no torch.
    """
    from tokenizers import Tokenizer

    settings = sampling_settings(config, max_new_tokens)
    names = json.loads((model_dir / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    ids = {f"{kind}_token_id": tokenizer.token_to_id(names[f"{kind}_token"]) for kind in ("bos", "eos", "pad")}
    content = json.dumps({**settings, **ids}, indent=2, sort_keys=True)
    write_bytes(model_dir / SETTINGS_FILE, f"{content}\n".encode())
    return settings


def fitting_max_new_tokens(lengths: Sequence[int]) -> int:
    """Tokens that 99 % of the posts fit in, rounded up to a multiple of 16, from 16 to 128."""
    longest = sorted(lengths)[int(len(lengths) * 0.99)]
    return min(max(-(-longest // 16) * 16, 16), 128)


def generate(
    model: "CausalLM", tokenizer: "FastTokenizer", prompt: str, num_samples: int, seed: int, settings: dict[str, Any]
) -> list[str]:
    """`num_samples` continuations of `prompt`, without the prompt, drawn with exactly this seed.

    The prompt is encoded by the tokenizer as it is (so with BOS in front when the tokenizer adds it), generation
    stops at EOS and the special tokens are left out of the text.
    """
    import torch
    from transformers import GenerationConfig

    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)  # (1, T) int64
    start = tokenizer.batch_decode(inputs["input_ids"], skip_special_tokens=True)[0]
    texts: list[str] = []
    torch.manual_seed(seed)
    while len(texts) < num_samples:
        output = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            generation_config=GenerationConfig(
                **settings,
                num_return_sequences=min(num_samples - len(texts), MAX_ROWS),
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            ),
        )  # (rows, T + new) int64
        texts += [text[len(start) :] for text in tokenizer.batch_decode(output, skip_special_tokens=True)]
    return texts


def generate_from(
    model_dir: Path,
    prompt: str,
    num_samples: int,
    seed: int,
    temperature: float | None = None,
    top_p: float | None = None,
) -> list[str] | None:
    """`num_samples` continuations by the published model in a folder, sampled as its generation_config.json says.

    A `temperature` or `top_p` takes the place of what stands there. None when the folder holds no model.
    """
    from transformers import PreTrainedTokenizerFast

    if not (model_dir / SETTINGS_FILE).exists():
        return None
    saved = json.loads((model_dir / SETTINGS_FILE).read_text(encoding="utf-8"))
    settings = {name: value for name, value in saved.items() if not name.endswith("_token_id")}
    settings |= {name: value for name, value in (("temperature", temperature), ("top_p", top_p)) if value is not None}
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model_dir)
    return generate(load_on_device(model_dir, "bfloat16"), tokenizer, prompt, num_samples, seed, settings)
