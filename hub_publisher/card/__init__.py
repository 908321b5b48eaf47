"""The model card: what the records say, as README.md, its figures and manifest.json -> model/.

    inputs        the records, as one record that may be published
    metadata      the front matter's keys
    facts         what follows from the inputs        formatting   how the templates write numbers
    page          the templates filled                benchmarks   results that the publisher brings along
    figures, avatar, social   what the page shows
    manifest      hashes, every number shown, and the inputs: enough to check the page and to make it again

Same inputs, same bytes: nothing here asks the clock, the machine or a random number.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hub_publisher import __version__, readme
from hub_publisher.card import avatar, benchmarks, figures, manifest, page, social
from hub_publisher.card.facts import identity
from hub_publisher.card.inputs import Inputs, Sources, gather, is_on_hugging_face, tracked
from hub_publisher.card.metadata import AVATAR, SOCIAL, build, check_early
from hub_publisher.card.page import context, render_page, template_hashes
from hub_publisher.config import Config
from hub_publisher.readme import frontmatter, regions
from hub_publisher.readme.validate import check_metadata
from hub_publisher.records import MODEL_DIR, Card
from hub_publisher.system.files import sha256_of, write_bytes
from hub_publisher.tracking.records import Tracking

__all__ = ["LEAVES", "Rendered", "Sources", "check_early", "check_files", "make", "render", "state", "with_manifest"]

README = "README.md"
# What a rendering leaves, in the publication's folder.
LEAVES = tuple(
    f"{MODEL_DIR}/{path}"
    for path in (README, manifest.MANIFEST, f"{figures.FOLDER}/*.png", f"{benchmarks.FOLDER}/*.yaml")
)


class Rendered(NamedTuple):
    """A card made from its inputs, in memory."""

    body: str  # of README.md, its managed regions sealed
    files: dict[str, bytes]  # path in the repository -> content: README.md and every picture
    manifest: manifest.Manifest  # of these files alone


def state(config: Config, repo_id: str, endpoint: str, tracking: Tracking | None) -> tuple[object, ...]:
    """What decides a card besides its settings and records: its place, the runs, the templates and this code."""
    rooms = (Path(__file__).parent, Path(readme.__file__).parent)
    makers = [sha256_of(path) for room in rooms for path in sorted(room.glob("*.py"))]
    results = sha256_of(config.eval_results) if config.eval_results and config.eval_results.is_file() else ""
    runs = {job: run.model_dump() for job, run in tracked(tracking).items()}
    return repo_id, is_on_hugging_face(endpoint), __version__, runs, template_hashes(config.template), results, makers


def check_files(config: Config) -> None:
    """Raises CardError for templates and benchmark results that `render` would refuse, long before it."""
    page.check(config.template)
    benchmarks.read(config.eval_results)


def render(config: Config, made_from: Sources) -> Card:
    """Write the card of a finished publication into model/, to be published where `made_from` says.

    Raises CardError when the Hub would refuse its front matter, or a template is wrong.
    """
    picture = avatar.draw(config.run_dir, made_from.curation.accounts)
    results = benchmarks.read(config.eval_results)
    inputs = gather(config, made_from, picture is not None, results)
    rendered = make(inputs, picture, config.template)
    folder = config.run_dir / MODEL_DIR
    _remove_others(folder, rendered.files)
    for path, content in rendered.files.items():
        write_bytes(folder / path, content)
    write_bytes(folder / manifest.MANIFEST, with_manifest(rendered, _hashes(made_from))[manifest.MANIFEST])
    return Card()


def make(inputs: Inputs, picture: bytes | None, templates: Path | None = None) -> Rendered:
    """The card of `inputs`; `picture` is the avatar as it is published. Raises CardError."""
    metadata = build(inputs)
    check_metadata(metadata)
    drawn = figures.draw(inputs)
    body, shown = render_page(context(inputs, drawn), templates)
    files = {README: f"{frontmatter.dump(metadata)}\n{body}".encode(), SOCIAL: _preview(inputs, picture)}
    if picture is not None:
        files[AVATAR] = picture
    files |= {f"{figures.FOLDER}/{name}.png": figure.png for name, figure in drawn.items()}
    files |= benchmarks.files(inputs.eval_results)
    made = manifest.Manifest(
        made_by=f"hub_publisher {__version__}",
        provenance=manifest.provenance(inputs),
        files={path: sha256(content).hexdigest() for path, content in files.items() if path != README},
        regions={part.name: part.hash for part in regions.split(body) if isinstance(part, regions.Region)},
        front_matter=metadata,
        templates=template_hashes(templates),
        shown=shown,
        inputs=inputs,
    )
    return Rendered(body, files, made)


def with_manifest(rendered: Rendered, others: dict[str, str]) -> dict[str, bytes]:
    """The card's files and manifest.json, which covers them and the repository's `others`: path -> SHA-256."""
    everything = dict(sorted({**others, **rendered.manifest.files}.items()))
    whole = rendered.manifest.model_copy(update={"files": everything})
    return {**rendered.files, manifest.MANIFEST: manifest.dump(whole)}


def _preview(inputs: Inputs, picture: bytes | None) -> bytes:
    who = identity(inputs.curation.accounts)
    told = social.choose(inputs.evaluation.samples)
    return social.draw(picture, who["name"], who["plain_handles"], who["kind"], *told)


def _hashes(made_from: Sources) -> dict[str, str]:
    """SHA-256 of every file of the model that will be published, by path, as the stages recorded it."""
    left = {**made_from.training.outputs, **made_from.evaluation.outputs}
    return {Path(path).relative_to(MODEL_DIR).as_posix(): output.sha256 for path, output in left.items()}


def _remove_others(folder: Path, kept: Iterable[str]) -> None:
    """Figures and results of an earlier rendering would be published with this one's."""
    for path in (*folder.glob(f"{figures.FOLDER}/*.png"), *folder.glob(f"{benchmarks.FOLDER}/*.yaml")):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink()
