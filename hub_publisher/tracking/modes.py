"""Online, offline or disabled: decided once per publication, in seconds, without ever asking anyone."""

import os
import secrets

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.system.files import write_record
from hub_publisher.tracking.client import preflight
from hub_publisher.tracking.records import Tracking
from hub_publisher.tracking.state import TRACKING, current

# What wandb itself accepts in WANDB_MODE.
_MODES = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


def decide(config: Config, save: bool = True) -> Tracking:
    """How this publication is tracked; written to tracking.json, unless this is a rehearsal (`save` false).

    The flag counts first, then WANDB_MODE; else online when there is a key and the server answers it within
    seconds, offline otherwise. A publication keeps its mode and runs until another one is named.
    Raises PublisherError when online was asked for by name and cannot be.
    """
    wanted = config.wandb if config.wandb != "auto" else _MODES.get(os.environ.get("WANDB_MODE", ""), "auto")
    project = os.environ.get("WANDB_PROJECT") or config.wandb_project
    before = current(config)
    if before is not None and before.project == project and wanted in ("auto", before.mode):
        tracking = before.model_copy(update={"dataset_artifact": config.dataset_artifact})
    else:
        mode, reason = _resolve(config, wanted)
        tracking = Tracking(
            mode=mode,
            reason=reason,
            project=project,
            entity=os.environ.get("WANDB_ENTITY") or None,
            publication=before.publication if before else secrets.token_hex(4),
            dataset_artifact=config.dataset_artifact,
        )
    if save and tracking != before:
        write_record(config.run_dir / TRACKING, tracking)
    return tracking


def _resolve(config: Config, wanted: str) -> tuple[str, str]:
    if wanted in ("offline", "disabled"):
        return wanted, f"{wanted} was asked for"
    problem = preflight(config)
    if problem is None:
        return "online", "the server accepted the API key"
    if wanted == "online":
        raise PublisherError(
            f"Weights & Biases was asked for online, and {problem}.",
            "Run `wandb login` or set WANDB_API_KEY, or publish with --wandb offline.",
        )
    return "offline", problem
