"""What the two runs say, from the stages' records: the posts that went in, the model that came out.

raw-dataset -> preprocess -> train-dataset -+
                                            +-> train -> finetuned-model, evaluation, model-card
                         pretrained-model --+
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub_publisher.config import Config
from hub_publisher.records import (
    MODEL_DIR,
    POSTS,
    BaseModelInfo,
    Curation,
    Evaluation,
    KeptPost,
    PostStatistics,
    Receipt,
    Timeline,
    Training,
)
from hub_publisher.system.files import fingerprint, read_jsonl
from hub_publisher.text import WITHHELD
from hub_publisher.tracking.artifacts import Artifact, Report
from hub_publisher.tracking.records import Tracking, artifact_name

FULL, IDS, NONE = "full", "ids", "none"
_HELD = {
    FULL: "every kept post, whether it was trained on, and the ids of all that were read",
    IDS: "the ids of the posts, and which were trained on, no text",
    NONE: "counts and a hash, neither text nor id",
}


def describe_datasets(tracking: Tracking, may_share_texts: bool) -> str:
    """In one line what Weights & Biases is given of the posts, for the person to read before it happens."""
    held = _level(tracking, may_share_texts)
    reason = "" if held == tracking.dataset_artifact else "; the terms of the source forbid more"
    others = " or ".join(name for name in _HELD if name != held)
    return f"{_HELD[held]}{reason} (--dataset-artifact {held}; it may also be {others})"


def _level(tracking: Tracking, may_share_texts: bool) -> str:
    """How much may leave: what was asked for, but never a text that its source's terms forbid to hand on."""
    wanted = tracking.dataset_artifact
    return IDS if wanted == FULL and not may_share_texts else wanted


def preprocess(config: Config, tracking: Tracking, timeline: Timeline, curation: Curation) -> Report:
    """What was read, what was kept, and why the rest was not."""
    dropped = [(account.handle, *row) for account in curation.accounts for row in account.dropped.items()]
    return Report(
        contents=fingerprint("preprocess", curation.fingerprint),
        inputs=[_raw_dataset(config, tracking, timeline)],
        summary=_counts(curation),
        outputs=[_train_dataset(config, tracking, curation)],
        tables={
            "languages": (["language", "kept posts"], list(curation.languages.items())),
            "lengths": (["characters from", "to", "kept posts"], _length_rows(curation.posts)),
            "dropped": (["account", "reason", "posts"], dropped),
        },
    )


def inputs(config: Config, base: BaseModelInfo) -> Report:
    """What the model was made from: the card shows it."""
    return Report(uses=[_train_dataset_name(config)], inputs=[_pretrained_model(base)])


def publication(config: Config, training: Training, evaluation: Evaluation, receipt: Receipt) -> Report:
    """How the training went, how good the model is, what it says, and where it is published."""
    published = {"published/repo_id": receipt.repo_id, "published/commit": receipt.commit}
    if not receipt.is_local:  # that address is of use to nobody else
        published["published/url"] = receipt.url
    return Report(
        contents=fingerprint("train", evaluation.fingerprint, receipt.repo_id, receipt.commit),
        summary={**_scalars("training", training), **_measured(evaluation), **published},
        outputs=_outputs(config, training, receipt),
        tables={"samples": (["prompt", "tuned model", "base model"], _sample_rows(evaluation))},
    )


def _raw_dataset(config: Config, tracking: Tracking, timeline: Timeline) -> Artifact:
    """What was read from the source: ids and counts. No text of a post that curation dropped ever leaves."""
    facts = {"source": timeline.source, "handle": timeline.handle, "posts": len(timeline.posts)}
    if _level(tracking, timeline.may_share_texts) == NONE:
        files = {"counts.json": _lines([{**facts, "timeline": timeline.fingerprint}])}
    else:
        files = {"ids.jsonl": _lines({"id": post.id} for post in timeline.posts)}
    return Artifact(f"{config.name}-raw-dataset", "raw-dataset", facts, files)


def _train_dataset(config: Config, tracking: Tracking, curation: Curation) -> Artifact:
    """What the model learns from and is measured on, with the split."""
    held, posts = _level(tracking, curation.may_share_texts), config.run_dir / POSTS
    facts: dict[str, Any] = {
        "train_posts": curation.num_train,
        "heldout_posts": curation.num_heldout,
        "posts_sha256": curation.posts_sha256,
        "texts": held == FULL,
    }
    if held == FULL:
        files = {POSTS: posts.read_bytes()}
    elif held == IDS:
        files = {POSTS: _lines({"id": post.id, "split": post.split} for post in read_jsonl(posts, KeptPost))}
    else:
        files = {"counts.json": _lines([facts])}
    return Artifact(_train_dataset_name(config), "train-dataset", facts, files)


