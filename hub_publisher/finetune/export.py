"""The weights in their published form (safetensors and tokenizer), and the training record.

Process 0 writes; under FSDP every process takes part in gathering the weights.
"""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hub_publisher.finetune.checkpoints import RESULT, SCRATCH, read_log
from hub_publisher.finetune.request import hyperparameters_of
from hub_publisher.finetune.run import Run
from hub_publisher.model.dataset import padding_ratio
from hub_publisher.model.generation import SETTINGS_FILE, fitting_max_new_tokens
from hub_publisher.records import MODEL_DIR, Training
from hub_publisher.system.files import sha256_of, write_record
from hub_publisher.system.hardware import description, peak_memory_bytes

VERSIONS = ("torch", "transformers", "tokenizers", "accelerate", "huggingface_hub", "wandb")


def save_best(run: Run) -> None:
    """Write the current weights to training/best/ as they will be published; complete or absent.

    How to sample from them is no part of it: evaluation writes that beside them (generation.write_settings).
    """
    import torch
    from transformers import AutoModelForCausalLM

    state = run.accelerator.get_state_dict(run.model)
    if not run.accelerator.is_main_process:
        return
    trained = run.accelerator.unwrap_model(run.model)
    dtype = getattr(torch, run.config.dtype)
    model = AutoModelForCausalLM.from_config(trained.config, dtype=dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()})
    _name_special_tokens(model, run)
    scratch, target = run.run_dir / SCRATCH / ".best", run.run_dir / SCRATCH / "best"
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    run.tokenizer.save_pretrained(scratch)
    (scratch / SETTINGS_FILE).unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)


def _name_special_tokens(model: Any, run: Run) -> None:
    """The tokenizer's ids in config.json, without pad where it is BOS.

    transformers takes a pad token at the start of a prompt for forgotten padding and warns. Where BOS is that very
    token, as in GPT-2, only generation_config.json names it.
    """
    model.config.use_cache = True
    model.config.bos_token_id = run.tokenizer.bos_token_id
    model.config.eos_token_id = run.tokenizer.eos_token_id
    pad = run.tokenizer.pad_token_id
    model.config.pad_token_id = None if pad == run.tokenizer.bos_token_id else pad


def export(run: Run, energy_joules: float | None, energy_source: str) -> None:
    """Move the best weights to model/ and leave the record, last, in training/result.json."""
    import torch

    accelerator = run.accelerator
    peak = torch.tensor([peak_memory_bytes(accelerator.device)], device=accelerator.device)  # (1,) int64
    memory = int(accelerator.gather(peak).max())
    if not accelerator.is_main_process:
        return
    best, scratch, target = run.run_dir / SCRATCH / "best", run.run_dir / ".model", run.run_dir / MODEL_DIR
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(best, scratch)
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    energy = {"energy_joules": energy_joules, "energy_source": None if energy_joules is None else energy_source}
    write_record(run.run_dir / RESULT, _record(run, memory).model_copy(update=energy))


def _record(run: Run, memory: int) -> Training:
    progress, request = run.progress, run.request
    lengths = [len(row) for row in run.train.sequences]
    return Training(
        base_model=request.base_record,
        hyperparameters={
            **hyperparameters_of(request.config),
            "optimizer": "AdamW (betas 0.9 and 0.999, epsilon 1e-08)",
            "lr_scheduler": "linear warm-up, cosine to 0",
        },
        log=read_log(run.run_dir),
        evals=tuple(progress.evals),
        best_epoch=progress.best.epoch,
        stopped_early=progress.stopped_early,
        num_steps=progress.step,
        num_train_tokens=run.train.num_tokens,
        padding_ratio=padding_ratio(lengths, [batch for batches in run.plan for batch in batches]),
        num_cut_posts=run.train.num_cut,
        max_new_tokens=fitting_max_new_tokens(lengths),
        train_seconds=progress.seconds,
        peak_memory_bytes=memory,
        hardware=description(run.accelerator.device, run.accelerator.num_processes),
        num_processes=run.accelerator.num_processes,
        mixed_precision=run.accelerator.mixed_precision,
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        weights_sha256=sha256_of(weights_file(run.run_dir / MODEL_DIR)),
    )


def weights_file(model_dir: Path) -> Path:
    """model.safetensors, or its index when the weights are sharded."""
    index = model_dir / "model.safetensors.index.json"
    return index if index.exists() else model_dir / "model.safetensors"
