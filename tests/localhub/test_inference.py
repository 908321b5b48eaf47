"""The local Hub's Inference API: what the unmodified client gets from it, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, InferenceClient
from huggingface_hub.errors import GenerationError, RepositoryNotFoundError, ValidationError
from safetensors.numpy import load, save

from hub_publisher import localhub
from hub_publisher.model.generation import generate
from tests.helpers.hub_calls import call
from tests.helpers.localhub_models import PROMPT, SAMPLING, ask, make_sampled_model, publish, state

TINY = "inference/tiny"
FORBIDDEN = "The local Hub runs text-generation models; the task of this one is "


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sampled_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def client(hub: localhub.LocalHub, tiny: Path) -> InferenceClient:
    return publish(hub, TINY, tiny)


def test_plain_and_streamed_texts_are_one_and_the_same(client: InferenceClient) -> None:
    settings = {"max_new_tokens": 20, "temperature": 0.8, "top_p": 0.9, "seed": 3}
    text = client.text_generation(PROMPT, **settings)
    pieces = list(client.text_generation(PROMPT, stream=True, **settings))
    assert "".join(pieces) == text
    assert len(pieces) == 20
    assert client.text_generation(PROMPT, **settings) == text
    assert client.text_generation(PROMPT, **settings | {"seed": 4}) != text
    full = client.text_generation(PROMPT, return_full_text=True, **settings)
    assert full == PROMPT + text


def test_a_text_is_the_one_that_generate_writes(client: InferenceClient, tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    model.generation_config = GenerationConfig()  # without the beams, which nobody asked for
    expected = generate(model, tokenizer, PROMPT, 1, 42, SAMPLING)
    assert [client.text_generation(PROMPT, seed=42)] == expected, "sampled as generation_config.json says"


def test_details_tell_each_token(client: InferenceClient) -> None:
    output = client.text_generation(PROMPT, details=True, do_sample=False, max_new_tokens=5)
    assert output.details is not None
    assert (output.details.finish_reason, output.details.generated_tokens) == ("length", 5)
    assert "".join(token.text for token in output.details.tokens) == output.generated_text
    assert all(token.logprob < 0 for token in output.details.tokens)
    *tokens, last = client.text_generation(PROMPT, details=True, stream=True, seed=11)
    assert [token.index for token in [*tokens, last]] == list(range(1, 8))
    assert all(token.details is None for token in tokens)
    assert last.details is not None
    assert (last.details.seed, last.details.input_length) == (11, 4)
    assert last.generated_text == "".join(token.token.text for token in [*tokens, last])


def test_a_new_card_makes_no_new_model(hub: localhub.LocalHub, tiny: Path) -> None:
    name = "inference/again"
    publish(hub, name, tiny).text_generation(PROMPT)
    for path, expected in (("README.md", "loaded"), ("tokenizer_config.json", "unloaded")):
        data = b"---\nlicense: mit\n---\n"
        HfApi(endpoint=hub.url, token=hub.token).upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name)
        assert state(hub, name) == {"state": expected, "requests": 0}


def test_stop_strings_and_the_end_of_text(
    hub: localhub.LocalHub, client: InferenceClient, tiny: Path, tmp_path: Path
) -> None:
    text = client.text_generation(PROMPT, do_sample=False, max_new_tokens=30)
    stop = text[4:7]
    output = client.text_generation(PROMPT, do_sample=False, max_new_tokens=30, stop=["never", stop], details=True)
    assert output.generated_text == text[: text.index(stop) + len(stop)]
    assert output.details is not None
    assert output.details.finish_reason == "stop_sequence"
    first = client.text_generation(PROMPT, do_sample=False, max_new_tokens=1, details=True)
    assert first.details is not None
    shutil.copytree(tiny, tmp_path / "ends")
    ending = {"eos_token_id": [0, first.details.tokens[0].id]}
    (tmp_path / "ends" / "generation_config.json").write_text(json.dumps(ending))
    output = publish(hub, "inference/ends", tmp_path / "ends").text_generation(PROMPT, details=True)
    assert output.details is not None
    assert (output.details.finish_reason, output.details.generated_tokens) == ("eos_token", 1)


def test_a_prompt_has_to_fit(client: InferenceClient) -> None:
    with pytest.raises(ValidationError, match=r"^The prompt has 300 tokens; this model takes from 1 to 255\.$"):
        client.text_generation("\x00" * 300)
    output = client.text_generation("\x00" * 250, max_new_tokens=100, do_sample=False, details=True)
    assert output.details is not None
    assert (output.details.finish_reason, output.details.generated_tokens) == ("length", 6), "the window is full"
    assert client.text_generation("", seed=1, max_new_tokens=3) is not None, "nothing is continued from BOS"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"temperature": 0}, "temperature: Input should be greater than or equal to 0.01"),
        ({"temperature": "1"}, "temperature: Input should be a valid number"),
        ({"temperature": float("nan")}, "temperature: Input should be a finite number"),
        ({"top_p": 1.5}, "top_p: Input should be less than or equal to 1"),
        ({"max_new_tokens": 513}, "max_new_tokens: Input should be less than or equal to 512"),
        ({"max_new_tokens": True}, "max_new_tokens: Input should be a valid integer"),
        ({"seed": 1.5}, "seed: Input should be a valid integer"),
        ({"seed": 2**64}, "seed: Input should be less than 18446744073709551616"),
        ({"do_sample": 1}, "do_sample: Input should be a valid boolean"),
        ({"stop": "x"}, "stop: Input should be a valid list"),
        ({"stop": [""]}, "stop: String should have at least 1 character"),
        ({"stop": ["a"] * 5}, "stop: List should have at most 4 items after validation, not 5"),
        ({"best_of": 2, "top_k": 5}, "best_of: Extra inputs are not permitted"),
        ([], "parameters: Input should be a valid dictionary or instance of Parameters"),
    ],
)
def test_wrong_parameters_are_named(
    hub: localhub.LocalHub, client: InferenceClient, parameters: object, text: str
) -> None:
    status, reply = ask(hub, TINY, {"inputs": PROMPT, "parameters": parameters or ["wrong"]})
    assert (status, reply) == (422, {"error": text, "error_type": "validation"})


def test_wrong_bodies(hub: localhub.LocalHub, client: InferenceClient) -> None:
    wrong = "inputs: Input should be a valid string"
    for body, text in (
        ({}, "inputs: Field required"),
        ({"inputs": ["a"]}, wrong),
        ({"inputs": [{"role": "u"}]}, wrong),
    ):
        assert ask(hub, TINY, body) == (422, {"error": text, "error_type": "validation"})
    assert ask(hub, TINY, [1])[0] == 400
    assert ask(hub, TINY, {"inputs": "x" * 2**18})[0] == 413
    assert call(hub, "POST", f"/models/{TINY}", b"\xff")[0] == 400
    assert call(hub, "PUT", f"/models/{TINY}", b"{}")[0] == 405


def test_private_models_are_for_who_has_the_token(hub: localhub.LocalHub, tiny: Path) -> None:
    name = "inference/secret"
    client = publish(hub, name, tiny, private=True)
    with pytest.raises(RepositoryNotFoundError):
        InferenceClient(model=f"{hub.url}/models/{name}").text_generation(PROMPT)
    assert ask(hub, name, {"inputs": PROMPT}) == (401, {"error": "Invalid username or password."})
    assert call(hub, "GET", f"/models/{name}")[0] == 401
    assert client.text_generation(PROMPT, seed=1)
    cookie = call(hub, "GET", f"/login?token={hub.token}")[1]["set-cookie"].split(";")[0]
    assert ask(hub, name, {"inputs": PROMPT}, Cookie=cookie)[0] == 200, "the page of a private model works, too"
    assert ask(hub, name, {"inputs": PROMPT}, Cookie=cookie, Origin="https://evil.example")[0] == 403
    assert ask(hub, name, {"inputs": PROMPT}, Cookie=cookie, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(hub, "inference/nothing", {"inputs": PROMPT})[0] == 401


MASKS = b"---\npipeline_tag: fill-mask\n---\n"
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
OWN_CODE = {"model_type": "own", "architectures": ["OwnForCausalLM"], "auto_map": {
    "AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "files", "text"),
    [
        ("bare", {"config.json": GPT2}, "This repository has no weights in safetensors format."),
        ("pickled", {"config.json": GPT2, "pytorch_model.bin": b"\x80\x04."},
         "Weights in pickle files can run any code when they are opened, so pytorch_model.bin is not."),
        ("cards", {"README.md": b"---\nlicense: mit\n---\n"}, f"{FORBIDDEN}not known."),
        ("bert", {"config.json": {"architectures": ["BertForMaskedLM"]}, "README.md": MASKS},
         f"{FORBIDDEN}fill-mask."),
        ("elsewhere", {"config.json": GPT2, "model.safetensors": b"{}", "model.safetensors.index.json":
                       {"metadata": {}, "weight_map": {"a": "../../blobs/ab/abc"}}},
         "model.safetensors.index.json does not name safetensors files of this repository."),
        ("noindex", {"config.json": GPT2, "model.safetensors": b"{}", "model.safetensors.index.json": b"[" * 9999},
         "model.safetensors.index.json does not name safetensors files of this repository."),
    ],
)  # fmt: skip
def test_models_that_cannot_run_are_refused_before_any_process_starts(
    hub: localhub.LocalHub, name: str, files: dict, text: str
) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo(f"inference/{name}", exist_ok=True)
    contents = {path: data if isinstance(data, bytes) else json.dumps(data).encode() for path, data in files.items()}
    adds = [CommitOperationAdd(path, data) for path, data in contents.items()]
    api.create_commit(f"inference/{name}", adds, commit_message="publish")
    assert ask(hub, f"inference/{name}", {"inputs": PROMPT}) == (400, {"error": text})
    assert text.replace("'", "&#39;") in call(hub, "GET", f"/inference/{name}")[2].decode(), "the page says it, too"


def test_models_that_transformers_refuses(hub: localhub.LocalHub, tiny: Path, tmp_path: Path) -> None:
    def refused(name: str, change: dict, weights: bytes | None = None) -> str:
        folder = shutil.copytree(tiny, tmp_path / name)
        if change:
            (folder / "config.json").write_text(json.dumps(change))
        if weights is not None:
            (folder / "model.safetensors").write_bytes(weights)
        (folder / "own.py").write_text("raise SystemExit('the code of the repository ran')")
        with pytest.raises(GenerationError) as error:
            publish(hub, f"inference/{name}", folder).text_generation(PROMPT)
        return str(error.value)

    own = refused("own-code", OWN_CODE)
    assert own == "This model needs program code from its repository, which the local Hub never runs."
    unknown = refused("unknown", {"model_type": "nosuch", "architectures": ["NosuchForCausalLM"]})
    assert unknown.startswith("This model cannot be loaded: ValueError: ")
    assert "nosuch" in unknown
    broken = refused("broken", {}, b"no safetensors at all")
    assert broken.startswith("This model cannot be loaded: ")
    weights = load((tiny / "model.safetensors").read_bytes())
    del weights["transformer.h.0.attn.c_attn.weight"], weights["transformer.h.1.attn.c_attn.weight"]
    lacking = refused("lacking", {}, save(weights, metadata={"format": "pt"}))
    assert lacking == "This model cannot be loaded: its files lack 2 of its weights."
