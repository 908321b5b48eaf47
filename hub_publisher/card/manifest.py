"""manifest.json: what was published and what the page says of it, so that anyone can check either.

`files` and `regions` are hashes to compare with; `shown` is every text and number that the templates filled in, in
order; `inputs` is what the page was made from, enough to make it again. `provenance` repeats, for people, where the
model comes from.
"""

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from hub_publisher.card.inputs import Inputs
from hub_publisher.errors import CardError

MANIFEST = "manifest.json"
FORMAT = 1


class Manifest(BaseModel):
    """The manifest of one published model. README.md is covered by `front_matter` and `regions`: the rest is free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    made_by: str
    provenance: dict[str, JsonValue]
    files: dict[str, str]  # path -> SHA-256 of every file besides README.md and this one
    regions: dict[str, str]  # managed region of README.md -> SHA-256 of its content
    front_matter: dict[str, JsonValue]
    templates: dict[str, str]  # name -> SHA-256
    shown: list[str] | dict[str, JsonValue]  # by section in manifests of before the first release
    inputs: Inputs


def dump(manifest: Manifest) -> bytes:
    """The file's bytes: indented JSON, so that a difference between two versions is one a person can read."""
    return manifest.model_dump_json(indent=1).encode() + b"\n"


def parse(content: bytes, where: str) -> Manifest:
    """The manifest in `content`. Raises CardError, naming `where` it is from, when this version cannot read it."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CardError(
            f"{MANIFEST} of {where} cannot be read: {place}: {first['msg']}.",
            "If another version of hub_publisher wrote it, use that; its name stands in made_by.",
        ) from error


def provenance(inputs: Inputs) -> dict[str, JsonValue]:
    """Where the model comes from, said once more for people."""
    training, base = inputs.training, inputs.training.base_model
    return {
        "repo_id": inputs.repo_id,
        "posts_sha256": inputs.curation.posts_sha256,
        "posts_first_at": str(inputs.curation.first_post_at or ""),
        "posts_last_at": str(inputs.curation.last_post_at or ""),
        "sources": [*sorted({account.source for account in inputs.curation.accounts})],
        "base_model": base.hub_id,
        "base_revision": base.revision,
        "weights_sha256": training.weights_sha256,
        "seeds": {"training": training.hyperparameters.get("seed"), "samples": inputs.evaluation.seed},
        "versions": dict(training.versions),
        "wandb": {job: run.model_dump() for job, run in inputs.runs.items()},
    }
