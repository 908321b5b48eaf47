"""What X and JSON make of single characters, undone: HTML entities and halves of surrogate pairs."""

import re

_ENTITY = re.compile("&(?:amp|lt|gt);")
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}


def unescape(text: str) -> str:
    """`text` with &amp; &lt; &gt; replaced in one pass: what X escapes, and nothing else.

    One pass leaves a typed `&lt;` (which X sends as `&amp;lt;`) as it was typed.
    """
    return _ENTITY.sub(lambda match: _ENTITIES[match[0]], text) if "&" in text else text


def well_formed(text: str) -> str:
    """`text` with surrogate pairs joined and lone halves replaced by U+FFFD, so that it can be UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
