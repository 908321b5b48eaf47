"""wandb's own process on this machine, and its server elsewhere: whether they are there, and a run opened there."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.tracking.calls import TrackerError, within
from hub_publisher.tracking.records import TrackedRun, Tracking, current, save

if TYPE_CHECKING:
    import wandb

STEP = "train/global_step"
EPOCH = "eval/epoch"
TIME = "_timestamp"  # seconds since 1970; wandb puts the row at this time instead of now
NO_KEY = "there is no API key"
REQUEST_SECONDS = 3
QUERY_SECONDS = 10
INIT_SECONDS = 30  # the server has just answered; a machine may be slow
FINISH_SECONDS = 8
TEAR_DOWN_SECONDS = 10.0

# What wandb itself accepts in WANDB_MODE.
_MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled"}


def decide(config: Config, is_rehearsal: bool = False) -> Tracking:
    """How this publication is tracked: online, offline or disabled. Written to tracking.json but for a rehearsal.

    The flag counts first, then WANDB_MODE; else online when there is a key and the server answers it within
    seconds, offline otherwise. Nobody is asked for a key. A publication keeps its mode and runs until another one is
    named. Raises PublisherError when online was asked for by name and cannot be.
    """
    wanted = config.wandb if config.wandb != "auto" else _MODES.get(os.environ.get("WANDB_MODE", ""), "auto")
    project = os.environ.get("WANDB_PROJECT") or config.wandb_project
    before = current(config)
    if before is not None and before.project == project and wanted in ("auto", before.mode):
        tracking = before.model_copy(update={"dataset_artifact": config.dataset_artifact})
    else:
        mode, reason = _resolve(wanted)
        tracking = Tracking(
            mode=mode,
            reason=reason,
            project=project,
            entity=os.environ.get("WANDB_ENTITY") or None,
            publication=before.publication if before else secrets.token_hex(4),
            dataset_artifact=config.dataset_artifact,
        )
    if not is_rehearsal and tracking != before:
        save(config, tracking)
    return tracking


def _resolve(wanted: str) -> tuple[str, str]:
    if wanted in ("offline", "disabled"):
        return wanted, f"{wanted} was asked for"
    try:
        with tempfile.TemporaryDirectory() as scratch, service(Path(scratch)):
            return "online", "the server accepted the API key"
    except TrackerError as problem:
        if wanted == "online":
            raise PublisherError(
                f"Weights & Biases was asked for online, and {problem}.",
                "Run `wandb login` or set WANDB_API_KEY, or publish with --wandb offline.",
            ) from problem
        return "offline", str(problem)


def _may_have_key() -> bool:
    """Whether wandb could find a login, judged without importing it: only where one is possible is wandb asked."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    configuration = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    places = (Path(os.environ.get("NETRC") or "~/.netrc"), Path("~/_netrc"), configuration / "settings")
    return any(place.expanduser().is_file() for place in places)


def home(config: Config) -> Path:
    """The folder in which wandb's process works, absolute; there while it runs."""
    return config.run_dir.resolve() / "wandb"


@contextmanager
def service(folder: Path) -> Iterator[None]:
    """wandb's process, when the server has accepted the key; TrackerError, in words that end a sentence, when not.

    Afterwards it has ended, by force if need be, and nothing of it or of `folder` is left: the records hold it all. It
    writes into the manifests that it uploads where it found each file. So a run works in the publication's folder, and
    paths are given to it relative to that: what they say then is nothing about the machine.
    """
    if not _may_have_key():
        raise TrackerError(NO_KEY)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _environment(folder)
    before = {name: os.environ[name] for name in wanted.keys() & os.environ.keys()}
    os.environ.update(wanted)
    try:
        _connect(folder)
        yield
    finally:
        with contextlib.suppress(TrackerError):
            within(TEAR_DOWN_SECONDS, _tear_down)
        kill()
        shutil.rmtree(folder, ignore_errors=True)
        for name in wanted:
            del os.environ[name]
        os.environ.update(before)


def _connect(folder: Path) -> None:
    def ask() -> bool:
        import wandb

        os.environ.pop("WANDB_SERVICE", None)  # the address of such a process of somebody else's
        with contextlib.chdir(folder):
            wandb.setup()
        # The first must not ask anyone for a key; the second asks the server whose it is.
        return wandb.login(prompt=False, verify=False) and bool(wandb.Api(timeout=REQUEST_SECONDS))

    try:
        has_key = within(INIT_SECONDS, ask)
    except TrackerError as error:
        raise TrackerError(f"its server did not confirm the API key ({str(error).rstrip('.')})") from error
    if not has_key:
        raise TrackerError(NO_KEY)


def _tear_down() -> None:
    import wandb

    with contextlib.suppress(SystemExit):  # it repeats the exit code of its process, which is not that of this one
        wandb.teardown()


def kill() -> None:
    """End wandb's process at once, with all that it has not sent: it would try to for a week, whatever its timeouts."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("wandb-core"):
                process.kill()


def _environment(folder: Path) -> dict[str, str]:
    """wandb's own files go under `folder`, not in a home directory, and its error reports nowhere."""
    return {
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB_HTTP_TIMEOUT": str(QUERY_SECONDS),
        # Each run is told its mode; under WANDB_MODE=offline wandb would not even look for a key.
        "WANDB_MODE": "online",
    }


def open_wandb(config: Config, tracking: Tracking, job_type: str, known: TrackedRun) -> "wandb.Run":
    """The run on the server, new or resumed; nothing about the person or the machine goes with it."""
    import wandb

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
            # No argv, output, code, host, user, packages.
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


def last_step(run: "wandb.Run") -> int:
    """The step of the last row of the run's history that is on the server, -1 without any."""
    import wandb

    api = wandb.Api(overrides={"entity": run.entity, "project": run.project})
    return int(api.run(f"{run.entity}/{run.project}/{run.id}").lastHistoryStep)
