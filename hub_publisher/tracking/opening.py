"""How a run of wandb is opened, and what it must never tell."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config
from hub_publisher.records import Tracking
from hub_publisher.tracking.protocol import EPOCH, STEP
from hub_publisher.tracking.server import home, start_service

if TYPE_CHECKING:
    import wandb

INIT_SECONDS = 30  # the server has just answered; a machine may be slow
FINISH_SECONDS = 8


def open_wandb(
    config: Config, tracking: Tracking, mode: str, job_type: str, run_id: str, settings: Mapping[str, Any] | None
) -> "wandb.Run":
    """The run of that id, "online" or "offline". Raises whatever wandb raises, within INIT_SECONDS.

    Without `settings` it must be on the server already, and its configuration stays as it is there.
    """
    import wandb

    start_service(config)
    run = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        id=run_id,
        name=f"{config.name} {job_type}",
        group=config.name,
        job_type=job_type,
        config=None if settings is None else {name: public(value) for name, value in settings.items()},
        dir=str(config.run_dir.resolve()),
        mode="online" if mode == "online" else "offline",
        resume=None if mode == "offline" else "allow" if settings is not None else "must",
        reinit="create_new",  # else a run that is open already would be handed back
        settings=wandb.Settings(
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
            silent=True,
            # Nothing about the person or the machine: no argv, output, code, host, user, packages.
            console="off",
            save_code=False,
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
            host="-",
            username="-",
            program="-",
        ),
    )
    run.define_metric(STEP)
    run.define_metric("train/*", step_metric=STEP)
    run.define_metric("eval/*", step_metric=STEP)
    run.define_metric(EPOCH)
    return run


def last_step(path: str) -> int:
    """The step of the last row in the history of the run entity/project/id on the server, -1 without any."""
    import wandb

    entity, project, _ = path.split("/")
    return int(wandb.Api(overrides={"entity": entity, "project": project}).run(path).lastHistoryStep)


def forget_attempts(config: Config, run_id: str) -> None:
    """Delete what earlier offline attempts of a run wrote: it is logged again, whole, so that it is sent once."""
    for directory in home(config).glob(f"offline-run-*-{run_id}*"):
        shutil.rmtree(directory, ignore_errors=True)


def forget_logs(config: Config, run_id: str) -> None:
    """wandb's own logs are of no use once a run has ended, and they are full of absolute paths."""
    base = home(config)
    for logs in base.glob(f"*run-*-{run_id}*/logs"):  # also of attempts that were killed
        shutil.rmtree(logs, ignore_errors=True)
    shutil.rmtree(base / "cache" / "wandb" / "logs", ignore_errors=True)
    for link in ("debug.log", "debug-internal.log"):
        (base / link).unlink(missing_ok=True)


def forget_staged(config: Config) -> None:
    """Delete the copies of what has been uploaded, which wandb leaves lying about."""
    for name in ("artifacts", "cache", "data"):
        shutil.rmtree(home(config) / name, ignore_errors=True)


def public(value: Any) -> Any:
    """A setting as it may be shown: where somebody's files lie is nobody else's business."""
    is_path = isinstance(value, Path) or (isinstance(value, str) and Path(value).expanduser().exists())
    return "a local path" if is_path else value
