"""The published model, as its first reader meets it: loaded by its id, in a new process -> loadback.json.

That process knows nothing of this one: its environment holds the Hub's address (and a token for a private
repository), its cache is empty, and what it prints besides the posts is kept for everyone to see.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from hub_publisher.config import Config
from hub_publisher.disk import fingerprint, write_record
from hub_publisher.errors import HubError
from hub_publisher.hardware import multiplies_bfloat16
from hub_publisher.records import LoadBack, Receipt

RECORD = "loadback.json"
NUM_POSTS = 5
CACHE = ".loadback-"
TIMEOUT_SECONDS = 900
# Loading bars are no complaints; everything else on stderr is.
PROGRESS = re.compile(r"[^\r\n]*(?:\d+%\|[^\r\n]*\||\d+(?:\.\d+)?(?:it|s|B|kB|MB)/(?:s|it)\])[^\r\n]*")

# What the card tells its reader to type, after a thread that ends the process when stdin does: with its publisher.
SNIPPET = """
import json, os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
from transformers import pipeline, set_seed
repo_id, prompt, num_posts, seed, options = json.loads(sys.argv[1])
generator = pipeline("text-generation", model=repo_id, **options)
set_seed(seed)
print(json.dumps([row["generated_text"] for row in generator(prompt, num_return_sequences=num_posts)]))
"""


def expected_fingerprint(config: Config, receipt: Receipt) -> str:
    """Changes with the commit, the first prompt and the seed."""
    return fingerprint("loadback", receipt.commit, receipt.repo_id, config.prompts[0], config.seed)


def load_back(config: Config, receipt: Receipt, token: str) -> LoadBack:
    """Load the model by its Hub id in another process and let it write five posts.

    Raises HubError with what that process said when it cannot.
    """
    started = time.monotonic()
    child = _run(config, receipt, token)
    if child.returncode:
        raise HubError(
            f"{receipt.repo_id} was published, but does not load back:\n{child.stderr[-2000:].strip()}",
            "Run the same command again; it goes on from here.",
        )
    record = LoadBack(
        fingerprint=expected_fingerprint(config, receipt),
        prompt=config.prompts[0],
        texts=tuple(json.loads(child.stdout.splitlines()[-1])),
        stderr="\n".join(line for line in PROGRESS.sub("", child.stderr).split("\n") if line.strip()),
        seconds=time.monotonic() - started,
    )
    write_record(config.run_dir / RECORD, record)
    return record


def _run(config: Config, receipt: Receipt, token: str) -> subprocess.CompletedProcess[str]:
    # Published in bfloat16, the model loads as that; a processor that only emulates it would need minutes to write.
    options = {} if multiplies_bfloat16() else {"dtype": "float32"}
    arguments = json.dumps([receipt.repo_id, config.prompts[0], NUM_POSTS, config.seed, options])
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    environment["HF_ENDPOINT"] = receipt.endpoint
    if receipt.visibility == "private":
        environment["HF_TOKEN"] = token
    for left in config.run_dir.glob(f"{CACHE}*"):  # by a run that was killed here
        shutil.rmtree(left, ignore_errors=True)
    reading, writing = os.pipe()
    try:
        with tempfile.TemporaryDirectory(dir=config.run_dir, prefix=CACHE) as cache:
            return subprocess.run(
                [sys.executable, "-c", SNIPPET, arguments],
                stdin=reading, capture_output=True, encoding="utf-8", errors="replace", check=False,
                env=environment | {"HF_HOME": cache}, cwd=cache, timeout=TIMEOUT_SECONDS,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise HubError(
            f"{receipt.repo_id} was published, but did not load back within {TIMEOUT_SECONDS} s.",
            "Run the same command again; it goes on from here.",
        ) from error
    finally:
        os.close(reading)
        os.close(writing)
