"""A real, if hopeless, causal LM: a two-layer GPT-2 with a byte-level BPE of its own, made in a second."""

from pathlib import Path

TEXTS = [
    "The lamp is lit and the kettle is on.",
    "Fog again. The gulls walk, as they do when they cannot see the point of flying.",
    "Three ships passed before breakfast, and all of them waved.",
    "My dream is a quiet night with a clean lens.",
    "The barometer fell; so did I, on the third stair.",
]


def make_tiny_model(path: Path, n_embd: int = 32) -> Path:
    """Save the model and its tokenizer under `path`, as `save_pretrained` does, and return `path`."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(TEXTS, vocab_size=400, special_tokens=["<|endoftext|>"])
    path.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(path))
    tokenizer = GPT2TokenizerFast.from_pretrained(path)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    settings = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=n_embd,
        n_layer=2,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    GPT2LMHeadModel(settings).save_pretrained(path)
    return path