def _train_dataset_name(config: Config) -> str:
    return f"{config.name}-train-dataset"


def _pretrained_model(base: BaseModelInfo) -> Artifact:
    """The base model by its address on the Hub, at its revision where that is known; a local folder by its facts."""
    facts = base.model_dump(exclude={"notes"}, exclude_none=True)
    if base.hub_id is None:
        return Artifact(artifact_name(base), "pretrained-model", facts, {"model.json": _lines([facts])})
    address = f"https://huggingface.co/{base.hub_id}" + (f"/tree/{base.revision}" if base.revision else "")
    return Artifact(artifact_name(base), "pretrained-model", facts, references={"model": address})


def _outputs(config: Config, training: Training, receipt: Receipt) -> list[Artifact]:
    """The evaluation, the card and the model, known also by the commit on the Hub.

    The model is references to the files of the published commit; what the embedded local Hub holds can be fetched by
    nobody else, so of that only hashes are recorded. Sizes are known of what the training left.
    """
    where = {"repo_id": receipt.repo_id, "commit": receipt.commit}
    sizes = {output.sha256: output.size for output in training.outputs.values()}
    held = {path: sizes[sha256] for path, sha256 in receipt.files.items() if sha256 in sizes}
    facts = {**where, "sha256": dict(receipt.files), "size": held}
    address = f"{receipt.endpoint}/{receipt.repo_id}/resolve/{receipt.commit}"
    references = {} if receipt.is_local else {path: f"{address}/{path}" for path in receipt.files}
    files = {"files.json": _lines([facts])} if receipt.is_local else {}
    evaluation, card = config.run_dir / Evaluation.file, config.run_dir / MODEL_DIR / "README.md"
    aliases = (receipt.commit,)
    return [
        Artifact(f"{config.name}-evaluation", "evaluation", where, _file(evaluation), aliases=aliases),
        Artifact(f"{config.name}-card", "model-card", where, _file(card), aliases=aliases),
        Artifact(f"{config.name}-model", "finetuned-model", facts, files, references, aliases),
    ]


def _counts(curation: Curation) -> dict[str, int]:
    """How many posts were read, dropped for which reason, masked and kept."""
    dropped: Counter[str] = Counter()
    for account in curation.accounts:
        dropped.update({f"dropped/{reason}": number for reason, number in account.dropped.items()})
    return {
        "downloaded": sum(account.num_downloaded for account in curation.accounts),
        "kept": sum(account.num_kept for account in curation.accounts),
        "train": curation.num_train,
        "heldout": curation.num_heldout,
        **dropped,
        **{f"masked/{kind}": number for kind, number in curation.masked.items()},
    }


def _length_rows(posts: PostStatistics) -> list[tuple[int, int, int]]:
    """Kept posts by length in characters: from, to (both included), posts. The last bin reaches to the longest."""
    starts = range(posts.first_bin, posts.first_bin + len(posts.bins) * posts.bin_width, posts.bin_width)
    ends = [*(start - 1 for start in starts[1:]), posts.longest]
    return list(zip(starts, ends, posts.bins, strict=True))


def _measured(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of both models, and how much the tuned one copies."""
    return {
        **_scalars("base", evaluation.base),
        **_scalars("tuned", evaluation.tuned),
        "difference/eval_loss": evaluation.comparison.eval_loss_difference,
        "memorisation/num_copied": evaluation.memorisation.tuned.num_copied,
        "memorisation/excess": evaluation.memorisation.excess,
    }


def _scalars(prefix: str, record: BaseModel) -> dict[str, Any]:
    """The numbers and words of a record."""
    return {f"{prefix}/{name}": value for name, value in record if isinstance(value, str | int | float)}


def _sample_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Prompt, what the tuned model made of it, what the base model did."""
    return [
        (samples.prompt, WITHHELD if tuned is None else tuned, WITHHELD if base is None else base)
        for samples in evaluation.samples
        for tuned, base in zip(samples.tuned, samples.base, strict=False)
    ]


def _file(path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes()}


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
