"""The training loop, as one process of it sees it: posts.jsonl and a request -> model/ and a record.

The same code runs on one CPU process, several, and one or many GPUs; only process 0 writes files.
"""

import contextlib
import logging
import math
import time

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from transformers import AutoTokenizer

from hub_publisher.config import Config
from hub_publisher.finetune.checkpoints import Checkpointer, TrainingLog, resume
from hub_publisher.finetune.energy import Meter, counters_for
from hub_publisher.finetune.export import export, save_best
from hub_publisher.finetune.run import Request, Run
from hub_publisher.model import dataset, loss
from hub_publisher.model.base_model import load_model
from hub_publisher.records import POSTS, EpochEval, KeptPost, LogPoint
from hub_publisher.system.bars import hidden, tqdm
from hub_publisher.system.files import read_jsonl


def train(request: Request) -> None:
    """Run the request to its end, from its last checkpoint if there is one; process 0 writes the record last."""
    run = _set_up(request)
    # What a killed process spent, nobody read: a training that goes on from a checkpoint is not measured.
    counters = () if run.progress.evals else counters_for(run.accelerator)
    meter = Meter(counters)
    _run_epochs(run)
    export(run, meter.stop(), ", ".join(dict.fromkeys(counter.source for counter in counters)))
    # Were one to fail while it ends, its launcher would end process 0 too, which may still be writing the model.
    run.accelerator.wait_for_everyone()
    run.accelerator.end_training()


def _set_up(request: Request) -> Run:
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # it warns of shared tensors, which are meant to be
    config, base_path = request.config, request.base.path
    accelerator = Accelerator()
    set_seed(config.seed, device_specific=True)
    model = load_model(base_path, "float32").train()
    tokenizer = dataset.publishable_tokenizer(AutoTokenizer.from_pretrained(base_path))
    model.config.use_cache = False
    posts = list(read_jsonl(config.run_dir / POSTS, KeptPost))
    limit = dataset.post_limit(config.max_post_tokens, model.config)
    train, heldout = (
        dataset.encode([post.text for post in posts if post.split == split], tokenizer, limit)
        for split in ("train", "heldout")
    )
    lengths = [len(row) for row in train.sequences]
    steps: list[tuple[float, list[int]]] = []
    for epoch in range(config.num_epochs):
        batches = dataset.plan_batches(lengths, config.tokens_per_batch, config.seed, epoch + 1)
        steps += [(epoch + number / len(batches), batch) for number, batch in enumerate(batches, 1)]
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    model, optimizer = accelerator.prepare(model, optimizer)
    progress = resume(accelerator, config.run_dir, request.key)
    return Run(request, accelerator, tokenizer, train, heldout, model, optimizer, steps, progress)


def _run_epochs(run: Run) -> None:
    """All optimizer steps that are still to do, each epoch's evaluation, checkpoints in between."""
    progress, accelerator, run_dir = run.progress, run.accelerator, run.config.run_dir
    log = TrainingLog(run_dir, progress, accelerator.is_main_process)
    checkpointer = Checkpointer(accelerator, run_dir, run.config.checkpoint_seconds)
    clock = time.monotonic() - progress.seconds
    if not progress.evals:  # also shows that evaluation works before hours of training depend on it
        _end_epoch(run, log, epoch=0)
    disable = hidden() if accelerator.is_main_process else True
    with tqdm(total=len(run.steps), initial=progress.step, desc="Fine-tuning", unit="step", disable=disable) as bar:
        for epoch, batch in run.steps[progress.step :]:
            point = _step(run, epoch, batch)
            progress.seconds = time.monotonic() - clock
            log.add(point)
            bar.set_postfix_str(f"loss {point.loss:.3f}, {progress.num_tokens / progress.seconds:.0f} tokens/s")
            bar.update()
            if epoch.is_integer():
                _end_epoch(run, log, int(epoch))
            if progress.stopped_early:
                break
            if progress.step < len(run.steps):
                checkpointer.save_if_due(progress)


def _end_epoch(run: Run, log: TrainingLog, epoch: int) -> None:
    """Evaluate; keep the weights when they are the best so far, stop when they are not: more would only memorise."""
    progress, heldout = run.progress, run.heldout.sequences
    value = loss.mean_loss(run.model, heldout, run.tokenizer.pad_token_id, run.config.tokens_per_batch, run.accelerator)
    point = EpochEval(epoch=epoch, step=progress.step, eval_loss=value)
    progress.evals.append(point)
    log.add(point)
    if epoch and progress.best is point:
        save_best(run)
    elif epoch:
        progress.stopped_early = progress.step < len(run.steps)


def _step(run: Run, epoch: float, batch: list[int]) -> LogPoint:
    """One optimizer step on one global batch, and its line in the log.

    Each micro-batch adds its summed loss over the number of tokens in the whole global batch, so the gradient is that
    of the mean over all of them, however they are shared out. DDP averages over processes, hence the factor.
    """
    started = time.monotonic()
    accelerator, config, progress = run.accelerator, run.config, run.progress
    rate = learning_rate_at(progress.step, len(run.steps), config)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    sequences = [run.train.sequences[post] for post in batch]
    total = loss.num_predicted(sequences)
    steps, world = config.gradient_accumulation_steps, accelerator.num_processes
    summed = torch.zeros((), device=accelerator.device)  # () float32, nats
    for step in range(steps):
        share = sequences[step * world + accelerator.process_index :: steps * world]  # may be empty
        input_ids, labels = loss.collate(share, run.tokenizer.pad_token_id)  # (B, T) int64
        with contextlib.nullcontext() if step + 1 == steps else accelerator.no_sync(run.model):
            micro = loss.row_losses(run.model, input_ids.to(accelerator.device), labels.to(accelerator.device)).sum()
            accelerator.backward(micro * (world / total))
        summed += micro.detach()
    norm = accelerator.clip_grad_norm_(run.model.parameters(), config.max_grad_norm)
    run.optimizer.step()
    run.optimizer.zero_grad()
    num_tokens = sum(map(len, sequences))
    progress.step += 1
    progress.num_tokens += num_tokens
    return LogPoint(
        step=progress.step,
        epoch=epoch,
        loss=float(accelerator.reduce(summed, "sum") / total),
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
