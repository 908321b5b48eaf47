"""wandb's own process on this machine, and its server elsewhere: every wait for them has a time limit."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, TypeVar

import psutil

from hub_publisher.config import Config
from hub_publisher.tracking.errors import environment, guarded, is_trouble, words
from hub_publisher.tracking.state import home, sync_command

PREFLIGHT_SECONDS = 8.0
REQUEST_SECONDS = 3
TEAR_DOWN_SECONDS = 10.0
ASK_SECONDS = 15.0
BYTES_PER_SECOND = 250_000  # of an upload that is waited for
FRESH_SECONDS = 5.0  # a server that answered within these is not asked whether it is there
NO_KEY = "there is no API key"
SERVICE = "WANDB_SERVICE"  # the variable in which wandb keeps the address of its process
T = TypeVar("T")

# Where the process of wandb's runs that was started here, and which that is.
_served_from: list[Path] = []
_processes: list[psutil.Process] = []


def start_service(config: Config) -> None:
    """Start wandb's process in the publication's folder, unless it runs there.

    It writes into the manifests that it uploads where it found each file. So all paths are given to it relative to
    this folder: what they say then is nothing about the machine.
    """
    import wandb

    folder = home(config)
    folder.mkdir(parents=True, exist_ok=True)
    if _served_from and _served_from != [folder.resolve()]:  # of another publication
        tear_down([])
    if not _served_from:
        os.environ.pop(SERVICE, None)  # of a process in another folder, or of one that is gone
    before = psutil.Process().children()
    with contextlib.chdir(folder):
        wandb.setup()
    _served_from[:] = [folder.resolve()]
    _processes.extend(process for process in psutil.Process().children() if process not in before)


def tear_down(warnings: list[str]) -> None:
    """End wandb's process, by force when it does not end by itself. It gives free the ids that failed starts hold."""
    import wandb

    def ask() -> None:
        # It repeats the exit code of its process, which is not that of this one.
        with contextlib.suppress(SystemExit):
            wandb.teardown()

    with guarded("starting afresh", warnings):
        within(TEAR_DOWN_SECONDS, ask)
    kill()
    _served_from.clear()
    _processes.clear()


def kill() -> None:
    """End wandb's process at once, with all that it has not sent: it would try to for a week, whatever its timeouts."""
    for process in _processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns. TimeoutError when that takes longer; the call is then left alone, and ends with the program.

    wandb waits for minutes or days where it was given no limit, and to many of its calls none can be given.
    """
    pool = ThreadPool(1)
    try:
        return pool.apply_async(ask).get(seconds)
    except multiprocessing.TimeoutError:
        raise TimeoutError(f"no answer within {seconds:.0f} seconds") from None
    finally:
        pool.terminate()


def preflight(config: Config) -> str | None:
    """What speaks against going online, in words that end a sentence, or None. PREFLIGHT_SECONDS at most."""
    if not may_have_key():
        return NO_KEY
    try:
        with environment(home(config), WANDB_HTTP_TIMEOUT=str(REQUEST_SECONDS)):
            start_service(config)
            return None if within(PREFLIGHT_SECONDS, _answers) else NO_KEY
    except TimeoutError:
        return f"its server did not answer within {PREFLIGHT_SECONDS:.0f} seconds"
    except Exception as error:
        if not is_trouble(error):
            raise
        return f"its server did not confirm the API key ({words(error).rstrip('.')})"


def may_have_key() -> bool:
    """Whether wandb could find a login, judged without importing it: only where one is possible is wandb asked."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    configuration = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    places = (Path(os.environ.get("NETRC") or "~/.netrc"), Path("~/_netrc"), configuration / "settings")
    return any(place.expanduser().is_file() for place in places)


def _answers() -> bool:
    """Whether there is an API key; raises whatever wandb raises when its server does not take it."""
    import wandb

    # While a run is open `login` says no without looking; without a key it must not be asked to prompt for one.
    if wandb.run is None and not wandb.login(prompt=False, verify=False):
        return False
    wandb.Api(timeout=REQUEST_SECONDS)  # asks whose key it is
    return True


def relative_to_service(path: Path, config: Config) -> str:
    """`path` as wandb's process finds it. ValueError when it lies outside the publication's folder."""
    if not path.resolve().is_relative_to(config.run_dir.resolve()):
        raise ValueError(f"{path.name} does not lie in the publication's folder")
    return os.path.relpath(path.resolve(), home(config).resolve())


class Server:
    """The server of an open run. `is_lost` when it stopped answering; `num_failures` counts what it did not get."""

    def __init__(self, config: Config, warnings: list[str]) -> None:
        self._config, self._warnings = config, warnings
        self._heard_at = 0.0
        self.is_lost = False
        self.num_failures = 0

    def heard(self) -> None:
        """It has just answered."""
        self._heard_at = time.monotonic()

    def ask(self, doing: str, question: Callable[[], Any], num_bytes: int = 0) -> Any:
        """What it answers to `question`, which sends `num_bytes`; None, with a warning, when it does not answer."""
        if not self._is_there():
            self.num_failures += 1
            return None
        answer, is_answered = None, False
        started, patience = time.monotonic(), ASK_SECONDS + num_bytes / BYTES_PER_SECOND
        with guarded(doing, self._warnings):
            answer = within(patience, question)
            is_answered = True
        self.is_lost = not is_answered and time.monotonic() - started >= patience
        self._heard_at = time.monotonic() if is_answered else 0.0
        self.num_failures += not is_answered
        return answer

    def _is_there(self) -> bool:
        """Whether it answers; asked anew after a silence or a failure, because wandb itself would wait for long."""
        if not self.is_lost and time.monotonic() - self._heard_at > FRESH_SECONDS:
            problem = preflight(self._config)
            self.is_lost = problem is not None
            if problem:
                remedy = f"`{sync_command(self._config)}` completes what is there"
                self._warnings.append(f"Weights & Biases: {problem}; {remedy}")
        return not self.is_lost
