"""Online, offline or disabled: decided once per publication, in seconds, without ever asking anyone."""

import multiprocessing
import os
from multiprocessing.pool import ThreadPool

from hub_publisher.config import Config
from hub_publisher.disk import read_record, write_record
from hub_publisher.errors import PublisherError
from hub_publisher.records import Tracking
from hub_publisher.tracking.guard import environment, is_trouble, words

TRACKING = "tracking.json"
PREFLIGHT_SECONDS = 8.0
REQUEST_SECONDS = 3

# What wandb itself accepts in WANDB_MODE.
_MODES = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


def current(config: Config, otherwise: Tracking | None = None) -> Tracking | None:
    """The publication's tracking record as it is on disk now, `otherwise` where there is none."""
    return read_record(config.run_dir / TRACKING, Tracking) or otherwise


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
        return before
    mode, reason = _resolve(config, wanted)
    tracking = Tracking(mode=mode, reason=reason, project=project, entity=os.environ.get("WANDB_ENTITY") or None)
    if save:
        write_record(config.run_dir / TRACKING, tracking)
    return tracking


def _resolve(config: Config, wanted: str) -> tuple[str, str]:
    if wanted in ("offline", "disabled"):
        return wanted, f"{wanted} was asked for"
    problem = _preflight(config)
    if problem is None:
        return "online", "the server accepted the API key"
    if wanted == "online":
        raise PublisherError(
            f"Weights & Biases was asked for online, and {problem}.",
            "Run `wandb login` or set WANDB_API_KEY, or publish with --wandb offline.",
        )
    return "offline", problem


def _preflight(config: Config) -> str | None:
    """What speaks against going online, in words that end a sentence, or None."""
    pool = ThreadPool(1)
    try:
        with environment(config.run_dir / "wandb", WANDB_HTTP_TIMEOUT=str(REQUEST_SECONDS)):
            return None if pool.apply_async(_login).get(PREFLIGHT_SECONDS) else "there is no API key"
    except multiprocessing.TimeoutError:
        return f"its server did not answer within {PREFLIGHT_SECONDS:.0f} seconds"
    except Exception as error:
        if not is_trouble(error):
            raise
        return f"its server did not confirm the API key ({words(error).rstrip('.')})"
    finally:
        pool.terminate()


def _login() -> bool:
    import wandb

    # WANDB_MODE=offline is out of the way by now: under it, login would say no without looking.
    return wandb.login(prompt=False, verify=True)
