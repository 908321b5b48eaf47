"""Untrusted text into the card: one function for each place where text can stand.

Names, prompts and generated posts are written by strangers. Wherever one lands, the page must keep its headings,
tables, fences and links, and show the text as it is.

Everything that the template prints passes `finalize`, so what no filter touched is escaped as `inline`.
References: https://spec.commonmark.org/0.31.2/ and https://github.github.com/gfm/ for what Markdown reads as syntax.
"""

import re
import unicodedata
from typing import Any
from urllib.parse import quote, urlsplit

from hub_publisher.text.characters import well_formed

NAME_LIMIT = 80
TEXT_LIMIT = 1000
EXCERPT_LIMIT = 60
ADDRESS_LIMIT = 2000  # the longest that browsers and servers agree on

# Invisible and without width. Between two characters it keeps parsers from seeing one thing: a link, a formula.
JOINER = "\u2060"
_LINE_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Control characters, byte order marks, non-characters, and the overrides that make text run backwards.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]")
# Some parsers lose track of a backslash before these: within a table's cell, within a link's label.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "[": "&#91;", "]": "&#93;"}
_INLINE = re.compile(r"[&<>|\\`*_\[\]~^$#]")
# What begins a list, a heading's underline or a table's ruler when it begins a line.
_LINE_START = re.compile(r"[-+=:]|\d+[.)](?=\s|$)")
# What GFM and the Hub turn into links, mentions or formulas without any brackets around it.
_LINK_LIKE = re.compile(r"(?<=/)(?=/)|(?<=\S)(?=@\S)|(?<=\S@)(?=\S)|(?<=\$)(?=\$)|(?<=\\)(?=[(\[])|(?i:(?<=www)(?=\.))")
# What begins a marker of regions.py; a fenced block keeps every other < as it is.
_MARKER = re.compile("<(?=!-- *hub-publisher:)")
# Names of hosts hold emoji too. A number's point is none.
_DOT_IN_WORD = re.compile(r"(?<=[^\s.])\.(?=[^\s.])(?!(?<=\d\.)\d)")


class Safe(str):
    """Text that is Markdown already: `finalize` lets it through."""


def finalize(value: Any) -> Any:
    """What Jinja prints for `value`: Safe as it is, other text escaped. TypeError for what needs formatting first."""
    if isinstance(value, Safe):
        return value
    if isinstance(value, str):
        return inline(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"{value!r} reached the card unformatted")


def printable(text: str) -> str:
    """`text` as UTF-8 can hold it: line breaks of every kind as \\n, without controls and lone surrogates."""
    return _UNPRINTABLE.sub("", _LINE_BREAKS.sub("\n", well_formed(text))).replace("\t", " ")


def visible(text: str, fallback: str) -> str:
    """`text` on one line, or `fallback` when a reader would see nothing of it."""
    shown = printable(text).replace("\n", " ").strip()
    return shown if any(unicodedata.category(char)[0] in "LNPS" for char in shown) else fallback


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis when something was cut."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    # A mark or joiner at the cut would attach itself to the ellipsis.
    while kept and unicodedata.category(kept[-1])[0] in "MCZ":
        kept = kept[:-1]
    return kept + "…"


def one_line(text: str) -> str:
    """`text` as a terminal may print it: white space of any kind as one space."""
    return " ".join(printable(text).split())


def excerpt(text: str) -> str:
    """The beginning of somebody's text, fit for a line of a message."""
    return shorten(one_line(text), EXCERPT_LIMIT)


def inline(text: str) -> Safe:
    """Markdown that shows `text` on one line, wherever inline text can stand."""
    line = shorten(printable(text).replace("\n", " ").strip(), TEXT_LIMIT)
    return Safe(_escape_line(line))


def cell(text: str) -> Safe:
    """Markdown for a table cell that shows `text` with its line breaks."""
    lines = shorten(printable(text).strip(), TEXT_LIMIT).split("\n")
    return Safe("<br>".join(_escape_line(line.strip()) for line in lines))


def code(text: str) -> Safe:
    """A code span of `text`, also within a table."""
    line = printable(text).replace("\n", " ").strip()
    # A table splits at a | even within backticks; and a span cannot be empty.
    if not line or "|" in line or "`" in line:
        return Safe(f"<code>{html(_unlink(line))}</code>")
    return Safe(f"`{line}`")


def fence(text: str, language: str = "") -> Safe:
    """A fenced code block of `text`; the fence is longer than any run of backticks within, and no line is a marker."""
    block = _MARKER.sub(f"<{JOINER}", printable(text).rstrip("\n"))
    longest = max((len(run) for run in re.findall("`+", block)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Safe(f"{ticks}{language}\n{block}\n{ticks}")


def html(text: str) -> Safe:
    """`text` for an HTML attribute's value or between two tags, also where Markdown is read in between."""
    line = printable(text).replace("\n", " ")
    return Safe("".join(f"&#{ord(c)};" if c.isascii() and not (c.isalnum() or c == " ") else c for c in line))


def link(label: str, address: str | None) -> Safe:
    """[label](address), or the label alone when `address` is not http(s), carries a password, or is None.

    `label` is escaped unless it is Safe.
    """
    shown = label if isinstance(label, Safe) else inline(label)
    return Safe(f"[{shown}]({url(address)})") if address and is_web_address(address) else Safe(shown)


def is_web_address(address: str) -> bool:
    """Whether `address` is http(s), names a host, has a decent length, no credentials and no white space."""
    try:
        parts = urlsplit(address)
    except ValueError:  # e.g. an unclosed [ of an IPv6 host
        return False
    safe = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    return safe and len(address) <= ADDRESS_LIMIT and printable(address) == address and not re.search(r"\s", address)


def url(address: str) -> Safe:
    """`address` for the round brackets of a Markdown link: nothing in it ends the link or begins another thing."""
    return Safe(quote(address, safe=":/?#@!&+,;=%-._~").replace("&", "&amp;"))


def python(text: str) -> Safe:
    """A Python string literal, on one line, that evaluates to `text`; in double quotes unless it holds some."""
    literal = repr(str(text))
    plain = '"' not in literal and "\\'" not in literal
    return Safe(f'"{literal[1:-1]}"' if plain else literal)


def _escape_line(line: str) -> str:
    start = _LINE_START.match(line)
    head = f"{start[0][:-1]}\\{start[0][-1]}" if start else ""
    rest = _unlink(line[start.end() if start else 0 :])
    return head + _INLINE.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), rest)


def _unlink(line: str) -> str:
    return _DOT_IN_WORD.sub(f"{JOINER}.{JOINER}", _LINK_LIKE.sub(JOINER, line))
