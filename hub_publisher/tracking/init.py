"""How a run of wandb is opened, what it must never tell, and what it leaves lying about."""

import shutil
from typing import TYPE_CHECKING

from hub_publisher.config import Config
from hub_publisher.tracking.client import start_service
from hub_publisher.tracking.records import TrackedRun, Tracking
from hub_publisher.tracking.run import EPOCH, STEP
from hub_publisher.tracking.state import ARTIFACTS, home

if TYPE_CHECKING:
    import wandb

INIT_SECONDS = 30  # the server has just answered; a machine may be slow
FINISH_SECONDS = 8


def open_wandb(config: Config, tracking: Tracking, job_type: str, known: TrackedRun) -> "wandb.Run":
    """The run on the server, new or resumed. Raises whatever wandb raises, within INIT_SECONDS."""
    import wandb

    start_service(config)
    run = wandb.init(
        project=tracking.project,
        entity=tracking.entity,
        id=known.run_id,
        name=f"{config.name} {job_type}",
        group=config.name,
        job_type=job_type,
        config=known.settings,
        dir=str(config.run_dir.resolve()),
        mode="online",
        resume="allow",
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


def forget_files(config: Config, run_id: str) -> None:
    """Delete what a run that has ended left on this machine: all of it can be made from the records again."""
    base = home(config)
    shutil.rmtree(config.run_dir / ARTIFACTS, ignore_errors=True)
    names = ("cache", "data", "debug*.log", "latest-run", f"*run-*-{run_id}")
    for path in [path for name in names for path in base.glob(name)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
