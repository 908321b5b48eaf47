"""The numbers, rows and artifacts that the runs are filled with, from the stages' records."""

from collections import Counter
from typing import Any

from hub_publisher.config import Config
from hub_publisher.records import (
    MODEL_DIR,
    POSTS,
    BaseModelInfo,
    Curation,
    Evaluation,
    KeptPost,
    Receipt,
    Training,
)
from hub_publisher.system.files import read_jsonl, sha256_of
from hub_publisher.tracking.run import ArtifactFiles
from hub_publisher.tracking.state import facts_file

_WITHHELD = "(withheld: it repeats a post)"
_BIN_WIDTH = 20
_METRICS = ("eval_loss", "perplexity", "bits_per_byte")
_TRAINING_FACTS = (
    "best_epoch",
    "stopped_early",
    "num_steps",
    "num_train_tokens",
    "num_cut_posts",
    "train_seconds",
    "peak_memory_bytes",
    "hardware",
    "num_processes",
    "mixed_precision",
    "energy_joules",
)


def counts(curation: Curation) -> dict[str, int]:
    """How many posts were read, dropped for which reason, masked and kept."""
    dropped: dict[str, int] = {}
    for account in curation.accounts:
        for reason, number in account.dropped.items():
            dropped[f"dropped/{reason}"] = dropped.get(f"dropped/{reason}", 0) + number
    return {
        "downloaded": sum(account.num_downloaded for account in curation.accounts),
        "kept": sum(account.num_kept for account in curation.accounts),
        "train": curation.num_train,
        "heldout": curation.num_heldout,
        **dropped,
        **{f"masked/{kind}": number for kind, number in curation.masked.items()},
    }


def dropped_rows(curation: Curation) -> list[tuple[str, str, int]]:
    """Account, reason, posts."""
    return [
        (account.handle, reason, number) for account in curation.accounts for reason, number in account.dropped.items()
    ]


def length_rows(config: Config) -> list[tuple[int, int, int]]:
    """Kept posts by length in characters: from, to (both included), posts."""
    bins = Counter(len(post.text) // _BIN_WIDTH for post in read_jsonl(config.run_dir / POSTS, KeptPost))
    return [(number * _BIN_WIDTH, (number + 1) * _BIN_WIDTH - 1, posts) for number, posts in sorted(bins.items())]


def training_facts(training: Training) -> dict[str, Any]:
    """How the training went, on which hardware."""
    facts = {f"training/{name}": getattr(training, name) for name in _TRAINING_FACTS}
    return {name: value for name, value in facts.items() if value is not None}


def measured(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of both models, and how much the tuned one copies."""
    models = (("base", evaluation.base), ("tuned", evaluation.tuned))
    return {
        **{f"{model}/{name}": getattr(metrics, name) for model, metrics in models for name in _METRICS},
        "difference/eval_loss": evaluation.comparison.eval_loss_difference,
        "memorisation/num_copied": evaluation.memorisation.tuned.num_copied,
        "memorisation/excess": evaluation.memorisation.excess,
    }


def published(receipt: Receipt) -> dict[str, str]:
    """Where the model is. The address of a local Hub is of use to nobody else."""
    where = {"published/repo_id": receipt.repo_id, "published/commit": receipt.commit}
    return where if receipt.is_local else {**where, "published/url": receipt.url}


def sample_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Prompt, what the tuned model made of it, what the base model did."""
    return [
        (samples.prompt, _WITHHELD if tuned is None else tuned, _WITHHELD if base is None else base)
        for samples in evaluation.samples
        for tuned, base in zip(samples.tuned, samples.base, strict=False)
    ]


def pretrained_model(config: Config, base: BaseModelInfo) -> ArtifactFiles:
    """The base model by its address on the Hub, at its revision where that is known; a local folder by its facts."""
    name = base.artifact_name
    facts = base.model_dump(exclude={"notes"}, exclude_none=True)
    if base.hub_id is None:
        files = {"model.json": facts_file(config, "pretrained-model.json", facts)}
        return ArtifactFiles(name, "pretrained-model", facts, files)
    address = f"https://huggingface.co/{base.hub_id}" + (f"/tree/{base.revision}" if base.revision else "")
    return ArtifactFiles(name, "pretrained-model", facts, references={"model": address})


def outputs(config: Config, receipt: Receipt) -> list[ArtifactFiles]:
    """The evaluation, the card and the model, known also by the commit on the Hub."""
    where = {"repo_id": receipt.repo_id, "commit": receipt.commit}
    files = {
        ("evaluation", "evaluation"): config.run_dir / Evaluation.file,
        ("card", "model-card"): config.run_dir / MODEL_DIR / "README.md",
    }
    return [
        *(
            ArtifactFiles(f"{config.name}-{name}", kind, where, {path.name: path}, aliases=(receipt.commit,))
            for (name, kind), path in files.items()
        ),
        _model(config, receipt, where),
    ]


def pinned_addresses(receipt: Receipt) -> dict[str, str]:
    """Where each published file is found for good: its address at the published commit, by path."""
    return {path: f"{receipt.endpoint}/{receipt.repo_id}/resolve/{receipt.commit}/{path}" for path in receipt.files}


def _model(config: Config, receipt: Receipt, where: dict[str, str]) -> ArtifactFiles:
    """References where anybody can follow them, else a list of hashes. Sizes are known of files that are here too."""
    folder = config.run_dir / MODEL_DIR
    here = {path: folder / path for path in receipt.files if (folder / path).is_file()}
    same = {path: file for path, file in here.items() if sha256_of(file) == receipt.files[path]}
    facts = {**where, "sha256": dict(receipt.files), "size": {path: file.stat().st_size for path, file in same.items()}}
    name, kind, aliases = f"{config.name}-model", "finetuned-model", (receipt.commit,)
    if receipt.is_local:
        files = {"files.json": facts_file(config, "model-files.json", facts)}
        return ArtifactFiles(name, kind, facts, files, aliases=aliases)
    return ArtifactFiles(name, kind, facts, references=pinned_addresses(receipt), aliases=aliases)
