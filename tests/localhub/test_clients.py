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
    from huggingface_hub import HfApi, CommitOperationAdd, snapshot_download
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
    print(json.dumps([is_xet_available(), first.oid, second.oid, same, commits]))
"""


@pytest.mark.parametrize("path", ["xet", "lfs"])
def test_publish_and_load_back_byte_for_byte(hub: localhub.LocalHub, api: HfApi, tmp_path: Path, path: str) -> None:
    files = {"README.md": CARD, "model.safetensors": WEIGHTS, "figures/loss.png": os.urandom(70_000), "empty.txt": b""}
    for name, data in files.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    command = [sys.executable, "-c", textwrap.dedent(PUBLISH), str(tmp_path / "model"), f"tests/publish-{path}"]
    out = run_client(hub, tmp_path / "home", command, HF_HUB_DISABLE_XET="1" if path == "lfs" else "0")
    uses_xet, first, second, same, commits = json.loads(out)
    assert (uses_xet, same) == (path == "xet", True)
    assert first == second, "pushing the same again must not make a commit"
    assert commits == ["publish", "initial commit"]
    info = api.model_info(f"tests/publish-{path}", files_metadata=True)
    assert info.sha == first
    assert {s.rfilename: (s.size, s.lfs is not None) for s in info.siblings if s.rfilename != ".gitattributes"} == {
        "README.md": (len(CARD), False), "empty.txt": (0, False),
        "figures/loss.png": (70_000, True), "model.safetensors": (len(WEIGHTS), True),
    }  # fmt: skip
    assert api.verify_repo_checksums(f"tests/publish-{path}", local_dir=tmp_path / "model").mismatches == []


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
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained("tests/tiny-gpt2")
    print(model.num_parameters(), round(model.transformer.wte.weight[3, 2].item(), 4))
    model.push_to_hub("tests/tiny-gpt2-again", token=sys.argv[1])
"""


def tiny_gpt2() -> dict[str, np.ndarray]:
    shapes = {
        "wte.weight": (50, 16), "wpe.weight": (16, 16), "ln_f.weight": (16,), "ln_f.bias": (16,),
        "h.0.ln_1.weight": (16,), "h.0.ln_1.bias": (16,), "h.0.ln_2.weight": (16,), "h.0.ln_2.bias": (16,),
        "h.0.attn.c_attn.weight": (16, 48), "h.0.attn.c_attn.bias": (48,),
        "h.0.attn.c_proj.weight": (16, 16), "h.0.attn.c_proj.bias": (16,),
        "h.0.mlp.c_fc.weight": (16, 64), "h.0.mlp.c_fc.bias": (64,),
        "h.0.mlp.c_proj.weight": (64, 16), "h.0.mlp.c_proj.bias": (16,),
    }  # fmt: skip
    random = np.random.default_rng(1)
    return {f"transformer.{name}": random.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def test_transformers_loads_by_id_with_nothing_but_the_endpoint(
    hub: localhub.LocalHub, api: HfApi, tmp_path: Path
) -> None:
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 1, "n_head": 2, "n_embd": 16}
    config |= {"vocab_size": 50, "n_positions": 16, "bos_token_id": 0, "eos_token_id": 0}
    weights = tiny_gpt2()
    api.create_repo("tests/tiny-gpt2")
    adds = [
        CommitOperationAdd("config.json", json.dumps(config).encode()),
        CommitOperationAdd("model.safetensors", save(weights, metadata={"format": "pt"})),
    ]
    api.create_commit("tests/tiny-gpt2", adds, commit_message="tiny")
    command = [sys.executable, "-c", textwrap.dedent(LOAD_AND_PUSH), hub.token]
    out = run_client(hub, tmp_path / "home", command, HF_TOKEN="", DISABLE_SAFETENSORS_CONVERSION="1")
    assert out.split() == ["4368", str(round(weights["transformer.wte.weight"][3, 2].item(), 4))]
    for name in ("tests/tiny-gpt2", "tests/tiny-gpt2-again"):
        info = api.model_info(name)
        assert (info.safetensors.total, info.pipeline_tag) == (4_368, "text-generation")
        assert {"gpt2", "safetensors"} <= set(info.tags)


CARD_CLIENT = """
    import sys
    from huggingface_hub import ModelCard
    card = ModelCard.load("tests/card-client")
    card.data.license = sys.argv[1]
    card.push_to_hub("tests/card-client")
    print(ModelCard.load("tests/card-client").data.license)
"""


def test_model_card_loads_and_pushes(hub: localhub.LocalHub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo("tests/card-client")
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id="tests/card-client")
    command = [sys.executable, "-c", textwrap.dedent(CARD_CLIENT)]
    assert run_client(hub, tmp_path / "home", [*command, "apache-2.0"]).strip() == "apache-2.0"


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
