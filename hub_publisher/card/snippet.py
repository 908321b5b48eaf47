"""The card's lines of Python, run on the model that will be published, before it is published.

They run as they stand: the process that runs them finds the model under the very name that it will have on the Hub,
as a folder, and shows what they print. So the card prints no code that was not run and no output that was not had.
"""

import os
from pathlib import Path

from hub_publisher.config import Config
from hub_publisher.errors import PublisherError
from hub_publisher.readme.escape import python
from hub_publisher.records import MODEL_DIR, POSTS, KeptPost, Snippet
from hub_publisher.system.files import read_jsonl
from hub_publisher.system.hardware import multiplies_bfloat16
from hub_publisher.system.isolated_process import ProcessError, run_python
from hub_publisher.text import showing

NUM_POSTS = 3
PROMPT_LIMIT = 200  # characters, so that the line stays one that a reader reads

_CODE = """\
from transformers import pipeline, set_seed

generator = pipeline("text-generation", model={repo_id}{options})
set_seed({seed})
for post in generator({prompt}, num_return_sequences={num_posts}):
    print(post["generated_text"])
"""
# print() is told apart from other output, so that each text stays one text whatever line breaks it holds.
_RUNNER = """
import json
printed = []
names = {"__name__": "__main__", "print": lambda *words: printed.append(" ".join(map(str, words)))}
exec(compile(sys.argv[1], "snippet.py", "exec"), names)
sys.stdout.write("\\n" + json.dumps(printed))
"""


def code(config: Config, repo_id: str) -> str:
    """What the card tells its reader to type.

    The dtype is named where this machine only emulates bfloat16: there the same lines without it take minutes.
    """
    options = "" if config.dtype == "float32" or multiplies_bfloat16() else ', dtype="float32"'
    prompt = python(config.prompts[0][:PROMPT_LIMIT])
    return _CODE.format(repo_id=python(repo_id), options=options, seed=config.seed, prompt=prompt, num_posts=NUM_POSTS)


def run_snippet(config: Config, repo_id: str) -> Snippet:
    """Run the card's code on the model in model/ and keep what it prints, without what is withheld.

    Raises PublisherError with what the process said when the code fails.
    """
    lines = code(config, repo_id)

    def name_the_model(scratch: Path) -> None:
        (scratch / repo_id).parent.mkdir(parents=True, exist_ok=True)
        os.symlink((config.run_dir / MODEL_DIR).resolve(), scratch / repo_id, target_is_directory=True)

    try:
        said = run_python(_RUNNER, lines, config.run_dir, {"HF_HUB_OFFLINE": "1"}, name_the_model)
    except ProcessError as error:
        raise PublisherError(
            f"The code that the card would show {error}",
            "Run the same command again. If that ends likewise, make the model again: "
            f"hub-publisher publish {config.handle} --force finetune",
        ) from error
    printed, check = showing.check(said.answer, read_jsonl(config.run_dir / POSTS, KeptPost), config.show_all)
    return Snippet(code=lines, printed=tuple(printed), check=check, stderr=said.complaints, seconds=said.seconds)
