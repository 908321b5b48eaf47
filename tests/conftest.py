"""Fixtures for every test: a clean environment, and a running local Hub."""

import os
from collections.abc import Iterator

import pytest

from hub_publisher import localhub

_OURS = ("HF_", "HUGGING", "WANDB_", "HUB_PUBLISHER_")
_CLEAN = {"HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide what the developer's machine has set: tokens, endpoints, caches, tracking, colours."""
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    for name, value in _CLEAN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf_home"))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[localhub.LocalHub]:
    """A local Hub in a process of its own, with `.url`, `.token` and `.root`; give repositories names of your own."""
    with localhub.start(tmp_path_factory.mktemp("hub")) as running:
        yield running
