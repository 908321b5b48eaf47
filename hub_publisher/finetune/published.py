"""The weights in their published form: safetensors, tokenizer, generation_config, and the training record.

Process 0 writes; under FSDP every process takes part in gathering the weights.
"""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hub_publisher.dataset import padding_ratio
from hub_publisher.disk import sha256_of, write_record
from hub_publisher.finetune.checkpoints import SCRATCH, EnergyLedger, Spent, read_log
from hub_publisher.generation import fitting_max_new_tokens, sampling_settings
from hub_publisher.hardware import description, peak_memory_bytes
from hub_publisher.records import MODEL_DIR, BaseModelRecord, Training

VERSIONS = ("torch", "transformers", "tokenizers", "accelerate", "huggingface_hub", "wandb")
HYPERPARAMETERS = (
    "learning_rate",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "num_epochs",
    "tokens_per_batch",
    "gradient_accumulation_steps",
    "max_post_tokens",
    "seed",
    "dtype",
)


def save_best(run: Any) -> None:
    """Write the current weights to training/best/ as they will be published; complete or absent."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    state = run.accelerator.get_state_dict(run.model)
    if not run.accelerator.is_main_process:
        return
    trained = run.accelerator.unwrap_model(run.model)
    dtype = getattr(torch, run.config.dtype)
    model = AutoModelForCausalLM.from_config(trained.config, dtype=dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()})
    model.config.use_cache = True
    ids = {f"{kind}_token_id": getattr(run.tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")}
    model.generation_config = GenerationConfig(**sampling_of(run), **ids)
    for name, value in ids.items():
        # transformers takes a pad token at the start of a prompt for forgotten padding and warns. Where BOS is that
        # very token, as in GPT-2, only generation_config.json names it.
        is_ambiguous = name == "pad_token_id" and value == ids["bos_token_id"]
        setattr(model.config, name, None if is_ambiguous else value)
    scratch, target = run.run_dir / SCRATCH / ".best", run.run_dir / SCRATCH / "best"
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    run.tokenizer.save_pretrained(scratch)
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)


def sampling_of(run: Any) -> dict[str, Any]:
    """The sampling settings that are published with the model."""
    return sampling_settings(run.config, fitting_max_new_tokens(list(map(len, run.train.sequences))))


def finish(run: Any, request: dict[str, Any], energy: EnergyLedger) -> None:
    """Move the best weights to model/, write training.json, and clear what only a resumed run would need."""
    import torch

    accelerator = run.accelerator
    memory = int(
        accelerator.gather(torch.tensor([peak_memory_bytes(accelerator.device)], device=accelerator.device)).max()
    )
    spent = energy.stop()
    if not run.accelerator.is_main_process:
        return
    best, scratch, target = run.run_dir / SCRATCH / "best", run.run_dir / ".model", run.run_dir / MODEL_DIR
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(best, scratch)
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    write_record(run.run_dir / "training.json", _record(run, request, memory, spent))
    shutil.rmtree(run.run_dir / SCRATCH)
    energy.path.unlink(missing_ok=True)


def _record(run: Any, request: dict[str, Any], memory: int, spent: Spent) -> Training:
    progress, config = run.progress, run.config
    lengths = [len(row) for row in run.train.sequences]
    return Training(
        fingerprint=request["fingerprint"],
        base_model=BaseModelRecord(**request["base_record"]),
        hyperparameters={
            **{name: getattr(config, name) for name in HYPERPARAMETERS},
            "optimizer": "AdamW (betas 0.9 and 0.999, epsilon 1e-08)",
            "lr_scheduler": "linear warm-up, cosine to 0",
            "sampling": sampling_of(run),
        },
        log=read_log(run.run_dir),
        evals=tuple(progress.evals),
        best_epoch=progress.best.epoch,
        stopped_early=progress.stopped_early,
        num_steps=progress.step,
        num_train_tokens=run.train.num_tokens,
        padding_ratio=padding_ratio(lengths, [batch for batches in run.plan for batch in batches]),
        num_cut_posts=run.train.num_cut,
        train_seconds=progress.seconds,
        peak_memory_bytes=memory,
        hardware=description(run.accelerator.device, run.accelerator.num_processes),
        num_processes=run.accelerator.num_processes,
        mixed_precision=run.accelerator.mixed_precision,
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        energy_joules=spent.joules,
        energy_source=spent.source,
        weights_sha256=sha256_of(weights_file(run.run_dir / MODEL_DIR)),
    )


def weights_file(model_dir: Path) -> Path:
    """model.safetensors, or its index when the weights are sharded."""
    index = model_dir / "model.safetensors.index.json"
    return index if index.exists() else model_dir / "model.safetensors"
