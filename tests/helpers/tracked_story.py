"""What the pipeline does for the tracker, without a training: `tracked_story.py RUNS_DIR [HUB_URL TOKEN]`.

--FIELD=VALUE sets a field of Config. At each step it prints a line and, with --slowly, waits for one; --quick shortens
its patience; --imports tells whether wandb was needed; --sync does what `hub-publisher sync` does for the runs. It
plants a host's and a user's name where wandb would look for them.
"""

import getpass
import json
import socket
import sys
from pathlib import Path

from hub_publisher import tracking
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.records import TIMELINE, Curation, Evaluation, Post, Receipt, Timeline, Training
from hub_publisher.system.files import write_jsonl, write_record
from hub_publisher.tracking import client
from hub_publisher.tracking import run as runs
from hub_publisher.tracking.records import Tracking
from tests.helpers import card_records

NUM_STEPS = 30
STARTED_AT = 1_700_000_000.5  # long ago: a curve that is sent later keeps its times
COMMIT = "c0ffee" + 34 * "0"
HUGGING_FACE = "https://huggingface.co"


def main() -> None:
    flags = [argument.removeprefix("--") for argument in sys.argv[2:] if argument.startswith("--")]
    fields = dict(flag.split("=", 1) for flag in flags if "=" in flag)
    hub = [argument for argument in sys.argv[2:] if not argument.startswith("--")][:2]
    config = Config(handle="tide_clerk", runs_dir=Path(sys.argv[1]), **fields)  # type: ignore[arg-type]
    if "quick" in flags:
        runs.ASK_SECONDS, client.FINISH_SECONDS = 3.0, 2
    socket.gethostname = lambda: "planted-host"  # type: ignore[assignment]
    getpass.getuser = lambda: "planted-user"  # type: ignore[assignment]
    try:
        tracking.sync(config, no_hub if "no-hub" in flags else no_link, print) if "sync" in flags else tell(config, hub)
    except PublisherError as error:
        sys.exit(str(error))


def no_link(record: Tracking) -> None:
    """A publication without a card to link from."""


def no_hub(record: Tracking) -> None:
    raise PublisherError("The Hub is away.", "Try later.")


def tell(config: Config, hub: list[str]) -> None:
    """The whole story."""
    config.run_dir.mkdir(parents=True, exist_ok=True)
    timeline, curation = read_posts(config)
    tracked = tracking.decide(config)
    step("decided")
    tracked = tracking.record_preprocess(config, tracked, timeline, curation, lambda line: print("warning:", line))
    step("preprocessed")
    with tracking.open_run(config, tracked, "train", {"learning_rate": 2e-4, "seed": 42}) as run:
        if not (config.run_dir / "training.json").exists():
            with tracking.follow(run, config.run_dir / "training-log.jsonl"):
                train(config)
        step("trained")
        training, evaluation = card_records.training(), card_records.evaluation()
        write_record(config.run_dir / "training.json", training)
        write_record(config.run_dir / "evaluation.json", evaluation)
        tracking.record_inputs(run, config, training)
        receipt = publish(config, hub, curation, training, evaluation)
        step("published")
        tracking.record_publication(run, evaluation, config, receipt)
    for warning in run.warnings:
        print("warning:", warning)
    if "--imports" in sys.argv:
        print("wandb was", "imported" if "wandb" in sys.modules else "not imported")


def step(name: str) -> None:
    print(name, flush=True)
    if "--talkative" in sys.argv:
        print("planted-words-on-stdout")
    if "--slowly" in sys.argv:
        sys.stdin.readline()


def read_posts(config: Config) -> tuple[Timeline, Curation]:
    """As fetching and curating leave them."""
    posts = tuple(Post(id=str(number), text=f"raw text {number}") for number in range(400))
    timeline = Timeline(
        fingerprint="t" * 64, source="x_archive", handle="tide_clerk", display_name="Tide Clerk", posts=posts
    )
    write_jsonl(config.run_dir / TIMELINE, posts)
    write_record(config.run_dir / "timeline.json", timeline.model_copy(update={"posts": ()}))
    curation = card_records.curation(config.run_dir)
    write_record(config.run_dir / "curation.json", curation)
    return timeline, curation


def train(config: Config) -> None:
    """The log of a training, which goes on where it stopped."""
    path = config.run_dir / "training-log.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    with open(path, "ab", buffering=0) as file:
        for number, line in enumerate(log_lines()):
            if number >= len(lines):
                file.write(line)
            if number == NUM_STEPS // 2:
                step("training")


def log_lines() -> list[bytes]:
    """The whole log of NUM_STEPS steps: an evaluation before the first and one after the last."""
    rows = [{"kind": "eval", "epoch": 0, "step": 0, "eval_loss": 5.0, "time": STARTED_AT}]
    for number in range(1, NUM_STEPS + 1):
        facts = {"epoch": number / NUM_STEPS, "loss": 4.0, "learning_rate": 2e-4, "grad_norm": 1.0}
        rows.append({"kind": "step", "step": number, **facts, "num_tokens": 9 * number, "tokens_per_second": 2e3})
        rows[-1]["time"] = STARTED_AT + 60.0 * number
    rows.append({"kind": "eval", "epoch": 1, "step": NUM_STEPS, "eval_loss": 4.5, "time": STARTED_AT + 3600.0})
    return [json.dumps(row).encode() + b"\n" for row in rows]


def publish(config: Config, hub: list[str], curation: Curation, training: Training, evaluation: Evaluation) -> Receipt:
    """To the Hub that was named; without one the record of a publication on huggingface.co, which nobody asks."""
    model = config.run_dir / "model"
    model.mkdir(exist_ok=True)
    if not hub:
        (model / "README.md").write_text("# The card\n")
        files = {"model.safetensors": "a" * 64, "figures/loss.png": "b" * 64, "other/loss.png": "c" * 64}
        receipt = Receipt(
            fingerprint="r", endpoint=HUGGING_FACE, is_local=False, repo_id=card_records.REPO_ID, visibility="public",
            commit=COMMIT, url=f"{HUGGING_FACE}/{card_records.REPO_ID}", files=files,
            published_at=curation.last_post_at,
        )  # fmt: skip
        write_record(config.run_dir / "receipt.json", receipt)
        return receipt
    import numpy
    from safetensors.numpy import save_file

    from hub_publisher.hub.client import HubClient
    from hub_publisher.hub.target import preflight
    from tests.helpers.push import push

    card_records.draw_avatar(config.run_dir)
    save_file({"weights": numpy.arange(100, dtype=numpy.float32)}, model / "model.safetensors")
    target = preflight(config, HubClient(*hub), is_local=True)
    records = (curation, training, evaluation, card_records.snippet(), tracking.current(config))
    card_records.render(config, target.repo_id, *records, endpoint=target.endpoint)
    return push(config, target)


if __name__ == "__main__":
    main()
