"""What the two runs of a publication say: the posts that went in, the model that came out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, read_jsonl, write_bytes
from hub_publisher.records import MODEL_DIR, POSTS, Curation, Evaluation, KeptPost, Receipt, Timeline, Tracking
from hub_publisher.tracking.modes import current
from hub_publisher.tracking.protocol import ArtifactFiles, Run
from hub_publisher.tracking.runs import open_run, run_id

PREPROCESS_FIELDS = ("min_posts", "heldout_ratio", "seed")
RECORDED = "recorded"


def record_preprocess(config: Config, tracking: Tracking, timeline: Timeline, curation: Curation) -> Tracking:
    """Record sources and curation as one whole run, unless that has been done. Returns the tracking record.

    The raw dataset is ids and counts only. The train dataset is the kept posts, or where the source's terms
    forbid handing its texts on, their ids and split.
    """
    settings = {
        **{name: getattr(config, name) for name in PREPROCESS_FIELDS},
        "source": timeline.source,
        "handle": timeline.handle,
        "curation": curation.fingerprint,
    }
    known = tracking.runs.get("preprocess")
    wanted = run_id(config, tracking, "preprocess", settings)
    if tracking.mode == "disabled" or (known is not None and known.finished and known.run_id == wanted):
        return tracking
    with open_run(config, tracking, "preprocess", settings) as run:
        run.summarize(_counts(curation))
        run.log_table("languages", ["language", "kept posts"], list(curation.languages.items()))
        run.log_table("dropped", ["account", "reason", "posts"], _dropped_rows(curation))
        folder = config.run_dir / "wandb" / "datasets"
        ids = ({"id": post.id} for post in timeline.posts)
        run.log_artifact(
            ArtifactFiles(
                f"{config.name}-raw-dataset",
                "raw-dataset",
                {"source": timeline.source, "handle": timeline.handle, "posts": len(timeline.posts)},
                {"ids.jsonl": _jsonl(folder / "raw-ids.jsonl", ids)},
            )
        )
        run.log_artifact(_train_dataset(config, curation, folder))
    return current(config) or tracking


def record_publication(run: Run, evaluation: Evaluation, config: Config, receipt: Receipt) -> None:
    """Record on the train run how good the model is, what it says, its card, and where it is published.

    The model is recorded as references to the files of the published commit; what the embedded local Hub
    holds can be fetched by nobody else, so of that only hashes are recorded. Done once for one publication.
    """
    now = current(config)
    train = now.runs.get("train") if now else None
    if train is None:
        return
    mark = config.run_dir / "wandb" / RECORDED
    recorded = fingerprint(train.run_id, evaluation.fingerprint, receipt.repo_id, receipt.commit).encode()
    if train.finished and mark.exists() and mark.read_bytes() == recorded:
        return
    _record_results(run, evaluation, receipt)
    _record_model(run, config, receipt)
    write_bytes(mark, recorded)


def _record_results(run: Run, evaluation: Evaluation, receipt: Receipt) -> None:
    run.summarize(
        {
            **_metrics("base", evaluation),
            **_metrics("tuned", evaluation),
            "published/repo_id": receipt.repo_id,
            "published/commit": receipt.commit,
            **({} if receipt.is_local else {"published/url": receipt.url}),
        }
    )
    rows = [
        (samples.prompt, _shown(tuned), _shown(base))
        for samples in evaluation.samples
        for tuned, base in zip(samples.tuned, samples.base, strict=False)
    ]
    run.log_table("samples", ["prompt", "tuned model", "base model"], rows)


def _shown(text: str | None) -> str:
    return "(withheld: it repeats a post)" if text is None else text


def _record_model(run: Run, config: Config, receipt: Receipt) -> None:
    card = config.run_dir / MODEL_DIR / "README.md"
    run.log_artifact(ArtifactFiles(f"{config.name}-card", "model-card", files={"README.md": card}))
    run.log_artifact(
        ArtifactFiles(
            f"{config.name}-model",
            "finetuned-model",
            {"repo_id": receipt.repo_id, "commit": receipt.commit, "sha256": dict(receipt.files)},
            references={} if receipt.is_local else pinned_addresses(receipt),
        )
    )


def pinned_addresses(receipt: Receipt) -> dict[str, str]:
    """Where each published file is found for good: its address at the published commit, by path."""
    return {path: f"{receipt.endpoint}/{receipt.repo_id}/resolve/{receipt.commit}/{path}" for path in receipt.files}


def _train_dataset(config: Config, curation: Curation, folder: Path) -> ArtifactFiles:
    posts = config.run_dir / POSTS
    if not curation.may_share_texts:
        posts = _jsonl(folder / "train-ids.jsonl", _ids_and_splits(posts))
    return ArtifactFiles(
        f"{config.name}-train-dataset",
        "train-dataset",
        {
            "train_posts": curation.num_train,
            "heldout_posts": curation.num_heldout,
            "posts_sha256": curation.posts_sha256,
            "texts": curation.may_share_texts,
        },
        {"posts.jsonl": posts},
    )


def _counts(curation: Curation) -> dict[str, Any]:
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


def _dropped_rows(curation: Curation) -> list[tuple[str, str, int]]:
    return [
        (account.handle, reason, number) for account in curation.accounts for reason, number in account.dropped.items()
    ]


def _metrics(model: str, evaluation: Evaluation) -> dict[str, float]:
    metrics = getattr(evaluation, model)
    return {f"{model}/{name}": getattr(metrics, name) for name in ("eval_loss", "perplexity", "bits_per_byte")}


def _ids_and_splits(posts: Path) -> Iterator[dict[str, str]]:
    for post in read_jsonl(posts, KeptPost):
        yield {"id": post.id, "split": post.split}


def _jsonl(path: Path, rows: Iterator[dict[str, str]]) -> Path:
    write_bytes(path, (json.dumps(row).encode() + b"\n" for row in rows))
    return path
