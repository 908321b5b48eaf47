"""The YAML at the top of a card, written so that every parser reads the same.

huggingface_hub's own dump leaves scalars plain that PyYAML (YAML 1.1) and JavaScript parsers (YAML 1.2) read
differently: 1e3, 08, 0o17, no, and text with U+0085 or U+2028. Here every string is in double quotes, with
escapes that YAML and JSON share, and every float has a point and a signed exponent.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from hub_publisher.text.characters import well_formed

# Words that are true, false or null to some YAML version, also as keys.
_NOT_TEXT = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
# And e8 is a number to npm's yaml, when it reads YAML 1.1.
_KEY = re.compile(r"(?![eE]-?\d+$)[A-Za-z][A-Za-z0-9_-]*")
_LONGEST_KEY = 1000  # characters; YAML takes 1024
# Printable to Python but not to YAML, or a line break to one YAML version only.
_TO_ESCAPE = re.compile("[\x7f-\x9f\xad\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff0-\uffff]")


def dump(metadata: dict[str, Any]) -> str:
    """The front matter block, both --- lines included. Keys keep their order.

    Its own keys are plain words (`is_word`); those of dicts within may be any text, as in extra_gated_fields. Values
    are str, bool, int, finite float, and lists and dicts of them. Anything else is a TypeError, a key a ValueError.
    """
    if wrong := [key for key in metadata if not is_word(key)]:
        raise ValueError(f"{wrong[0]!r} cannot be a key of the front matter")
    return "\n".join(("---", *_mapping(metadata, ""), "---", ""))


def is_word(key: str) -> bool:
    """Whether `key` is text to every version of YAML without quotes."""
    return bool(_KEY.fullmatch(key)) and key.lower() not in _NOT_TEXT


def dump_list(rows: list[dict[str, Any]]) -> str:
    """A YAML file that is a list of mappings, in the same manner: what `.eval_results/` holds."""
    return "\n".join((*_block(rows, ""), ""))


def _mapping(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in mapping.items():
        key = name if is_word(name) else scalar(name)
        if len(key) > _LONGEST_KEY:
            raise ValueError(f"a key of {len(key)} characters is too long for the front matter")
        if isinstance(value, dict | list) and value:
            yield f"{indent}{key}:"
            yield from _block(value, indent + "  ")
        else:
            yield f"{indent}{key}: {scalar(value)}"


def _block(value: dict[str, Any] | list[Any], indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _mapping(value, indent)
        return
    for item in value:
        if isinstance(item, dict | list) and item:
            first, *rest = _block(item, indent + "  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield f"{indent}- {scalar(item)}"


def scalar(value: Any) -> str:
    """One value on one line. Booleans and numbers are plain, strings in double quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        quoted = json.dumps(well_formed(value), ensure_ascii=False)
        return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        # float's own repr, because a numpy scalar is a float with another; 1e-05 is text to YAML 1.1, 1.0e-05 is not.
        mantissa, e, exponent = float.__repr__(value).partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
    if isinstance(value, dict | list) and not value:
        return json.dumps(value)
    raise TypeError(f"{value!r} cannot stand in the front matter")
