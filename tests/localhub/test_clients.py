"""The local Hub and programs that know it only from their environment: clients of every kind, none of them modified."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.numpy import save

from hub_publisher import localhub
from hub_publisher.localhub.store import GIT_ATTRIBUTES
from tests.helpers import TESTS
from tests.helpers.hub_calls import call

WEIGHTS = save(
    {"a": np.random.default_rng(0).standard_normal((600, 800), dtype=np.float32), "b": np.zeros(9, np.int64)}
)
CARD = b"---\nlicense: mit\nlibrary_name: transformers\n---\n# A card\n"


def run_client(hub: localhub.LocalHub, home: Path, command: list[str], **environment: str) -> str:
    """Run a client that knows the Hub only from its environment; return what it printed."""
    known = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    environ = {**os.environ, **known, **environment}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, cwd=home.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


PUBLISH = """
    import json, sys
    from huggingface_hub import HfApi, CommitOperationAdd, ModelCard, snapshot_download
    from huggingface_hub.utils._runtime import is_xet_available
    folder, name = sys.argv[1:]
    api = HfApi()
    api.create_repo(name)
    api.create_repo(name, exist_ok=True)
    files = ["README.md", "model.safetensors", "figures/loss.png", "empty.txt"]
    def operations():
        return [CommitOperationAdd(path, folder + "/" + path) for path in files]
    first = api.create_commit(name, operations(), commit_message="publish")
    second = api.create_commit(name, operations(), commit_message="publish again")
    there = snapshot_download(name)
    same = all(open(there + "/" + p, "rb").read() == open(folder + "/" + p, "rb").read() for p in files)
    commits = [commit.title for commit in api.list_repo_commits(name)]
    card = ModelCard.load(name)
    card.data.license = "apache-2.0"
    card.push_to_hub(name)
    licence = ModelCard.load(name).data.license
    print(json.dumps([is_xet_available(), first.oid, second.oid, same, commits, licence]))
"""


@pytest.mark.parametrize("path", ["xet", "lfs"])
def test_publish_and_load_back_byte_for_byte(hub: localhub.LocalHub, api: HfApi, tmp_path: Path, path: str) -> None:
    files = {"README.md": CARD, "model.safetensors": WEIGHTS, "figures/loss.png": os.urandom(70_000), "empty.txt": b""}
    for name, data in files.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    command = [sys.executable, "-c", textwrap.dedent(PUBLISH), str(tmp_path / "model"), f"tests/publish-{path}"]
    out = run_client(hub, tmp_path / "home", command, HF_HUB_DISABLE_XET="1" if path == "lfs" else "0")
    uses_xet, first, second, same, commits, licence = json.loads(out)
    assert (uses_xet, same, licence) == (path == "xet", True, "apache-2.0")
    assert first == second, "pushing the same again must not make a commit"
    assert commits == ["publish", "initial commit"]
    info = api.model_info(f"tests/publish-{path}", files_metadata=True, revision=first)
    assert info.sha == first
    assert {s.rfilename: (s.size, s.lfs is not None) for s in info.siblings if s.rfilename != ".gitattributes"} == {
        "README.md": (len(CARD), False), "empty.txt": (0, False),
        "figures/loss.png": (70_000, True), "model.safetensors": (len(WEIGHTS), True),
    }  # fmt: skip
    checked = api.verify_repo_checksums(f"tests/publish-{path}", local_dir=tmp_path / "model", revision=first)
    assert checked.mismatches == []


def test_a_full_xorb_of_data_that_does_not_compress(api: HfApi) -> None:
    data = os.urandom(65 * 2**20)  # more than one xorb holds, so the first is as large as they get
    api.create_repo("tests/noise")
    api.upload_file(path_or_fileobj=data, path_in_repo="model.safetensors", repo_id="tests/noise")
    (file,) = api.get_paths_info("tests/noise", ["model.safetensors"])
    assert (file.size, file.lfs.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_upload_folder_and_the_hf_command(hub: localhub.LocalHub, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "model" / "README.md").write_bytes(CARD)
    hf = str(Path(sys.executable).parent / "hf")
    home = tmp_path / "home"
    assert "local" in run_client(hub, home, [hf, "auth", "whoami"])
    run_client(hub, home, [hf, "upload", "tests/by-command", str(tmp_path / "model"), "."])
    run_client(hub, home, [hf, "download", "tests/by-command", "--local-dir", str(tmp_path / "back")])
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "back" / "README.md").read_bytes() == CARD


LOAD_AND_PUSH = """
    import sys
    from transformers import GenerationConfig
    config = GenerationConfig.from_pretrained("tests/tiny-gpt2")
    print(config.top_k)
    config.push_to_hub("tests/tiny-gpt2-again", token=sys.argv[1])
"""


def test_transformers_loads_and_pushes_by_id_with_nothing_but_the_endpoint(
    hub: localhub.LocalHub, api: HfApi, tmp_path: Path
) -> None:
    """What needs no torch stands for models, which come and go the same way; every loadback loads one."""
    files = {
        "config.json": b'{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}',
        "generation_config.json": b'{"top_k": 7}', "model.safetensors": WEIGHTS,
    }  # fmt: skip
    api.create_repo("tests/tiny-gpt2")
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    api.create_commit("tests/tiny-gpt2", adds, commit_message="tiny")
    command = [sys.executable, "-c", textwrap.dedent(LOAD_AND_PUSH), hub.token]
    assert run_client(hub, tmp_path / "home", command, HF_TOKEN="") == "7\n"
    assert b'"top_k": 7' in call(hub, "GET", "/tests/tiny-gpt2-again/resolve/main/generation_config.json")[2]
    info = api.model_info("tests/tiny-gpt2")
    assert (info.safetensors.total, info.pipeline_tag) == (480_009, "text-generation")
    assert {"gpt2", "safetensors"} <= set(info.tags)
    assert b"480,009 parameters" in call(hub, "GET", "/tests")[2]


def test_the_javascript_client(hub: localhub.LocalHub, tmp_path: Path) -> None:
    folder = TESTS / "javascript"
    if not shutil.which("node") or not (folder / "node_modules" / "@huggingface").is_dir():
        assert not os.environ.get("TESTS_REQUIRE_NODE"), "node or @huggingface/hub is missing: make javascript"
        pytest.skip("node or @huggingface/hub is not here; `make javascript` installs the package")
    assert json.loads(run_client(hub, tmp_path / "home", ["node", str(folder / "hub.mjs")])) == {
        "name": "local", "same": [True, True], "edited": True, "pullRequest": True, "models": ["javascript/model"],
        "files": [[".gitattributes", len(GIT_ATTRIBUTES)], ["README.md", 25], ["b.txt", 1], ["hello.txt", 5],
                  ["m.safetensors", 3_000_000]],
        "license": "mit", "pointer": "size 3000000", "exists": [False, True], "commits": 5, "again": 409, "gone": True,
    }  # fmt: skip
