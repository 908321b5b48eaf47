"""What the dataset artifacts hold of somebody's posts: everything, ids, or nothing but counts; said beforehand."""

from typing import Any

from hub_publisher.config import Config
from hub_publisher.records import POSTS, Curation, KeptPost, Timeline
from hub_publisher.system.files import read_jsonl
from hub_publisher.tracking.records import Tracking
from hub_publisher.tracking.run import ArtifactFiles
from hub_publisher.tracking.state import facts_file, rows_file

FULL, IDS, NONE = "full", "ids", "none"


def level(tracking: Tracking, may_share_texts: bool) -> str:
    """How much may leave: what was asked for, but never a text that its source's terms forbid to hand on."""
    wanted = tracking.dataset_artifact
    return IDS if wanted == FULL and not may_share_texts else wanted


def describe(tracking: Tracking, may_share_texts: bool) -> str:
    """In one line what Weights & Biases is given of the posts, for the person to read before it happens."""
    what = {
        FULL: "full: every kept post with its split, and the ids of all that were read",
        IDS: "ids: the ids of the posts with their split, no text",
        NONE: "none: counts and a hash, neither text nor id",
    }[level(tracking, may_share_texts)]
    if tracking.dataset_artifact == FULL and not may_share_texts:
        what += "; the terms of the source forbid more"
    return f"{what} (--dataset-artifact {FULL}|{IDS}|{NONE})"


def raw_dataset(config: Config, tracking: Tracking, timeline: Timeline) -> ArtifactFiles:
    """What was read from the source: ids and counts. No text of a post that curation dropped ever leaves."""
    facts = {"source": timeline.source, "handle": timeline.handle, "posts": len(timeline.posts)}
    if level(tracking, timeline.may_share_texts) == NONE:
        files = {"counts.json": facts_file(config, "raw-counts.json", {**facts, "timeline": timeline.fingerprint})}
    else:
        rows = ({"id": post.id} for post in timeline.posts)
        files = {"ids.jsonl": rows_file(config, "raw-ids.jsonl", rows)}
    return ArtifactFiles(f"{config.name}-raw-dataset", "raw-dataset", facts, files)


def train_dataset(config: Config, tracking: Tracking, curation: Curation) -> ArtifactFiles:
    """What the model learns from and is measured on, with the split."""
    held = level(tracking, curation.may_share_texts)
    facts: dict[str, Any] = {
        "train_posts": curation.num_train,
        "heldout_posts": curation.num_heldout,
        "posts_sha256": curation.posts_sha256,
        "texts": held == FULL,
    }
    posts = config.run_dir / POSTS
    if held == FULL:
        files = {POSTS: posts}
    elif held == IDS:
        rows = ({"id": post.id, "split": post.split} for post in read_jsonl(posts, KeptPost))
        files = {POSTS: rows_file(config, "train-ids.jsonl", rows)}
    else:
        files = {"counts.json": facts_file(config, "train-counts.json", facts)}
    return ArtifactFiles(train_dataset_name(config), "train-dataset", facts, files)


def train_dataset_name(config: Config) -> str:
    """The artifact that the train run is made from."""
    return f"{config.name}-train-dataset"
