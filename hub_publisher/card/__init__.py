"""The model card: what the records say, as README.md, its figures and manifest.json -> model/ and card.json.

    inputs        the records, and one pass over posts.jsonl, as one record that may be published
    metadata      the front matter's keys
    facts, training_facts, evaluation_facts, limits   what the page says, section by section
    figures, avatar, social, fonts                    what it shows
    page          the templates filled                benchmarks   results that the publisher brings along
    manifest      hashes, every number shown, and the inputs: enough to check the page and to make it again

Same inputs, same bytes: nothing here asks the clock, the machine or a random number.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_publisher import __version__
from hub_publisher.card import avatar, benchmarks, figures, manifest, social
from hub_publisher.card.fonts import remedy as font_remedy
from hub_publisher.card.inputs import REPRODUCED, SHOWN, Inputs, check_prompts, gather, tracked
from hub_publisher.card.metadata import AVATAR, SOCIAL, build, check_early
from hub_publisher.card.page import context, render_page, template_hashes
from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, sha256_of, stage_fingerprint, write_bytes, write_record
from hub_publisher.readme import frontmatter
from hub_publisher.readme.validate import check_metadata
from hub_publisher.records import MODEL_DIR, Card, Curation, Evaluation, Snippet, Tracking, Training

__all__ = [
    "RECORD",
    "Rendered",
    "check_early",
    "check_prompts",
    "expected_fingerprint",
    "font_remedy",
    "make",
    "render",
    "with_manifest",
]

RECORD = "card.json"
README = "README.md"
HUGGING_FACE_URL = "https://huggingface.co"


@dataclass(frozen=True)
class Rendered:
    """A card made from its inputs, in memory: path in the repository -> content, and what it says."""

    inputs: Inputs
    body: str  # of README.md, its managed regions sealed
    front_matter: dict[str, Any]
    shown: dict[str, Any]  # what the page prints, as JSON
    templates: dict[str, str]
    files: dict[str, bytes]  # README.md and every picture
    missing_fonts: tuple[str, ...]  # kinds of characters that no font here could draw in the social preview


def expected_fingerprint(
    config: Config,
    repo_id: str,
    curation: Curation,
    training: Training,
    evaluation: Evaluation,
    snippet: Snippet,
    tracking: Tracking | None,
    endpoint: str = HUGGING_FACE_URL,
) -> str:
    """Changes with the records, the place of publication, the tracked runs, the templates and this code."""
    records = (curation, training, evaluation, snippet)
    inputs = [*(record.fingerprint for record in records), fingerprint(_runs(tracking))]
    templates = fingerprint(template_hashes(config.template))
    makers = [sha256_of(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    results = sha256_of(config.eval_results) if config.eval_results and config.eval_results.is_file() else ""
    where = (repo_id, endpoint, __version__)
    return stage_fingerprint("card", config, (*REPRODUCED, *SHOWN), *where, *inputs, templates, results, *makers)


def render(
    config: Config,
    repo_id: str,
    curation: Curation,
    training: Training,
    evaluation: Evaluation,
    snippet: Snippet,
    tracking: Tracking | None,
    endpoint: str = HUGGING_FACE_URL,
) -> Card:
    """Write the card of a finished publication, to be published at `endpoint` as `repo_id`.

    Raises CardError when the Hub would refuse its front matter, a template is wrong, or posts.jsonl is not the file
    of `curation`.
    """
    picture = avatar.draw(config.run_dir, curation.accounts)
    results = benchmarks.read(config.eval_results)
    records = (curation, training, evaluation, snippet, tracking)
    inputs = gather(config, repo_id, endpoint, *records, picture is not None, results)
    rendered = make(inputs, picture, config.template)
    folder = config.run_dir / MODEL_DIR
    _remove_others(folder, rendered.files)
    for path, content in rendered.files.items():
        write_bytes(folder / path, content)
    files = with_manifest(rendered, _hashes(folder))
    write_bytes(folder / manifest.MANIFEST, files[manifest.MANIFEST])
    card = Card(
        fingerprint=expected_fingerprint(config, repo_id, *records, endpoint),
        files={path: manifest.sha256(content) for path, content in files.items()},
        missing_fonts=rendered.missing_fonts,
    )
    write_record(config.run_dir / RECORD, card)
    return card


def make(inputs: Inputs, picture: bytes | None, templates: Path | None = None) -> Rendered:
    """The card of `inputs`; `picture` is the avatar as it is published. Raises CardError."""
    drawn = figures.draw(inputs)
    preview = _preview(inputs, picture)
    shown = context(inputs, drawn)
    metadata = build(inputs)
    check_metadata(metadata)
    body = render_page(shown, templates)
    files = {README: f"{frontmatter.dump(metadata)}\n{body}".encode(), SOCIAL: preview.png}
    if picture is not None:
        files[AVATAR] = picture
    files |= {f"{figures.FOLDER}/{name}.png": figure.png for name, figure in drawn.items()}
    files |= benchmarks.files(inputs.eval_results)
    as_json = json.loads(json.dumps(shown))
    return Rendered(inputs, body, metadata, as_json, template_hashes(templates), files, preview.missing)


def with_manifest(rendered: Rendered, others: dict[str, str]) -> dict[str, bytes]:
    """The card's files and manifest.json, which covers them and the repository's `others`: path -> SHA-256."""
    own = {path: manifest.sha256(content) for path, content in rendered.files.items() if path != README}
    made = manifest.build(
        rendered.inputs, rendered.body, rendered.front_matter, rendered.shown, rendered.templates, {**others, **own}
    )
    return {**rendered.files, manifest.MANIFEST: manifest.dump(made)}


def _preview(inputs: Inputs, picture: bytes | None) -> social.Social:
    """The social preview shows the first text of the first prompt that has one."""
    told = ((group.prompt, text) for group in inputs.evaluation.samples for text in group.tuned[:1] if text)
    prompt, text = next(told, (inputs.evaluation.samples[0].prompt, "…"))
    identity = context(inputs, {})["identity"]
    return social.draw(picture, identity["name"], identity["plain_handles"], identity["kind"], prompt, text)


def _runs(tracking: Tracking | None) -> dict[str, Any]:
    return {job: run.model_dump() for job, run in tracked(tracking).items()}


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that will be published, by path. README.md and the manifest speak for themselves."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: sha256_of(path)
        for name, path in names.items()
        if name not in (README, manifest.MANIFEST) and not any(part.startswith(".") for part in name.split("/"))
    }


def _remove_others(folder: Path, kept: Iterable[str]) -> None:
    """Figures and results of an earlier rendering would be published with this one's."""
    for path in (*folder.glob(f"{figures.FOLDER}/*.png"), *folder.glob(f"{benchmarks.FOLDER}/*.yaml")):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink()
