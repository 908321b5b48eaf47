"""The published model, as its first reader meets it: loaded by its id, in a new process.

That process knows nothing of this one: its environment holds the Hub's address (and a token for a private
repository), its cache is empty, and what it prints besides the posts is kept for everyone to see.
"""

import json

from hub_publisher.config import Config
from hub_publisher.errors import HubError
from hub_publisher.records import POSTS, KeptPost, LoadBack, Receipt
from hub_publisher.system.files import read_jsonl
from hub_publisher.system.hardware import multiplies_bfloat16
from hub_publisher.system.isolated_process import ProcessError, run_python
from hub_publisher.text import showing

NUM_POSTS = 5

_SCRIPT = """
import json
from transformers import pipeline, set_seed
repo_id, prompt, num_posts, seed, options = json.loads(sys.argv[1])
generator = pipeline("text-generation", model=repo_id, **options)
set_seed(seed)
print(json.dumps([row["generated_text"] for row in generator(prompt, num_return_sequences=num_posts)]))
"""


def load_back(config: Config, receipt: Receipt, token: str | None) -> LoadBack:
    """Load the model by its Hub id in another process and let it write five posts, checked as samples are.

    Raises HubError with what that process said when it cannot.
    """
    # Published in bfloat16, the model loads as that; a processor that only emulates it would need minutes to write.
    options = {} if multiplies_bfloat16() else {"dtype": "float32"}
    if receipt.pull_request:
        options["revision"] = f"refs/pr/{receipt.pull_request}"
    argument = json.dumps([receipt.repo_id, config.prompts[0], NUM_POSTS, config.seed, options])
    environment = {"HF_ENDPOINT": receipt.endpoint}
    if token and receipt.visibility == "private":
        environment["HF_TOKEN"] = token
    try:
        said = run_python(_SCRIPT, argument, config.run_dir, environment)
    except ProcessError as error:
        raise HubError(
            f"{receipt.repo_id} was published, but loading it back {error}",
            "Run the same command again; it goes on from here.",
        ) from error
    texts, _ = showing.check(said.answer, read_jsonl(config.run_dir / POSTS, KeptPost), config.show_all)
    return LoadBack(prompt=config.prompts[0], texts=tuple(texts), stderr=said.complaints, seconds=said.seconds)
