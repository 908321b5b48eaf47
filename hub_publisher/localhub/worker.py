"""The process that loads models and lets them write: python -m hub_publisher.localhub.worker.

Messages are JSON objects, one a line. Standard input brings jobs, as `runner` sends them, and {"cancel": true} for
the job at hand; when it closes, the process ends, whatever it is doing. Standard output brings for each job
{"loaded": true}, then an {"index", "token"} for each token, of which the last has "details" too, or {"error", "status"}
in place of what cannot be had, and at the end {"end": true}. Only this process of the local Hub ever loads torch.
"""

import json
import os
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

MAX_NEW_TOKENS = 512
MAX_PROMPT_TOKENS = 2048
DEFAULT_NEW_TOKENS = 100
SAMPLING = ("temperature", "top_k", "top_p", "typical_p", "min_p")
# What a repository's generation_config.json may decide. Beams, and all that needs a second model, are not among it.
FROM_REPOSITORY = (
    *SAMPLING,
    "do_sample",
    "max_new_tokens",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "eos_token_id",
)


class CannotRun(Exception):
    """A model or prompt that this process cannot work with: a sentence for the caller, and an HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Loaded(NamedTuple):
    """A model that is ready to write, and what its repository says about sampling."""

    tokenizer: Any
    model: Any
    defaults: dict[str, Any]


def load(folder: Path) -> Loaded:
    """Load a folder's model: from safetensors, without code of the repository, with nothing from elsewhere.

    In the saved dtype where the hardware multiplies it, else in float32. CannotRun when transformers refuses, or when
    the files lack weights, which it would make up at random.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    found = torch.cpu.get_capabilities()
    fast = torch.cuda.is_available() or any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    careful: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **careful)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype="auto" if fast else torch.float32, output_loading_info=True, **careful
        )
    except Exception as error:  # a stranger's files make transformers fail in every way there is
        raise CannotRun(_reason(error)) from error
    model, report = loaded
    if report["missing_keys"]:
        raise CannotRun(f"This model cannot be loaded: its files lack {len(report['missing_keys'])} of its weights.")
    values = {name: getattr(model.generation_config, name, None) for name in FROM_REPOSITORY}
    model.generation_config = GenerationConfig()  # whatever else it holds would be merged into every call
    defaults = {"eos_token_id": tokenizer.eos_token_id} | {k: v for k, v in values.items() if v is not None}
    return Loaded(tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), defaults)


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if "trust_remote_code" in text:
        return "This model needs program code from its repository, which the local Hub never runs."
    return f"This model cannot be loaded: {type(error).__name__}: {text.partition(chr(10))[0][:300]}"


def settings_for(defaults: dict[str, Any], asked: dict[str, Any], room: int) -> dict[str, Any]:
    """Return what to generate with: as asked, else as the repository says, at most `room` tokens.

    Asking for a temperature and its like asks for sampling; without sampling they mean nothing and are left out.
    """
    merged = defaults | asked
    if "do_sample" not in asked and any(name in asked for name in SAMPLING):
        merged["do_sample"] = True
    if not merged.get("do_sample"):
        merged = {name: value for name, value in merged.items() if name not in SAMPLING}
    merged["max_new_tokens"] = min(merged.get("max_new_tokens", DEFAULT_NEW_TOKENS), MAX_NEW_TOKENS, room)
    return merged


