"""Everything a card is made from, in one record that may be published: the page is a pure function of it.

`gather` puts the records of a finished publication together. What it returns holds no post and no path, so it stands
in manifest.json beside the card, and whoever downloads that can render the same card again.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from hub_publisher.card.formatting import thinned
from hub_publisher.config import DEFAULTS, HUGGING_FACE, Config
from hub_publisher.records import Curation, Evaluation, Snippet, Training
from hub_publisher.tracking.records import Tracking

# What the card's own settings are; those of the stages before stand in their records.
SHOWN = ("handle", "contact", "dataset", "grid_intensity")
_NOT_REPEATED = ("base_model", "prompts")  # the command that makes a model again names the first in its own way
_MAX_LOG_POINTS = 1000  # more than this no figure of the width of a page can show
_BARE: dict[str, Any] = {"settings": {}, "outputs": {}}  # without the runner's notes on this machine's files


class _Published(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrackedPage(_Published):
    """A tracked run, and the artifacts it was made from and left: name -> version, or content digest while offline."""

    run_id: str
    url: str | None = None
    inputs: dict[str, str] = {}
    artifacts: dict[str, str] = {}


@dataclass(frozen=True)
class Sources:
    """The records that a card is made from, and where it will be published."""

    repo_id: str
    endpoint: str
    curation: Curation
    training: Training
    evaluation: Evaluation
    snippet: Snippet
    tracking: Tracking | None


class Inputs(_Published):
    """One publication as its card knows it."""

    repo_id: str
    is_on_hugging_face: bool  # whether the page's own address is one that a reader anywhere can open
    handle: str
    contact: str | None
    dataset: str | None
    grid_intensity: float | None  # grams of CO2-equivalent per kWh
    settings: dict[str, Any]  # of curation, training and evaluation, those that are not the default
    has_avatar: bool
    curation: Curation
    training: Training
    evaluation: Evaluation
    snippet: Snippet
    runs: dict[str, TrackedPage]  # job type -> run
    eval_results: tuple[dict[str, Any], ...] = ()  # benchmark results, as the Hub's .eval_results files hold them

    @model_validator(mode="before")
    @classmethod
    def _of_an_early_version(cls, values: Any) -> Any:
        """Manifests of before the first release hold two facts of the records in other places."""
        match values:
            case {"posts": posts, "curation": dict(curation), "training": dict(training), "evaluation": dict(measured)}:
                rest = {name: value for name, value in values.items() if name != "posts"}
                length = (measured.get("sampling") or {}).get("max_new_tokens")
                training = {"max_new_tokens": length, **training}
                return {**rest, "curation": {**curation, "posts": posts}, "training": training}
        return values


def gather(
    config: Config, made_from: Sources, has_avatar: bool = False, eval_results: tuple[dict[str, Any], ...] = ()
) -> Inputs:
    """Puts everything together, without what is of this machine alone."""
    stages = (made_from.curation, made_from.training, made_from.evaluation)
    settings = {name: value for record in stages for name, value in record.settings.items()}
    return Inputs(
        repo_id=made_from.repo_id,
        is_on_hugging_face=is_on_hugging_face(made_from.endpoint),
        settings={name: settings[name] for name in DEFAULTS if name in settings and name not in _NOT_REPEATED},
        **{name: getattr(config, name) for name in SHOWN},
        has_avatar=has_avatar,
        curation=_without_bios(made_from.curation),
        training=made_from.training.model_copy(
            update={**_BARE, "log": thinned(made_from.training.log, _MAX_LOG_POINTS)}
        ),
        evaluation=made_from.evaluation.model_copy(update=_BARE),
        snippet=made_from.snippet.model_copy(update=_BARE),
        runs=tracked(made_from.tracking),
        eval_results=eval_results,
    )


def is_on_hugging_face(endpoint: str) -> bool:
    """Whether a page at `endpoint` has an address that a reader anywhere can open."""
    return urlsplit(endpoint).hostname == HUGGING_FACE


def tracked(tracking: Tracking | None) -> dict[str, TrackedPage]:
    """The tracked runs by job type, without what the last one left: that is made from this very card."""
    runs = tracking.runs if tracking else {}
    return {
        job: TrackedPage(
            run_id=run.run_id, url=run.url, inputs=run.inputs, artifacts=run.artifacts if job == "preprocess" else {}
        )
        for job, run in sorted(runs.items())
    }


def _without_bios(curation: Curation) -> Curation:
    """What an account says of itself is no fact about the model; the avatar's file is on this machine only."""
    accounts = tuple(account.model_copy(update={"bio": "", "avatar_file": None}) for account in curation.accounts)
    return curation.model_copy(update={**_BARE, "accounts": accounts})
