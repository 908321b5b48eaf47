"""The server of a run that is open, asked with an end to every wait; once it is lost it is left in peace."""

import time
from collections.abc import Callable
from typing import Any

from hub_publisher.config import Config
from hub_publisher.tracking.guard import guarded
from hub_publisher.tracking.server import preflight, within

ASK_SECONDS = 15.0
BYTES_PER_SECOND = 250_000  # of an upload that is waited for
FRESH_SECONDS = 5.0  # a server that answered within these is not asked whether it is there


class Server:
    """What the server has answered so far. `is_lost` when it answers no more, `num_failures` counts what it missed."""

    def __init__(self, config: Config, warnings: list[str]) -> None:
        self._config, self._warnings = config, warnings
        self._heard_at = 0.0
        self.is_lost = False
        self.num_failures = 0

    def heard(self) -> None:
        """It has just answered."""
        self._heard_at = time.monotonic()

    def ask(self, doing: str, question: Callable[[], Any], num_bytes: int = 0) -> Any:
        """What it says to `question`, which sends `num_bytes`; None when it does not, with a warning that says so."""
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


def sync_command(config: Config) -> str:
    """What to type to bring the rest to the server."""
    name = f" --repo-name {config.repo_name}" if config.repo_name else ""
    return f"hub-publisher sync {config.handle}{name}"
