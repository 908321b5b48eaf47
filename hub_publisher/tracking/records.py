"""How a publication is tracked: what tracking.json holds."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrackedRun(_Record):
    """One Weights & Biases run. `url` is what the client reported while online, or after a sync, else None."""

    run_id: str
    url: str | None = None
    settings: dict[str, Any] = {}  # its configuration, paths left out
    artifacts: dict[str, str] = {}  # name -> version on the server ("v0"), or digest of the contents while offline
    inputs: dict[str, str] = {}  # the same for the artifacts that the run was made from
    recorded: str | None = None  # fingerprint of the records whose tables and artifacts the server has confirmed


class Tracking(_Record):
    """How this publication is tracked: tracking.json. `runs` is keyed by job type: "preprocess", "train"."""

    mode: str  # "online", "offline" or "disabled"
    reason: str  # one line: why this mode
    project: str
    entity: str | None = None
    publication: str = ""  # drawn once, so that the ids of its runs are of no other publication
    dataset_artifact: str = "full"  # what the server may hold of the posts: "full", "ids" or "none"
    runs: dict[str, TrackedRun] = {}
