"""The model card: what the records say, as README.md and its figures -> model/README.md, model/figures/, card.json.

    inputs        the records, and one pass over posts.jsonl
    metadata      the front matter's keys
    facts, training_facts, limits   what the page says, section by section
    figures, avatar                 what it shows
    page          the templates filled

Same records, same bytes: nothing here asks the clock, the machine or a random number.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from hub_publisher import __version__
from hub_publisher.card import avatar, facts, figures
from hub_publisher.card.inputs import Inputs, gather, tracked
from hub_publisher.card.metadata import AVATAR, build, check_early
from hub_publisher.card.page import render_page, template_files
from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, sha256_of, stage_fingerprint, write_bytes, write_record
from hub_publisher.readme import frontmatter
from hub_publisher.readme.validate import check_metadata
from hub_publisher.records import MODEL_DIR, Card, Curation, Evaluation, Tracking, Training

__all__ = ["RECORD", "check_early", "expected_fingerprint", "render"]

RECORD = "card.json"
README = "README.md"
HUGGING_FACE_URL = "https://huggingface.co"


def expected_fingerprint(
    config: Config,
    repo_id: str,
    curation: Curation,
    training: Training,
    evaluation: Evaluation,
    tracking: Tracking | None,
    endpoint: str = HUGGING_FACE_URL,
) -> str:
    """Changes with the records, the place of publication, the links to tracked runs, the templates and this code."""
    links = {job: run.url for job, run in tracked(tracking).items()}
    inputs = [curation.fingerprint, training.fingerprint, evaluation.fingerprint, fingerprint(links)]
    makers = [sha256_of(path) for path in (*template_files(), *sorted(Path(__file__).parent.glob("*.py")))]
    return stage_fingerprint("card", config, facts.READS, repo_id, endpoint, __version__, *inputs, *makers)


def render(
    config: Config,
    repo_id: str,
    curation: Curation,
    training: Training,
    evaluation: Evaluation,
    tracking: Tracking | None,
    endpoint: str = HUGGING_FACE_URL,
) -> Card:
    """Write the card of a finished publication, to be published at `endpoint` as `repo_id`.

    Raises CardError when the Hub would refuse its front matter, or posts.jsonl is not the file of `curation`.
    """
    inputs = gather(config, repo_id, endpoint, curation, training, evaluation, tracking)
    files = card_files(inputs)
    folder = config.run_dir / MODEL_DIR
    for path, content in files.items():
        write_bytes(folder / path, content)
    _remove_others(folder / figures.FOLDER, (folder / path for path in files))
    card = Card(
        fingerprint=expected_fingerprint(config, repo_id, curation, training, evaluation, tracking, endpoint),
        files={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    )
    write_record(config.run_dir / RECORD, card)
    return card


def card_files(inputs: Inputs) -> dict[str, bytes]:
    """Path in the repository -> content of README.md and every picture on it."""
    picture = avatar.draw(inputs.config.run_dir, inputs.curation.accounts)
    drawn = figures.draw(inputs)
    files = {README: readme(inputs, drawn, picture is not None).encode()}
    if picture is not None:
        files[AVATAR] = picture
    return files | {f"{figures.FOLDER}/{name}.png": figure.png for name, figure in drawn.items()}


def readme(inputs: Inputs, drawn: dict[str, figures.Figure], has_avatar: bool) -> str:
    """README.md: front matter and page. Raises CardError when the Hub would refuse the front matter."""
    metadata = build(inputs, has_avatar)
    check_metadata(metadata)
    return f"{frontmatter.dump(metadata)}\n{render_page(inputs, drawn, has_avatar)}"


def _remove_others(folder: Path, kept: Iterable[Path]) -> None:
    """Figures of an earlier rendering would be published with this one's."""
    for path in set(folder.glob("*.png")) - set(kept):
        path.unlink()
