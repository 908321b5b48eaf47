"""A publication's folder as the stages before push leave it, small, and a process that publishes it."""

import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

import numpy
from faults import FaultProxy
from safetensors.numpy import save_file

from hub_publisher.config import Config
from hub_publisher.disk import sha256_of
from hub_publisher.readme.regions import seal
from hub_publisher.records import Card

PUSH = """
import sys
from pathlib import Path
from hub_publisher.config import Config
from hub_publisher.push import Target, push
from hub_publisher.records import Card

runs_dir, url, token, repo_id = sys.argv[1:]
config = Config(handle="lampkeeper_bot", repo_name=repo_id.split("/")[1], runs_dir=Path(runs_dir))
try:
    push(config, Target(url, True, token, "local", repo_id, False), Card(fingerprint="c", files={}))
except KeyboardInterrupt:
    sys.exit(130)
"""


def make_publication(root: Path, name: str) -> tuple[Config, Card]:
    """model/ with weights of 400 kB (sent as a large file), a configuration, a card and a figure."""
    config = Config(handle="lampkeeper_bot", repo_name=name, runs_dir=root / "runs")
    model = config.run_dir / "model"
    (model / "figures").mkdir(parents=True)
    weights = numpy.random.default_rng(crc32(name.encode())).standard_normal(100_000).astype(numpy.float32)
    save_file({"weights": weights}, model / "model.safetensors")
    (model / "config.json").write_text('{"model_type": "gpt2"}\n')
    write_card(config, "# A card\n")
    (model / "figures" / "loss.png").write_bytes(b"\x89PNG " + name.encode())
    files = {path: sha256_of(model / path) for path in ("README.md", "figures/loss.png")}
    return config, Card(fingerprint=f"card of {name}", files=files)


def write_card(config: Config, body: str) -> None:
    """README.md as the card stage leaves it: front matter, and a body in a sealed region."""
    page = f'---\nlicense: "apache-2.0"\n---\n\n{seal(body)}'
    (config.run_dir / "model" / "README.md").write_text(page)


def push_in_a_process(runs_dir: Path, url: str, token: str, repo_id: str) -> subprocess.Popen[bytes]:
    """Starts publishing what lies under `runs_dir`; ends with 130 when interrupted."""
    return subprocess.Popen([sys.executable, "-c", PUSH, str(runs_dir), url, token, repo_id])


def wait_for(proxy: FaultProxy, method: str, path: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when `process` has sent such a request."""
    give_up_at = time.monotonic() + 30
    while not proxy.count(method, path):
        assert time.monotonic() < give_up_at and process.poll() is None
        time.sleep(0.02)
