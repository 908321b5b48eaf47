"""The real Weights & Biases, when a key and a project for it are given: what a server of our own cannot show.

LIVE_WANDB_API_KEY and LIVE_WANDB_PROJECT, on request LIVE_WANDB_ENTITY and LIVE_WANDB_BASE_URL; needs the network. It
leaves two runs, six artifacts and four tables in the project.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.tracking import Story

_NEEDED = ("LIVE_WANDB_API_KEY", "LIVE_WANDB_PROJECT")
CHECK = """
import sys, wandb
api = wandb.Api()
for url in sys.argv[1:]:
    entity, project, _, run_id = url.split("/")[-4:]
    run = api.run(f"{entity}/{project}/{run_id}")
    assert run.state == "finished", run.state
    print(run.job_type, *sorted(a.type for a in run.used_artifacts()), "->", *sorted(
        a.type for a in run.logged_artifacts() if a.state == "COMMITTED"))
"""


@pytest.mark.skipif(not all(map(os.environ.get, _NEEDED)), reason=f"needs {' and '.join(_NEEDED)}")
def test_the_real_server_takes_the_whole_lineage(tmp_path: Path) -> None:
    names = ("API_KEY", "PROJECT", "ENTITY", "BASE_URL")
    login = {f"WANDB_{name}": value for name in names if (value := os.environ.get(f"LIVE_WANDB_{name}"))}
    story = Story(tmp_path)
    done = story.run(story.command("--wandb=online"), **login)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning" not in done.stdout, done.stdout
    runs = story.tracking.runs
    assert all(run.recorded for run in runs.values())
    urls = [str(runs[job].url) for job in ("preprocess", "train")]
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, *urls], env=story.environment(**login), capture_output=True, text=True, check=True
    )
    assert checked.stdout.splitlines() == [
        "preprocess raw-dataset -> run_table run_table run_table train-dataset",
        "train pretrained-model train-dataset -> evaluation finetuned-model model-card run_table",
    ]
