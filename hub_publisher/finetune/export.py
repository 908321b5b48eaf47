"""The weights in their published form (safetensors and tokenizer), and the training record.

Process 0 writes; under FSDP every process takes part in gathering the weights.
"""

import platform
import shutil
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM

from hub_publisher.finetune.checkpoints import read_log
from hub_publisher.finetune.run import RESULT, SCRATCH, Run
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
    state = run.accelerator.get_state_dict(run.model)
    if not run.accelerator.is_main_process:
        return
    dtype = getattr(torch, run.config.dtype)
    model = AutoModelForCausalLM.from_config(run.accelerator.unwrap_model(run.model).config, dtype=dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()})
    tokenizer = run.tokenizer
    model.config.use_cache = True
    model.config.bos_token_id, model.config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    # transformers takes a pad token at the start of a prompt for forgotten padding and warns. Where BOS is that very
    # token, as in GPT-2, only generation_config.json names it.
    pad = tokenizer.pad_token_id
    model.config.pad_token_id = None if pad == tokenizer.bos_token_id else pad
    best = run.config.run_dir / SCRATCH / "best"
    scratch = best.with_name(".best")
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    (scratch / SETTINGS_FILE).unlink(missing_ok=True)
    shutil.rmtree(best, ignore_errors=True)
    scratch.rename(best)


def export(run: Run, energy_joules: float | None, energy_source: str) -> None:
    """Move the best weights to model/ and leave the record, last, in training/result.json."""
    accelerator, run_dir = run.accelerator, run.config.run_dir
    peak = torch.tensor([peak_memory_bytes(accelerator.device)], device=accelerator.device)  # (1,) int64
    memory = int(accelerator.gather(peak).max())
    if not accelerator.is_main_process:
        return
    best, model_dir = run_dir / SCRATCH / "best", run_dir / MODEL_DIR
    if best.exists():  # else a process that was killed in the lines below had moved it
        shutil.rmtree(model_dir, ignore_errors=True)
        best.rename(model_dir)
    energy = {"energy_joules": energy_joules, "energy_source": None if energy_joules is None else energy_source}
    write_record(run_dir / RESULT, _record(run, memory).model_copy(update=energy))


def _record(run: Run, memory: int) -> Training:
    progress, model_dir = run.progress, run.config.run_dir / MODEL_DIR
    lengths = [len(row) for row in run.train.sequences]
    index = model_dir / "model.safetensors.index.json"
    return Training(
        base_model=run.request.base.record,
        hyperparameters={
            **run.request.hyperparameters,
            "optimizer": "AdamW (betas 0.9 and 0.999, epsilon 1e-08)",
            "lr_scheduler": "linear warm-up, cosine to 0",
        },
        log=read_log(run.config.run_dir),
        evals=tuple(progress.evals),
        best_epoch=progress.best.epoch,
        stopped_early=progress.stopped_early,
        num_steps=progress.step,
        num_train_tokens=sum(lengths),
        padding_ratio=padding_ratio(lengths, [batch for _, batch in run.steps]),
        num_cut_posts=run.train.num_cut,
        max_new_tokens=fitting_max_new_tokens(lengths),
        train_seconds=progress.seconds,
        peak_memory_bytes=memory,
        hardware=description(run.accelerator.device, run.accelerator.num_processes),
        num_processes=run.accelerator.num_processes,
        mixed_precision=run.accelerator.mixed_precision,
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        weights_sha256=sha256_of(index if index.exists() else model_dir / "model.safetensors"),
    )
