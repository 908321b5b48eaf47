"""A publication's folder as the stages before push leave it, small, and a process that publishes it."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy
from huggingface_hub import HfApi
from safetensors.numpy import save_file

from hub_publisher.config import Config
from hub_publisher.hub import push as stage
from hub_publisher.hub.client import HubClient, RetryPolicy
from hub_publisher.hub.repository import File
from hub_publisher.hub.target import Target
from hub_publisher.localhub import LocalHub
from hub_publisher.readme.regions import seal
from hub_publisher.records import Receipt
from hub_publisher.system.files import output_of, read_record, write_record
from tests.helpers.faults import FaultProxy

PUSH = """
import sys
from pathlib import Path
from hub_publisher.config import Config
from hub_publisher.errors import HubError
from hub_publisher.hub.client import HubClient, RetryPolicy
from hub_publisher.hub.target import Target
from tests.helpers.push import push

runs_dir, url, token, repo_id, seconds = sys.argv[1:]
config = Config(handle="lampkeeper_bot", repo_name=repo_id.split("/")[1], runs_dir=Path(runs_dir))
try:
    retry_policy = RetryPolicy(upload_seconds=float(seconds), upload_bytes_per_second=1e9)
    push(config, Target(HubClient(url, token, retry_policy), True, repo_id, False))
except HubError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)
"""


QUICK = RetryPolicy(
    num_attempts=4,
    first_wait_seconds=0.05,
    longest_wait_seconds=0.2,
    longest_asked_wait_seconds=3,
    answer_seconds=1.0,
    request_seconds=20,
    upload_seconds=25,
)


UNHURRIED = replace(QUICK, answer_seconds=5)  # for tests of no faults, on a machine that is busy with others


def files_of(config: Config) -> dict[str, File]:
    """Every file in model/, by path: here all of them are the stages'."""
    model = config.run_dir / "model"
    paths = [path for path in sorted(model.rglob("*")) if path.is_file()]
    outputs = {path: output_of(path) for path in paths}
    return {
        path.relative_to(model).as_posix(): File(path, output.size, output.sha256) for path, output in outputs.items()
    }


def push(config: Config, target: Target, create_pr: bool = False) -> Receipt:
    """Push and keep the receipt, as the pipeline does."""
    path = config.run_dir / Receipt.file
    receipt = stage.push(target, files_of(config), read_record(path, Receipt), create_pr)
    write_record(path, receipt)
    return receipt


class Publishing:
    """Pushes a small publication, whose repository is named after `what`: `publish(url)` returns the commit."""

    def __init__(self, root: Path, hub: LocalHub, what: str) -> None:
        self.hub, self.name = hub, f"faults-{crc32(what.encode())}"
        self.repo_id = f"huggingtweets/{self.name}"
        self.config = make_publication(root, self.name)
        self.folder = self.config.run_dir

    def __call__(self, url: str, retry_policy: RetryPolicy = QUICK, create_pr: bool = False) -> str:
        target = Target(HubClient(url, self.hub.token, retry_policy), True, self.repo_id, False)
        return push(self.config, target, create_pr).commit


def commits(hub: LocalHub, repo_id: str) -> list[str]:
    """Hashes of the repository's commits, newest first, without the one that created it."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    return [commit.commit_id for commit in api.list_repo_commits(repo_id)][:-1]


def assert_published_once(hub: LocalHub, publish: Publishing, commit: str) -> None:
    """One commit, whose files are those of the publication, byte for byte."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    assert commits(hub, publish.repo_id) == [commit]
    model = publish.folder / "model"
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    assert set(api.list_repo_files(publish.repo_id)) - {".gitattributes"} == files
    for path in files:
        held = api.hf_hub_download(publish.repo_id, path, local_dir=publish.folder / "back")
        assert Path(held).read_bytes() == (model / path).read_bytes()


def make_publication(root: Path, name: str) -> Config:
    """model/ with weights of 400 kB (sent as a large file), a configuration, a card and a figure."""
    config = Config(handle="lampkeeper_bot", repo_name=name, runs_dir=root / "runs")
    model = config.run_dir / "model"
    (model / "figures").mkdir(parents=True)
    weights = numpy.random.default_rng(crc32(name.encode())).standard_normal(100_000).astype(numpy.float32)
    save_file({"weights": weights}, model / "model.safetensors")
    (model / "config.json").write_text('{"model_type": "gpt2"}\n')
    write_card(config, "# A card\n")
    (model / "figures" / "loss.png").write_bytes(b"\x89PNG " + name.encode())
    return config


def write_card(config: Config, body: str) -> None:
    """README.md as the card stage leaves it: front matter, and a body in a sealed region."""
    page = f'---\nlicense: "apache-2.0"\n---\n\n{seal(body)}'
    (config.run_dir / "model" / "README.md").write_text(page)


def push_in_a_process(
    runs_dir: Path, url: str, token: str, repo_id: str, upload_seconds: float = 600, **options: Any
) -> subprocess.Popen[Any]:
    """Starts publishing what lies under `runs_dir`; ends with 130 when interrupted, with 1 and words on an error."""
    command = [sys.executable, "-c", PUSH, str(runs_dir), url, token, repo_id, str(upload_seconds)]
    return subprocess.Popen(command, **options)


def wait_for(proxy: FaultProxy, method: str, path: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when `process` has sent such a request."""
    give_up_at = time.monotonic() + 30
    while not proxy.count(method, path):
        assert time.monotonic() < give_up_at and process.poll() is None
        time.sleep(0.02)
