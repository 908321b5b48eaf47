"""The process that loads models and lets them write: python -m hub_publisher.localhub.worker.

Messages are JSON objects, one a line. Standard input brings jobs, as `runner` sends them; the next message, be it {},
ends the job at hand, and the end of the input ends the process. Standard output brings for each job {"loaded": true},
then an {"index", "token"} for each token, of which the last has "generated_text" and "details" too, or {"error",
"status"} in place of what cannot be had; all with the job's "id". Only this process of the local Hub ever loads torch.
"""

import json
import os
import queue
import secrets
import sys
import threading
from collections.abc import Callable
from typing import Any

from hub_publisher.system.hardware import multiplies_bfloat16

MAX_NEW_TOKENS = 512
MAX_PROMPT_TOKENS = 2048
DEFAULT_NEW_TOKENS = 100
SAMPLING = {"temperature", "top_k", "top_p", "typical_p", "min_p"}
# What a repository's generation_config.json may decide. Beams, and all that needs a second model, are not among it.
FROM_REPOSITORY = SAMPLING | {
    "do_sample", "max_new_tokens", "repetition_penalty", "no_repeat_ngram_size", "eos_token_id",
}  # fmt: skip


class CannotRun(Exception):
    """A model or prompt that this process cannot work with; `args` are a sentence for the caller and an HTTP status."""


class Model:
    """A folder's model and tokenizer, ready to write.

    Loaded from safetensors, without code of the repository, with nothing from elsewhere; in the saved dtype where the
    hardware multiplies it, else in float32. CannotRun when transformers refuses, or when the files lack weights, which
    it would make up at random.
    """

    def __init__(self, folder: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        careful: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        dtype = "auto" if multiplies_bfloat16() else torch.float32
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **careful)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype=dtype, output_loading_info=True, **careful
            )
        except Exception as error:  # a stranger's files make transformers fail in every way there is
            raise CannotRun(_reason(error), 400) from error
        model, report = loaded
        if missing := len(report["missing_keys"]):
            raise CannotRun(f"This model cannot be loaded: its files lack {missing} of its weights.", 400)
        saved = {name: getattr(model.generation_config, name, None) for name in FROM_REPOSITORY}
        self.defaults = {"max_new_tokens": DEFAULT_NEW_TOKENS, "eos_token_id": self.tokenizer.eos_token_id}
        self.defaults |= {name: value for name, value in saved.items() if value is not None}
        model.generation_config = GenerationConfig()  # whatever else it holds would be merged into every call
        self.model: Any = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.window = getattr(model.config, "max_position_embeddings", None) or MAX_PROMPT_TOKENS + MAX_NEW_TOKENS

    def settings(self, asked: dict[str, Any], room: int) -> dict[str, Any]:
        """Return what to generate with: as asked, else as the repository says, at most `room` tokens.

        Asking for a temperature and its like asks for sampling.
        """
        sampling = {"do_sample": True} if SAMPLING & asked.keys() else {}
        merged = self.defaults | sampling | asked
        return merged | {"max_new_tokens": min(merged["max_new_tokens"], MAX_NEW_TOKENS, room)}

    def encode(self, prompt: str) -> list[int]:
        """Return the prompt's tokens; CannotRun when there is none, or one too many."""
        ids: list[int] = self.tokenizer(prompt)["input_ids"]
        if not ids and self.tokenizer.bos_token_id is not None:
            ids = [self.tokenizer.bos_token_id]
        longest = min(self.window - 1, MAX_PROMPT_TOKENS)
        if not 0 < len(ids) <= longest:
            raise CannotRun(f"The prompt has {len(ids)} tokens; this model takes from 1 to {longest}.", 422)
        return ids

    def decode(self, ids: Any) -> str:
        """Return the text of tokens, without the special ones."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if "trust_remote_code" in text:
        return "This model needs program code from its repository, which the local Hub never runs."
    return f"This model cannot be loaded: {type(error).__name__}: {text.partition(chr(10))[0][:300]}"


class Writer:
    """One job at a model: it looks at each token as it is drawn, says it, and decides whether it was the last."""

    def __init__(self, model: Model, job: dict, say: Callable[[dict], None], is_over: Callable[[], bool]) -> None:
        self.model, self.say, self.is_over = model, say, is_over
        asked = dict(job["settings"])
        self.prefix = job["prompt"] if asked.pop("return_full_text", False) else ""
        self.stop: list[str] = asked.pop("stop", [])
        self.seed: int = asked.pop("seed", secrets.randbits(32))
        self.prompt = model.encode(job["prompt"])
        self.settings = model.settings(asked, room=model.window - len(self.prompt))
        ends = self.settings["eos_token_id"]
        self.eos: list[int] = ends if isinstance(ends, list) else [] if ends is None else [ends]
        self.start = len(model.decode(self.prompt))
        self.num_tokens, self.said = 0, ""

    def run(self) -> None:
        """Write until the model, the settings or the caller ends it."""
        import torch
        from transformers import GenerationConfig

        ids = torch.tensor([self.prompt], device=self.model.model.device)  # (1, T) int64
        pad = self.eos[0] if self.eos else 0  # never used with one row, but transformers would warn without it
        torch.manual_seed(self.seed)
        self.model.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), logits_processor=[self._scored],
            stopping_criteria=[self._drawn], generation_config=GenerationConfig(**self.settings, pad_token_id=pad),
        )  # fmt: skip

    def _scored(self, ids: Any, scores: Any) -> Any:  # (1, T) int64, (1, V) before temperature, top-k and top-p
        self.logprobs = scores[0].float().log_softmax(-1)
        return scores

    def _drawn(self, ids: Any, scores: Any, **kwargs: Any) -> bool:  # (1, T) int64
        """Say the newest token; return whether it is the last. Half a character waits for its other half."""
        if self.is_over():
            return True
        self.num_tokens += 1
        token, text = int(ids[0, -1]), self.model.decode(ids[0])[self.start :]
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
            "special": token in self.model.tokenizer.all_special_ids,
        }}  # fmt: skip
        if finish:
            event |= {"generated_text": self.prefix + self.said, "details": {
                "finish_reason": finish, "seed": self.seed, "generated_tokens": self.num_tokens,
                "input_length": len(self.prompt),
            }}  # fmt: skip
        self.say(event)
        return bool(finish)


def _listen(jobs: queue.Queue) -> None:
    for line in sys.stdin.buffer:
        jobs.put(json.loads(line))
    os._exit(0)  # the server is gone, or wants the memory back


def main() -> None:
    """Do one job after the other, keeping the last job's model, until standard input closes.

    A failure of the model in the middle of its work ends the process too: the next job gets a fresh one.
    """
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print belongs into the log

    def say(event: dict) -> None:
        print(json.dumps({"id": job["id"]} | event), file=events, flush=True)

    jobs: queue.Queue[dict] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    folder, model = "", None
    while True:
        if not (job := jobs.get()):
            continue
        try:
            if folder != job["folder"] or model is None:
                folder, model = job["folder"], None  # the old model goes before the new one comes
                model = Model(folder)
            say({"loaded": True})
            Writer(model, job, say, lambda: not jobs.empty()).run()
        except CannotRun as error:
            say(dict(zip(("error", "status"), error.args, strict=True)))
        except Exception as error:
            say({"error": f"The model failed: {type(error).__name__}: {str(error)[:300]}", "status": 500})
            raise


if __name__ == "__main__":
    main()
