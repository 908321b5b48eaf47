"""Training with Weights & Biases beside training without, and what an absent server costs a publication, in one run.

    python tests/benchmarks/bench_tracking.py [--posts 160] [--rounds 2]

Every training takes the same batches in the same order, so each step's tokens per second is held against those of the
same step of the training without a tracker; the median of these ratios is shown. The server is the tests' own, on this
machine, so its work counts too. Second, seconds of what a publication does for the tracker, training left out.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hub_publisher import curate, finetune, sources, tracking
from hub_publisher.config import Config
from hub_publisher.model import base_model
from hub_publisher.system.files import write_bytes
from tests.helpers.faults import BlackHole, unused_url
from tests.helpers.tracking import KEY, Story
from tests.helpers.wandb_server import WandbServer

LOG = "training-log.jsonl"
MODES = ("disabled", "offline", "online")


def speeds(folder: Path, posts: Path, mode: str, server: WandbServer) -> list[float]:
    """Tokens per second of every step of one training, tracked as `mode` says."""
    os.environ |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "WANDB_SILENT": "true"}
    config = Config(
        handle="bench", runs_dir=folder, from_path=posts, base_model="smollm2-135m", wandb=mode, min_posts=1,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    curation = curate.curate(config, sources.fetch(config))
    base = base_model.resolve(config, may_substitute=False)
    tracked = tracking.decide(config)
    with tracking.open_run(config, tracked, "train", {}) as run, tracking.follow(run, config.run_dir / LOG):
        training = finetune.finetune(config, curation, base)
    assert not run.warnings and len(server.runs) == (mode == "online"), run.warnings
    return [point.tokens_per_second for point in training.log]


def training_speed(num_posts: int, num_rounds: int) -> None:
    """Print the ratio of speeds with and without a tracker."""
    with tempfile.TemporaryDirectory() as folder:
        timeline = sources.fetch(Config(handle="lampkeeper_bot", runs_dir=Path(folder)))
        posts = Path(folder) / "posts.txt"
        write_bytes(posts, "\n".join(" ".join(post.text.split()) for post in timeline.posts[:num_posts]).encode())
        measured: dict[str, list[float]] = {mode: [] for mode in MODES}
        for number in range(num_rounds):
            for mode in MODES[:: 1 if number % 2 == 0 else -1]:
                with WandbServer(KEY) as server:
                    measured[mode] += speeds(Path(folder) / f"{mode}-{number}", posts, mode, server)
    print(f"\n{'training':32}{'tokens/s':>12}{'ratio':>8}")
    for mode in MODES:
        ratio = statistics.median(a / b for a, b in zip(measured[mode], measured["disabled"], strict=True))
        print(f"{mode:32}{statistics.median(measured[mode]):>12.0f}{ratio:>8.3f}")


def publication_seconds(num_rounds: int) -> None:
    """Print how much longer a publication takes when the server is not there."""
    with BlackHole() as hole:
        places = {
            "disabled": {"WANDB_MODE": "disabled"},
            "offline, no key": {},
            "a server that refuses": {"WANDB_BASE_URL": unused_url(), "WANDB_API_KEY": KEY},
            "a server that never answers": {"WANDB_BASE_URL": hole.url, "WANDB_API_KEY": KEY},
        }
        seconds: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(num_rounds):
            for name, environment in places.items():
                with tempfile.TemporaryDirectory() as folder:
                    story, started = Story(Path(folder)), time.monotonic()
                    done = story.run(story.command(), **environment)
                    seconds[name].append(time.monotonic() - started)
                    assert done.returncode == 0, done.stderr
    print(f"\n{'publication without training':32}{'seconds':>12}{'more':>8}")
    for name, values in seconds.items():
        more = statistics.median(values) - statistics.median(seconds["disabled"])
        print(f"{name:32}{statistics.median(values):>12.1f}{more:>8.1f}")


def main() -> None:
    """Both measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    publication_seconds(arguments.rounds + 1)
    training_speed(arguments.posts, arguments.rounds)


if __name__ == "__main__":
    main()
