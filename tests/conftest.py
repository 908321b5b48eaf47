"""Fixtures for every test: a clean environment, and a running local Hub."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOREIGN = ("HF_", "HUGGING", "WANDB_", "HUB_PUBLISHER_")
_CLEAN = {
    "HF_HOME": tempfile.mkdtemp(prefix="hf-home-"),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "1",  # every core has a test of its own; threads of two at once would wait for one another
}

# huggingface_hub and wandb read most of their environment when they are imported, which may be long before a test runs.
for _name in [name for name in os.environ if name.startswith(_FOREIGN)]:
    del os.environ[_name]
os.environ.update(_CLEAN)
# A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that; the tests press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("tests.helpers")  # its assertions, too, show what they compare

from huggingface_hub import HfApi  # noqa: E402

from hub_publisher import localhub  # noqa: E402
from tests.helpers.tiny import make_tiny_model  # noqa: E402

# What takes longest, first: pytest-xdist hands out whole files, in this order, so that what comes last is short. Within
# a file the tests share what is made once for it.
_LONGEST_FIRST = (
    "tracking/test_tracked_publication.py",
    "tests/test_notebook.py",
    "pipeline/test_pipeline.py",
    "finetune/test_finetune.py",
    "tracking/test_online.py",
    "hub/test_push_faults.py",
    "pipeline/test_runner.py",
    "tracking/test_sync.py",
    "tracking/test_tracking.py",
    "pipeline/test_publish_again.py",
    "readme/test_javascript_parsers.py",
    "pipeline/test_verify.py",
    "localhub/test_worker.py",
    "hub/test_push_faults_more.py",
    "localhub/test_browser.py",
    "pipeline/test_refresh.py",
    "card/test_snippet.py",
    "readme/test_escape.py",
    "cli/test_cli.py",
    "tracking/test_lineage.py",
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each core: much of the tests' time is waiting for a server, a child process or a deadline."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    places = {name: place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


def pytest_unconfigure() -> None:
    """Remove the cache that the Hub's clients filled during the run."""
    shutil.rmtree(_CLEAN["HF_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after each test what it, or code it called, set in the environment."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    for name, value in _CLEAN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real, if hopeless, base model; who changes it takes a copy."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[localhub.LocalHub]:
    """A local Hub in a process of its own, with `.url`, `.token` and `.root`; give repositories names of your own."""
    with localhub.start(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def api(hub: localhub.LocalHub) -> HfApi:
    """The Python client of that Hub, with its token."""
    return HfApi(endpoint=hub.url, token=hub.token)


@pytest.fixture
def anonymous(hub: localhub.LocalHub) -> HfApi:
    """The same without a token."""
    return HfApi(endpoint=hub.url, token=False)
