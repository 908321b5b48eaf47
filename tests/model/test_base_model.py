"""Which base model is used, and that nothing is said of it that is not known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.torch import load_file

from hub_publisher import localhub
from hub_publisher.config import Config
from hub_publisher.errors import BaseModelError
from hub_publisher.model import base_model
from tests.helpers.tiny import make_tiny_model

RESOLVE = """
import json, sys
from hub_publisher.model import base_model
from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
try:
    config = Config(handle="x", **json.loads(sys.argv[1]))
    print(base_model.resolve(config, sys.argv[2] == "yes").record.model_dump_json())
except PublisherError as error:
    sys.exit(str(error))
"""


def resolve(settings: dict[str, str], may_substitute: bool, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the client reads its endpoint when it is imported."""
    return subprocess.run(
        [sys.executable, "-c", RESOLVE, json.dumps(settings), "yes" if may_substitute else "no"],
        capture_output=True, encoding="utf-8", env={**os.environ, **environment}, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def on_the_hub(hub: localhub.LocalHub, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A tiny causal LM with a licence, published: (id, commit)."""
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n")
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("somebody/tiny", exist_ok=True)
    operations = [CommitOperationAdd(path.name, str(path)) for path in folder.iterdir()]
    return "somebody/tiny", api.create_commit("somebody/tiny", operations, commit_message="tiny").oid


def test_a_model_of_the_hub_is_known_by_id_commit_and_licence(
    hub: localhub.LocalHub, on_the_hub: tuple[str, str]
) -> None:
    repo_id, commit = on_the_hub
    record = json.loads(resolve({"base_model": repo_id}, False, HF_ENDPOINT=hub.url).stdout)
    assert (record["hub_id"], record["revision"], record["license"]) == (repo_id, commit, "mit")
    assert record["num_parameters"] > 10_000 and record["substituted_for"] is None


def test_a_model_in_the_cache_needs_no_hub(hub: localhub.LocalHub, on_the_hub: tuple[str, str], tmp_path: Path) -> None:
    repo_id, commit = on_the_hub
    home = {"HF_HOME": str(tmp_path)}
    assert resolve({"base_model": repo_id}, False, HF_ENDPOINT=hub.url, **home).returncode == 0
    cached = json.loads(resolve({"base_model": repo_id}, False, HF_ENDPOINT="http://127.0.0.1:9", **home).stdout)
    assert (cached["revision"], cached["license"]) == (commit, "mit")


def test_a_model_that_the_hub_does_not_have(hub: localhub.LocalHub) -> None:
    result = resolve({"base_model": "somebody/nothing"}, True, HF_ENDPOINT=hub.url)
    assert result.stderr.strip() == (
        "There is no model 'somebody/nothing' on the Hub, or your token may not read it.\n"
        "Check the id, or use the bundled model: --base-model smollm2-135m"
    )


def test_a_model_that_cannot_be_reached() -> None:
    result = resolve({"base_model": "somebody/else"}, True, HF_ENDPOINT="http://127.0.0.1:9")
    assert result.stderr.strip() == (
        "The base model somebody/else is not in the cache, and the Hub cannot be reached to download it.\n"
        "Connect to the network, or use the bundled model: --base-model smollm2-135m"
    )


def test_nothing_is_substituted_for_huggingface_co() -> None:
    result = resolve({}, False, HF_ENDPOINT="http://127.0.0.1:9")
    assert result.returncode == 1
    assert "The base model openai-community/gpt2 is not in the cache" in result.stderr


def test_the_local_hub_takes_the_bundled_model_and_says_so() -> None:
    result = resolve({}, True, HF_ENDPOINT="http://127.0.0.1:9")
    record = json.loads(result.stdout)
    assert record["substituted_for"] == "openai-community/gpt2"
    assert record["hub_id"] == base_model.BUNDLED_HUB_ID
    assert record["license"] == "apache-2.0" and record["revision"] is None
    assert record["num_parameters"] == 134_515_008
    assert "4-bit" in record["notes"][0]


def test_the_bundled_weights_are_a_real_pretrained_model() -> None:
    folder = base_model.resolve(Config(handle="x", base_model="smollm2-135m"), may_substitute=False).path
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    tensors = load_file(folder / "model.safetensors")
    embeddings = tensors["model.embed_tokens.weight"]
    assert tuple(embeddings.shape) == (49152, 576) and 0 < float(embeddings.float().std()) < 1


def test_a_folder_is_never_named_in_the_record(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "secret-project")
    resolved = base_model.resolve(Config(handle="x", base_model=str(folder)), may_substitute=False)
    assert resolved.path == folder
    assert "secret-project" not in resolved.record.model_dump_json()
    assert resolved.record.hub_id is None and resolved.record.license is None


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"holds no readable config\.json"):
        base_model.resolve(Config(handle="x", base_model=str(tmp_path)), may_substitute=False)
