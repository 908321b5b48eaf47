"""Results of registered benchmarks that the publisher ran: checked, shown as theirs, and published as .eval_results/.

The format is the Hub's (https://huggingface.co/docs/hub/eval-results): a list of entries with dataset.id,
dataset.task_id and value. Held-out posts are no benchmark; their perplexity stands in the card's model-index.
"""

from pathlib import Path
from typing import Any

import yaml

from hub_publisher.errors import CardError
from hub_publisher.readme import frontmatter
from hub_publisher.readme.hub_rules import is_model_id

FOLDER = ".eval_results"
FILE = f"{FOLDER}/results.yaml"
_REMEDY = "See https://huggingface.co/docs/hub/eval-results for the format, or leave --eval-results out."


def read(path: Path | None) -> tuple[dict[str, Any], ...]:
    """The entries of a YAML file, as the Hub's own client understands them; none without a file.

    Raises CardError when the file cannot be read or an entry lacks what the Hub requires.
    """
    if path is None:
        return ()
    from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CardError(f"The benchmark results in {path} cannot be read: {reason}", _REMEDY) from error
    try:
        entries = eval_result_entries_to_yaml(parse_eval_result_entries(rows))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CardError(f"{path} holds no list of benchmark results: {error!r}.", _REMEDY) from error
    for number, entry in enumerate(entries, 1):
        if not is_model_id(str(entry["dataset"]["id"])):
            raise CardError(f"Entry {number} of {path} names no data set of the Hub.", _REMEDY)
    return tuple(_plain(entry) for entry in entries)


def files(entries: tuple[dict[str, Any], ...]) -> dict[str, bytes]:
    """Path in the repository -> content; nothing without entries."""
    return {FILE: frontmatter.dump_list(list(entries)).encode()} if entries else {}


def _plain(value: Any) -> Any:
    """Dates, which YAML makes of unquoted text, as text again."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if isinstance(value, bool | int | float) else str(value)
