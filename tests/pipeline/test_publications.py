"""`list`, `status` and `delete` of a finished publication."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result
from filelock import FileLock
from huggingface_hub import HfApi

from hub_publisher import localhub
from hub_publisher.cli import main
from hub_publisher.pipeline.stages import STAGES
from tests.helpers.publication import SAMPLE, Place

NAMES = [stage.name for stage in STAGES]


def run(place: Place, command: str, *flags: str) -> Result:
    handle = [] if command == "list" else [SAMPLE]
    return CliRunner().invoke(main, [command, *handle, "--runs-dir", str(place.folder / "runs"), *flags])


def test_list_says_how_far_each_is_and_where(copied: Place) -> None:
    (copied.run_dir.parent / "begun").mkdir()
    (copied.run_dir.parent / "begun" / "timeline.json").write_bytes((copied.run_dir / "timeline.json").read_bytes())
    (copied.run_dir.parent / "begun" / "timeline.jsonl").write_bytes((copied.run_dir / "timeline.jsonl").read_bytes())
    (copied.run_dir.parent / "of mine").mkdir()
    begun, done = json.loads(run(copied, "list", "--json").stdout)
    assert begun["name"] == "begun" and begun["repo_id"] is None
    repo_id = f"huggingtweets/{SAMPLE}"
    assert (done["name"], done["stage"], done["repo_id"], done["visibility"]) == (
        SAMPLE, "loadback", repo_id, "public",
    )  # fmt: skip
    first, second = run(copied, "list").stdout.splitlines()
    assert first.split() == ["begun", begun["stage"] or "nothing", "not", "published"]
    assert second.split() == [SAMPLE, "loadback", repo_id, "(public)", done["url"]]


def test_status_tells_done_to_do_and_damaged(copied: Place) -> None:
    assert json.loads(run(copied, "status", "--json").stdout) == dict.fromkeys(NAMES, "done")
    (copied.run_dir / "posts.jsonl").write_text("")
    (copied.run_dir / "snippet.json").write_text("{")
    (copied.run_dir / "loadback.json").unlink()
    found = dict(line.split(maxsplit=1) for line in run(copied, "status").stdout.splitlines())
    others = {"curate": "damaged", "snippet": "damaged", "loadback": "to do"}
    assert found == {**dict.fromkeys(NAMES, "done"), **others}


def test_delete_asks_and_leaves_the_hub_alone(copied: Place) -> None:
    hub_dir = ["--hub-dir", str(copied.folder / "hub")]
    refused = run(copied, "delete", *hub_dir)
    assert (refused.exit_code, refused.stderr) == (
        2,
        "Error: Nothing was deleted: there is nobody to ask.\nSay that it may go: --yes\n",
    )
    with FileLock(copied.run_dir / ".lock"):
        assert "Another process is working" in run(copied, "delete", "--yes", *hub_dir).stderr
    with localhub.start(copied.folder / "hub") as hub:
        receipt = copied.run_dir / "receipt.json"
        receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "endpoint": hub.url}))
        deleted = run(copied, "delete", "--yes", *hub_dir)
        assert deleted.exit_code == 0, deleted.output
        assert not copied.run_dir.exists()
        api = HfApi(endpoint=hub.url, token=hub.token)
        assert api.repo_exists(f"huggingtweets/{SAMPLE}")
        _type(deleted.stderr.splitlines()[-1].strip() + " --yes")
        assert not api.repo_exists(f"huggingtweets/{SAMPLE}")


def _type(command: str) -> None:
    """In a shell of a person whose `hf` is the one of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert result.returncode == 0, result.stderr