class Writer:
    """One job at a model: it looks at each token as it is drawn, says it, and decides whether it was the last."""

    def __init__(self, loaded: Loaded, job: dict, say: Callable[[dict], None], cancelled: threading.Event) -> None:
        self.tokenizer, self.model, defaults = loaded
        self.say, self.cancelled, self.ends = say, cancelled, job["ends"]
        asked = dict(job["settings"])
        self.stop: list[str] = asked.pop("stop", [])
        self.seed: int = asked.pop("seed", secrets.randbits(32))
        window = getattr(self.model.config, "max_position_embeddings", None) or MAX_PROMPT_TOKENS + MAX_NEW_TOKENS
        self.prompt = self.encode(job["prompt"], asked.pop("truncate", None), min(window - 1, MAX_PROMPT_TOKENS))
        self.settings = settings_for(defaults, asked, room=window - len(self.prompt))
        ends = self.settings["eos_token_id"]
        self.eos: list[int] = ends if isinstance(ends, list) else [] if ends is None else [ends]
        self.start = len(self.decode(self.prompt))
        self.num_tokens, self.said = 0, ""

    def encode(self, prompt: str, truncate: int | None, longest: int) -> list[int]:
        """Return the prompt's tokens, at most the last `truncate`; CannotRun when there is none, or one too many."""
        ids: list[int] = self.tokenizer(prompt)["input_ids"][-truncate if truncate else None :]
        if not ids and self.tokenizer.bos_token_id is not None:
            ids = [self.tokenizer.bos_token_id]
        if not 0 < len(ids) <= longest:
            raise CannotRun(f"The prompt has {len(ids)} tokens; this model takes from 1 to {longest}.", status=422)
        return ids

    def decode(self, ids: Any) -> str:
        """Return the text of tokens, without the special ones."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def run(self) -> None:
        """Write until the model, the settings, the caller or the clock ends it."""
        import torch
        from transformers import GenerationConfig

        ids = torch.tensor([self.prompt], device=self.model.device)  # (1, T) int64
        pad = self.eos[0] if self.eos else 0  # never used with one row, but transformers would warn without it
        torch.manual_seed(self.seed)
        self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), logits_processor=[self._scored],
            stopping_criteria=[self._drawn], generation_config=GenerationConfig(**self.settings, pad_token_id=pad),
        )  # fmt: skip

    def _scored(self, ids: Any, scores: Any) -> Any:  # (1, T) int64, (1, V) before temperature, top-k and top-p
        self.logprobs = scores[0].float().log_softmax(-1)
        return scores

    def _drawn(self, ids: Any, scores: Any, **kwargs: Any) -> Any:
        import torch

        self.num_tokens += 1
        late = time.monotonic() > self.ends
        if late:
            self.say({"error": "The model did not finish in time.", "status": 504})
        done = late or self.cancelled.is_set() or self._tell(ids[0])
        return torch.full((1,), done, dtype=torch.bool, device=ids.device)

    def _tell(self, ids: Any) -> bool:
        """Say the newest token; return whether it is the last. Half a character waits for its other half."""
        token, text = int(ids[-1]), self.decode(ids)[self.start :]
        cut = min((text.find(stop) + len(stop) for stop in self.stop if stop in text), default=None)
        finish = ""
        if token in self.eos:
            finish = "eos_token"
        elif cut is not None:
            finish = "stop_sequence"
        elif self.num_tokens == self.settings["max_new_tokens"]:
            finish = "length"
        text = text[:cut] if finish else text.rstrip("\ufffd")
        new, self.said = text[len(self.said) :], max(text, self.said, key=len)
        event: dict[str, Any] = {"index": self.num_tokens, "token": {
            "id": token, "text": new, "logprob": float(self.logprobs[token].nan_to_num(neginf=-1e9)),
            "special": token in self.tokenizer.all_special_ids,
        }}  # fmt: skip
        if finish:
            counts = {"generated_tokens": self.num_tokens, "input_length": len(self.prompt)}
            event["details"] = {"finish_reason": finish, "seed": self.seed, **counts}
        self.say(event)
        return bool(finish)


def _listen(jobs: queue.Queue, cancelled: threading.Event) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "cancel" in message:
            cancelled.set()
        else:
            cancelled.clear()
            jobs.put(message | {"ends": time.monotonic() + message["seconds"]})
    os._exit(0)  # the server is gone, or wants the memory back


def main() -> None:
    """Do one job after the other, keeping the last job's model, until standard input closes.

    A failure of the model in the middle of its work ends the process too: the next job gets a fresh one.
    """
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print belongs into the log

    def say(event: dict) -> None:
        print(json.dumps(event), file=events, flush=True)

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # when memory runs out, this process goes first
    jobs: queue.Queue = queue.Queue()
    cancelled = threading.Event()
    threading.Thread(target=_listen, args=(jobs, cancelled), daemon=True).start()
    folder, loaded = "", None
    while True:
        job = jobs.get()
        try:
            if folder != job["folder"] or loaded is None:
                folder, loaded = job["folder"], None  # the old model goes before the new one comes
                loaded = load(Path(folder))
            say({"loaded": True})
            Writer(loaded, job, say, cancelled).run()
        except CannotRun as error:
            say({"error": str(error), "status": error.status})
        except Exception as error:
            say({"error": f"The model failed: {type(error).__name__}: {str(error)[:300]}", "status": 500})
            raise
        say({"end": True})


if __name__ == "__main__":
    main()
