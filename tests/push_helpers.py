"""A publication's folder as the stages before push leave it, small."""

from pathlib import Path
from zlib import crc32

import numpy
from safetensors.numpy import save_file

from hub_publisher.config import Config
from hub_publisher.records import Card, sha256_of


def make_publication(root: Path, name: str) -> tuple[Config, Card]:
    """model/ with weights of 400 kB (sent as a large file), a configuration, a card and a figure."""
    config = Config(handle="lampkeeper_bot", repo_name=name, runs_dir=root / "runs")
    model = config.run_dir / "model"
    (model / "figures").mkdir(parents=True)
    weights = numpy.random.default_rng(crc32(name.encode())).standard_normal(100_000).astype(numpy.float32)
    save_file({"weights": weights}, model / "model.safetensors")
    (model / "config.json").write_text('{"model_type": "gpt2"}\n')
    (model / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A card\n")
    (model / "figures" / "loss.png").write_bytes(b"\x89PNG " + name.encode())
    files = {path: sha256_of(model / path) for path in ("README.md", "figures/loss.png")}
    return config, Card(fingerprint=f"card of {name}", files=files)
