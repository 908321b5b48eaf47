"""Our training recipe beside huggingtweets' own, on the same posts, base model and machine, in one run.

    python tests/benchmarks/bench_finetune.py [--posts 770] [--from posts.json] [--epochs 1]

huggingtweets' recipe, as its notebook has it: every post joined with EOS into one text, cut into blocks of 1,024
tokens, batch 1, learning rate 1.372e-4 with a cosine and no warm-up. Both start from the bundled base model with the
same held-out posts; the loss is the mean over those posts, each alone, BOS to EOS. Read the ratios, not the seconds.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hub_publisher import curate, finetune, sources
from hub_publisher.config import Config
from hub_publisher.model import base_model, dataset, loss
from hub_publisher.records import POSTS, KeptPost
from hub_publisher.system.files import read_jsonl

BLOCK_SIZE = 1024
THEIR_RATE = 1.372e-4


def theirs(base: Path, train: list[list[int]], heldout: list[list[int]], pad_id: int, num_epochs: int) -> dict:
    """Train as huggingtweets does; seconds count training alone."""
    torch.manual_seed(42)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).train()
    joined = [token for row in train for token in row[1:]]  # no BOS: posts are told apart by EOS
    blocks = [joined[at : at + BLOCK_SIZE] for at in range(0, len(joined) - BLOCK_SIZE + 1, BLOCK_SIZE)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=THEIR_RATE)
    num_steps, step, started = num_epochs * len(blocks), 0, time.monotonic()
    for _ in range(num_epochs):
        for block in torch.randperm(len(blocks)).tolist():
            for group in optimizer.param_groups:
                group["lr"] = THEIR_RATE * 0.5 * (1 + math.cos(math.pi * step / num_steps))
            ids = torch.tensor([blocks[block]])  # (1, 1024) int64
            model(input_ids=ids, labels=ids).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    seconds = time.monotonic() - started
    return {"loss": loss.mean_loss(model, heldout, pad_id, BLOCK_SIZE), "seconds": seconds,
            "tokens_per_second": num_steps * BLOCK_SIZE / seconds}  # fmt: skip


def main() -> None:
    """Print both recipes' held-out loss, seconds and tokens per second, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="from_path", type=Path, help="posts to train on [default: the bundled sample]")
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            handle="bench" if arguments.from_path else "lampkeeper_bot", from_path=arguments.from_path,
            runs_dir=Path(folder), base_model="smollm2-135m", num_epochs=arguments.epochs, checkpoint_seconds=1e9,
        )  # fmt: skip
        curation = curate.curate(config, sources.fetch(config))
        base = base_model.resolve(config, may_substitute=False)
        training = finetune.finetune(config, curation, base)
        tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(base.path))
        posts = list(read_jsonl(config.run_dir / POSTS, KeptPost))
        rows = {
            split: dataset.encode([p.text for p in posts if p.split == split], tokenizer, 512).sequences
            for split in ("train", "heldout")
        }
        peer = theirs(base.path, rows["train"], rows["heldout"], tokenizer.pad_token_id, arguments.epochs)
        ours = {
            "loss": min(point.eval_loss for point in training.evals[1:]), "seconds": training.train_seconds,
            "tokens_per_second": training.log[-1].num_tokens / training.train_seconds,
        }  # fmt: skip
    print(f"{curation.num_train} posts, base model at {training.evals[0].eval_loss:.3f}, {training.hardware}")
    print(f"{'':22}{'ours':>10}{'huggingtweets':>16}{'ratio':>8}")
    for name in ours:
        print(f"{name:22}{ours[name]:>10.3f}{peer[name]:>16.3f}{ours[name] / peer[name]:>8.2f}")


if __name__ == "__main__":
    main()
