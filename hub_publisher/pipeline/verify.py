"""A published model held against its manifest: hashes, the page, the page made again, and on request its metrics.

What this shows: the repository holds what its manifest says, and the page says what the manifest's records say. What
it cannot show: that somebody who rewrote all of it, manifest included, did not. For that there is --evaluate, which
measures again, with the posts.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import NamedTuple

from hub_publisher import __version__, card
from hub_publisher.card.manifest import MANIFEST, Manifest, parse
from hub_publisher.card.metadata import AVATAR
from hub_publisher.card.page import template_hashes
from hub_publisher.errors import CardError
from hub_publisher.hub.client import HubClient
from hub_publisher.pipeline.refresh import required
from hub_publisher.readme.escape import JOINER
from hub_publisher.readme.parse import read_page
from hub_publisher.readme.regions import Region, split
from hub_publisher.records import KeptPost, Metrics
from hub_publisher.system.files import read_jsonl, sha256_of

README = "README.md"
OK, FAILS, NOTE = "ok", "FAILS", "note"
TOLERANCE = 0.01  # relative; number formats and processors differ by a tenth of that
_GENERATED_BY_THE_HUB = {".gitattributes"}
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


class Finding(NamedTuple):
    """One thing that was checked: `state` is "ok", "FAILS" or "note"."""

    state: str
    subject: str
    detail: str


def verify(hub: HubClient, repo_id: str, templates: Path | None = None, posts: Path | None = None) -> list[Finding]:
    """Download the model and check it against its manifest; with `posts` (a posts.jsonl) measure it again too.

    Raises HubError when the repository cannot be had, CardError when its manifest cannot be read.
    """
    repo = required(hub, repo_id)
    with tempfile.TemporaryDirectory() as folder:
        seconds = hub.retry_policy.seconds_for(sum(file.size for file in repo.files.values()))
        hub.call(
            f"downloading {repo_id}",
            partial(hub.api.snapshot_download, repo_id, revision=repo.head, local_dir=folder),
            seconds,
        )
        return list(check(Path(folder), repo_id, templates, posts))


def check(folder: Path, repo_id: str, templates: Path | None = None, posts: Path | None = None) -> Iterator[Finding]:
    """The same for a repository that lies in `folder`."""
    if not (folder / MANIFEST).is_file():
        yield Finding(FAILS, MANIFEST, "it is missing, so there is nothing to check the rest against")
        return
    manifest = parse((folder / MANIFEST).read_bytes(), repo_id)
    yield from _files(folder, manifest)
    yield from _records(manifest, repo_id)
    if not (folder / README).is_file():
        yield Finding(FAILS, README, "it is missing")
        return
    metadata, body, _ = read_page((folder / README).read_bytes().decode(errors="replace"))
    yield from _front_matter(metadata, manifest)
    yield from _regions(body, manifest)
    yield from _numbers(body, manifest)
    yield from _made_again(folder, body, manifest, templates)
    if posts is not None:
        yield from _measured_again(folder, manifest, posts)


def _files(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    for path, expected in manifest.files.items():
        if not (folder / path).is_file():
            yield Finding(FAILS, path, "it is missing")
        elif (found := sha256_of(folder / path)) != expected:
            yield Finding(FAILS, path, f"its SHA-256 is {found[:12]}…, the manifest says {expected[:12]}…")
        else:
            yield Finding(OK, path, f"SHA-256 {expected[:12]}…")
    known = {*manifest.files, README, MANIFEST, *_GENERATED_BY_THE_HUB}
    there = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    for path in there:
        if path not in known and not path.startswith(".cache/"):  # huggingface_hub's own notes on the download
            yield Finding(NOTE, path, "the manifest does not know this file")


def _records(manifest: Manifest, repo_id: str) -> Iterator[Finding]:
    """The manifest against itself: what it says twice is the same."""
    inputs = manifest.inputs
    weights = [manifest.files.get(name) for name in ("model.safetensors", "model.safetensors.index.json")]
    if inputs.training.weights_sha256 not in weights:
        yield Finding(FAILS, MANIFEST, "the weights that were measured are not the weights it lists")
    if manifest.provenance.get("posts_sha256") != inputs.curation.posts_sha256:
        yield Finding(FAILS, MANIFEST, "its provenance names other posts than its records")
    if inputs.repo_id != repo_id:
        yield Finding(NOTE, MANIFEST, f"it was made for {inputs.repo_id}: the repository was moved or copied")


def _front_matter(metadata: dict[str, object], manifest: Manifest) -> Iterator[Finding]:
    for key, expected in manifest.front_matter.items():
        if key not in metadata:
            yield Finding(FAILS, f"{README}, front matter", f"{key} is missing")
        elif not _same(metadata[key], expected):
            found = json.dumps(metadata[key], ensure_ascii=False, default=str)
            stated = json.dumps(expected, ensure_ascii=False)
            yield Finding(FAILS, f"{README}, front matter", f"{key} is {_cut(found)}, the manifest says {_cut(stated)}")
    if added := [key for key in metadata if key not in manifest.front_matter]:
        yield Finding(NOTE, f"{README}, front matter", f"added by somebody: {', '.join(added)}")


def _same(found: object, expected: object) -> bool:
    """Equal; tags that somebody added besides do not count."""
    if isinstance(found, list) and isinstance(expected, list) and all(isinstance(item, str) for item in expected):
        return found[: len(expected)] == expected
    return found == expected


def _regions(body: str, manifest: Manifest) -> Iterator[Finding]:
    found = {part.name: part for part in split(body) if isinstance(part, Region)}
    for name, expected in manifest.regions.items():
        if name not in found:
            yield Finding(FAILS, f"{README}, region {name}", "it is missing or its markers are damaged")
        elif found[name].hash != expected:
            yield Finding(FAILS, f"{README}, region {name}", "its text is not the text that was published")
        else:
            yield Finding(OK, f"{README}, region {name}", f"SHA-256 {expected[:12]}…")


def _numbers(body: str, manifest: Manifest) -> Iterator[Finding]:
    """Every number of the page stands in the manifest, as the page prints it."""
    known = set(_NUMBER.findall(manifest.model_dump_json().replace(JOINER, "")))
    for part in split(body):
        if isinstance(part, Region):
            unknown = [n for n in _NUMBER.findall(unescape(part.content).replace(JOINER, "")) if n not in known]
            if unknown:
                listed = ", ".join(dict.fromkeys(unknown))
                yield Finding(FAILS, f"{README}, region {part.name}", f"the manifest knows no number {listed}")


def _made_again(folder: Path, body: str, manifest: Manifest, templates: Path | None) -> Iterator[Finding]:
    subject = f"{README}, made again"
    if manifest.templates != template_hashes(templates):
        yield Finding(NOTE, subject, "not compared: it was made with other templates; name them with --template")
        return
    avatar = folder / AVATAR
    picture = avatar.read_bytes() if manifest.inputs.has_avatar and avatar.is_file() else None
    rendered = card.make(manifest.inputs, picture, templates)
    # Another version may say the same facts in other words.
    state = FAILS if manifest.made_by == f"hub_publisher {__version__}" else NOTE
    if rendered.manifest.shown != manifest.shown:
        yield Finding(state, MANIFEST, "what it says the page shows does not follow from its records")
    expected = {part.name: part for part in split(rendered.body) if isinstance(part, Region)}
    found = {part.name: part for part in split(body) if isinstance(part, Region)}
    differing = [name for name in expected if name in found and found[name].hash != expected[name].hash]
    for name in differing:
        yield Finding(state, subject, f"region {name}: {_difference(found[name].content, expected[name].content)}")
    if not differing:
        yield Finding(OK, subject, f"{len(expected)} regions, the same bytes")


def _difference(found: str, expected: str) -> str:
    """The first line that differs, as it stands there and as the records give it."""
    ours, theirs = expected.strip().split("\n"), found.strip().split("\n")
    for line, other in zip(theirs, ours, strict=False):
        if line.rstrip() != other.rstrip():
            return f"it says {_cut(line)!r}, the records give {_cut(other)!r}"
    return f"it has {len(theirs)} lines, the records give {len(ours)}"


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:159]}…"


def _measured_again(folder: Path, manifest: Manifest, posts: Path) -> Iterator[Finding]:
    """The held-out metrics of the downloaded weights, beside those that the card states."""
    inputs = manifest.inputs
    if not posts.is_file() or sha256_of(posts) != inputs.curation.posts_sha256:
        raise CardError(
            f"{posts} is not the file of posts that the card's figures were measured on.",
            "Give that one with --posts; its SHA-256 stands in the manifest as posts_sha256.",
        )
    texts = [post.text for post in read_jsonl(posts, KeptPost) if post.split == "heldout"]
    measured = _measure(folder, texts, inputs.training.hyperparameters)
    for name in ("eval_loss", "perplexity", "bits_per_byte"):
        stated, found = getattr(inputs.evaluation.tuned, name), getattr(measured, name)
        state = OK if abs(found - stated) <= TOLERANCE * abs(stated) else FAILS
        yield Finding(state, f"measured again: {name}", f"{found:.4f}, the card's records say {stated:.4f}")


def _measure(folder: Path, texts: list[str], hyperparameters: dict[str, object]) -> Metrics:
    from transformers import PreTrainedTokenizerFast

    from hub_publisher.evaluate import compare, measure
    from hub_publisher.model.base_model import load_on_device

    limits = [int(str(hyperparameters[name])) for name in ("max_post_tokens", "tokens_per_batch")]
    model = load_on_device(folder, str(hyperparameters["dtype"]))
    losses = measure(model, PreTrainedTokenizerFast.from_pretrained(folder), texts, *limits)
    return compare(losses, losses, seed=0)[0]
