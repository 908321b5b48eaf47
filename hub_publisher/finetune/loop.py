"""The training loop, as one process of it sees it: posts.jsonl and a request -> model/ and training.json.

The same code runs on one CPU process, several, and one or many GPUs; only process 0 writes files.
"""

import contextlib
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hub_publisher import dataset, loss
from hub_publisher.base_model import load_model, quiet_transformers
from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, read_jsonl
from hub_publisher.energy import RAPL, counters_for
from hub_publisher.finetune.checkpoints import Checkpointer, EnergyLedger, Progress, TrainingLog, resume
from hub_publisher.finetune.published import finish, save_best
from hub_publisher.records import POSTS, EpochEval, KeptPost, LogPoint


@dataclass
class Run:
    """Everything one training process holds: what to do, the posts, the model and how far it is."""

    config: Config
    run_dir: Path
    accelerator: Any
    tokenizer: Any  # as it will be published
    train: dataset.Encoded
    heldout: dataset.Encoded
    model: Any
    optimizer: Any
    plan: list[list[list[int]]]  # [epoch - 1][step in the epoch] -> posts of the global batch
    progress: Progress

    @property
    def num_steps(self) -> int:
        """Optimizer steps of all epochs together."""
        return sum(map(len, self.plan))


def train(run_dir: Path, request: dict[str, Any], rapl: Path = RAPL) -> None:
    """Run the request to its end, from its last checkpoint if there is one; process 0 writes the record last.

    `rapl` is where the processors' energy counters are.
    """
    run = _set_up(run_dir, request)
    progress = run.progress
    checkpointer = Checkpointer(run.accelerator, run_dir, progress, run.config.checkpoint_seconds)
    log = TrainingLog(run_dir, progress, run.accelerator.is_main_process)
    counters = counters_for(run.accelerator, rapl)
    energy = EnergyLedger(run_dir, progress, counters, run.accelerator.is_main_process)
    clock = time.monotonic() - progress.seconds
    if not progress.evals:  # also shows that evaluation works before hours of training depend on it
        progress.evals.append(_evaluate(run, epoch=0))
        log.add(progress.evals[0])
    with _bar(run) as bar:
        for epoch, index, batch in _remaining(run):
            point = _step(run, epoch, index, batch)
            progress.seconds = time.monotonic() - clock
            log.add(point)
            bar.set_postfix_str(f"loss {point.loss:.3f}, {progress.num_tokens / progress.seconds:.0f} tokens/s")
            bar.update()
            if index + 1 == len(run.plan[epoch - 1]):
                progress.evals.append(_evaluate(run, epoch))
                log.add(progress.evals[-1])
                if progress.newest_is_best:
                    save_best(run)
                progress.stopped_early = not progress.newest_is_best and progress.step < run.num_steps
                if progress.stopped_early:
                    break  # it got worse: the best weights are on disk, more passes would only memorise
            if progress.step < run.num_steps:
                checkpointer.save_if_due()
    finish(run, request, energy)
    # Were one to fail while it ends, its launcher would end process 0 too, which may still be writing the model.
    run.accelerator.wait_for_everyone()
    run.accelerator.end_training()


def _set_up(run_dir: Path, request: dict[str, Any]) -> Run:
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed
    from transformers import AutoTokenizer

    quiet_transformers()
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # it warns of shared tensors, which are meant to be
    config, base_path = Config(**request["config"]), Path(request["base_path"])
    accelerator = Accelerator()
    set_seed(config.seed, device_specific=True)
    tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(base_path))
    model = load_model(base_path, "float32").train()
    model.config.use_cache = False
    posts = list(read_jsonl(run_dir / POSTS, KeptPost))
    limit = dataset.post_limit(config.max_post_tokens, model.config)
    train, heldout = (
        dataset.encode([post.text for post in posts if post.split == split], tokenizer, limit)
        for split in ("train", "heldout")
    )
    lengths = [len(row) for row in train.sequences]
    epochs = range(1, config.num_epochs + 1)
    plan = [dataset.plan_batches(lengths, config.tokens_per_batch, config.seed, epoch) for epoch in epochs]
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    model, optimizer = accelerator.prepare(model, optimizer)
    # The base counts here: one that stood in for another yesterday must not be gone on from with the real one today.
    progress = resume(accelerator, run_dir, fingerprint(request["fingerprint"], request["base_record"]))
    return Run(config, run_dir, accelerator, tokenizer, train, heldout, model, optimizer, plan, progress)


def _step(run: Run, epoch: int, index: int, batch: list[int]) -> LogPoint:
    """One optimizer step on one global batch, and its line in the log.

    Each micro-batch adds its summed loss over the number of tokens in the whole global batch, so the gradient is that
    of the mean over all of them, however they are shared out. DDP averages over processes, hence the factor.
    """
    started = time.monotonic()
    accelerator, config, progress = run.accelerator, run.config, run.progress
    rate = learning_rate_at(progress.step, run.num_steps, config)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    sequences = [run.train.sequences[post] for post in batch]
    total = loss.num_predicted(sequences)
    steps, world = config.gradient_accumulation_steps, accelerator.num_processes
    summed = 0.0
    for step in range(steps):
        share = dataset.share_of(sequences, step * world + accelerator.process_index, steps * world)
        input_ids, labels = loss.collate(share, run.tokenizer.pad_token_id)  # (B, T) int64
        with contextlib.nullcontext() if step + 1 == steps else accelerator.no_sync(run.model):
            micro = loss.summed_loss(run.model, input_ids.to(accelerator.device), labels.to(accelerator.device))
            accelerator.backward(micro * (world / total))
        summed = summed + micro.detach()
    norm = accelerator.clip_grad_norm_(run.model.parameters(), config.max_grad_norm)
    run.optimizer.step()
    run.optimizer.zero_grad()
    mean = float(accelerator.reduce(summed, "sum") / total)
    num_tokens = sum(map(len, sequences))
    progress.step += 1
    progress.num_tokens += num_tokens
    return LogPoint(
        step=progress.step,
        epoch=epoch - 1 + (index + 1) / len(run.plan[epoch - 1]),
        loss=mean,
        learning_rate=rate,
        grad_norm=float(norm),
        num_tokens=progress.num_tokens,
        tokens_per_second=num_tokens / (time.monotonic() - started),
    )


def learning_rate_at(step: int, num_steps: int, config: Config) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov and Hutter, 2017). `step` counts from 0."""
    warmup = math.ceil(config.warmup_ratio * num_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(num_steps - warmup, 1)))


def _remaining(run: Run) -> list[tuple[int, int, list[int]]]:
    """(epoch from 1, index in the epoch, global batch) of the steps that are still to do."""
    steps = [(epoch, index, batch) for epoch, batches in enumerate(run.plan, 1) for index, batch in enumerate(batches)]
    return steps[run.progress.step :]


def _evaluate(run: Run, epoch: int) -> EpochEval:
    """The held-out loss now."""
    value = loss.mean_loss(
        run.model, run.heldout.sequences, run.tokenizer.pad_token_id, run.config.tokens_per_batch, run.accelerator
    )
    return EpochEval(epoch=epoch, step=run.progress.step, eval_loss=value)


def _bar(run: Run) -> tqdm:
    # disable=None: quiet where nobody looks, that is where stderr is not a terminal.
    disable = None if run.accelerator.is_main_process else True
    return tqdm(total=run.num_steps, initial=run.progress.step, desc="Fine-tuning", unit="step", disable=disable)
