"""What a Markdown page consists of, without its words: for tests that no text can change it."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

JOINER = "\u2060"
# Everything a card's page may be read with: HTML, tables, bare addresses as links, footnotes, formulas.
PARSER = MarkdownIt("gfm-like", {"html": True}).use(footnote_plugin).use(dollarmath_plugin)
_TEXT = ("text", "text_special", "softbreak")


def shape(markdown: str) -> list[tuple]:
    """Every block and inline element in order, with the address of links and images; no words, no <br>."""
    return shape_of(PARSER.parse(markdown))


def shape_of(tokens: list[Token]) -> list[tuple]:
    """The same of a page that is parsed already."""
    return [item for token in tokens for item in _items(token)]


def _items(token: Token) -> list[tuple]:
    if token.type == "inline":
        return [item for child in token.children or () for item in _items(child)]
    if token.type in _TEXT or (token.type == "html_inline" and token.content == "<br>"):
        return []
    address = token.attrGet("href") or token.attrGet("src")
    content = token.content if token.type.startswith("html") else ""
    return [(token.type, token.tag, token.info, address, content)]


def words_of(markdown: str) -> str:
    """The text that a reader sees, <br> as a line break, without the invisible joiners."""
    return re.sub(JOINER, "", "".join(_words(token) for token in PARSER.parse(markdown)))


def _words(token: Token) -> str:
    if token.type == "inline":
        return "".join(_words(child) for child in token.children or ())
    if token.type == "html_inline":
        return "\n" if token.content == "<br>" else ""
    if token.type == "image":
        return "".join(_words(child) for child in token.children or ())
    return token.content
