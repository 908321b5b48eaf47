"""Which base model is used, and that nothing is said of it that is not known."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from safetensors.torch import load_file

from hub_publisher import localhub
from hub_publisher.config import Config
from hub_publisher.errors import BaseModelError
from hub_publisher.model import base_model
from hub_publisher.records import BaseModelInfo

NOWHERE = "http://127.0.0.1:9"
Resolve = Callable[..., BaseModelInfo]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Resolve:
    """Resolves with the client at `endpoint` and an empty cache; the client reads both when it is imported."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def at(endpoint: str, may_substitute: bool = False, **settings: str) -> BaseModelInfo:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        return base_model.resolve(Config(handle="x", **settings), may_substitute).record

    return at


@pytest.fixture(scope="module")
def on_the_hub(hub: localhub.LocalHub, tiny_model: Path) -> tuple[str, str]:
    """A tiny causal LM with a licence, published: (id, commit)."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("somebody/tiny", exist_ok=True)
    operations = [CommitOperationAdd(path.name, str(path)) for path in tiny_model.iterdir()]
    operations.append(CommitOperationAdd("README.md", b"---\nlicense: mit\n---\n# tiny\n"))
    return "somebody/tiny", api.create_commit("somebody/tiny", operations, commit_message="tiny").oid


def test_a_model_of_the_hub_is_known_by_id_commit_and_licence_and_then_needs_no_hub(
    resolve: Resolve, hub: localhub.LocalHub, on_the_hub: tuple[str, str]
) -> None:
    repo_id, commit = on_the_hub
    record = resolve(hub.url, base_model=repo_id)
    assert (record.hub_id, record.revision, record.license) == (repo_id, commit, "mit")
    assert record.num_parameters > 10_000 and record.substituted_for is None
    assert resolve(NOWHERE, base_model=repo_id) == record


def test_a_model_that_the_hub_does_not_have(resolve: Resolve, hub: localhub.LocalHub) -> None:
    with pytest.raises(BaseModelError) as error:
        resolve(hub.url, may_substitute=True, base_model="somebody/nothing")
    assert str(error.value) == (
        "There is no model 'somebody/nothing' on the Hub, or your token may not read it.\n"
        "Check the id, or use the bundled model: --base-model smollm2-135m"
    )


def test_a_revision_that_the_hub_does_not_have(
    resolve: Resolve, hub: localhub.LocalHub, on_the_hub: tuple[str, str]
) -> None:
    with pytest.raises(BaseModelError, match=r"There is no model 'somebody/tiny' on the Hub at revision 'v9', or"):
        resolve(hub.url, base_model=on_the_hub[0], base_revision="v9")


def test_a_model_that_cannot_be_reached(resolve: Resolve) -> None:
    with pytest.raises(BaseModelError) as error:
        resolve(NOWHERE, may_substitute=True, base_model="somebody/else")
    assert str(error.value) == (
        "The base model somebody/else is not in the cache, and the Hub cannot be reached to download it.\n"
        "Connect to the network, or use the bundled model: --base-model smollm2-135m"
    )


def test_nothing_is_substituted_for_huggingface_co(resolve: Resolve) -> None:
    with pytest.raises(BaseModelError, match=r"The base model openai-community/gpt2 is not in the cache"):
        resolve(NOWHERE)


def test_the_local_hub_takes_the_bundled_model_and_says_so(resolve: Resolve) -> None:
    record = resolve(NOWHERE, may_substitute=True)
    assert record.substituted_for == "openai-community/gpt2"
    assert record.hub_id == base_model.BUNDLED_HUB_ID
    assert record.license == "apache-2.0" and record.revision is None
    assert record.num_parameters == 134_515_008
    assert "4-bit" in record.notes[0]


def test_the_bundled_weights_are_a_real_pretrained_model() -> None:
    folder = base_model.resolve(Config(handle="x", base_model="smollm2-135m"), may_substitute=False).path
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    tensors = load_file(folder / "model.safetensors")
    embeddings = tensors["model.embed_tokens.weight"]
    assert tuple(embeddings.shape) == (49152, 576) and 0 < float(embeddings.float().std()) < 1


def test_a_folder_is_never_named_in_the_record(tmp_path: Path, tiny_model: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "secret-project")
    resolved = base_model.resolve(Config(handle="x", base_model=str(folder)), may_substitute=False)
    assert resolved.path == folder
    assert "secret-project" not in resolved.record.model_dump_json()
    assert resolved.record.hub_id is None and resolved.record.license is None


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"holds no readable config\.json"):
        base_model.resolve(Config(handle="x", base_model=str(tmp_path)), may_substitute=False)


def test_pickled_weights_are_not_loaded(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copy(tiny_model / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(BaseModelError, match=r"has no safetensors weights, and pickled weights are not loaded"):
        base_model.resolve(Config(handle="x", base_model=str(tmp_path)), may_substitute=False)


def test_what_is_no_model_id() -> None:
    with pytest.raises(BaseModelError, match=r"'no/such/folder' is neither a folder nor a model id of the Hub"):
        base_model.resolve(Config(handle="x", base_model="no/such/folder"), may_substitute=False)
