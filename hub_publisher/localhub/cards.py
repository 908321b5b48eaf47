"""A README as a page shows it: GitHub-flavoured Markdown with the HTML that GitHub allows, and nothing that runs."""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

TAGS = (nh3.ALLOWED_TAGS | {"input", "section", "picture", "source"}) - {"map", "area"}
ATTRIBUTES = {
    "*": {"align", "dir", "id", "lang", "title", "width", "height", "valign"},
    "a": {"href"}, "img": {"src", "alt"}, "input": {"type", "checked", "disabled"}, "details": {"open"},
    "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan", "scope"}, "ol": {"start"}, "code": {"class"},
    "source": {"media", "srcset"}, "section": {"class"}, "sup": {"class"}, "li": {"class"},
}  # fmt: skip
THEMES = ("hf-light-mode-only", "hf-dark-mode-only")
CLASSES = re.compile(r"language-[\w+-]+|footnote[\w-]*|task-list-item")


@dataclass(frozen=True)
class Place:
    """Where a card stands: its relative links lead into this repository at this revision."""

    prefix: str  # "", "datasets/" or "spaces/"
    name: str
    revision: str
    paths: frozenset[str]

    def path_of(self, url: str) -> str | None:
        """Return the path of the file of this repository that `url` means, None for everything else.

        A relative URL means one, and so does the address of this repository's file on whichever Hub.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        path = unquote(parts.path)
        marks = [f"/{self.prefix}{self.name}/{verb}/" for verb in ("resolve", "blob", "raw")]
        mark = next((mark for mark in marks if mark in path), None)
        if mark:
            path = path.partition(mark)[2].partition("/")[2]
        elif parts.scheme or parts.netloc or path.startswith("/"):
            return None
        path = path.removeprefix("./")
        return path if path in self.paths else None

    def url(self, path: str, verb: str = "resolve") -> str:
        """Return where this server serves the file; with `blob`, where a page shows it."""
        return f"/{self.prefix}{self.name}/{verb}/{quote(self.revision, safe='')}/{quote(path)}"

    def filter(self, tag: str, attribute: str, value: str) -> str | None:
        """Return what an attribute in a card may say; None drops it. A page never fetches from elsewhere."""
        if attribute in ("src", "srcset"):
            path, theme = self.path_of(value), value.partition("#")[2]  # the Hub's #hf-dark-mode-only and its like
            return self.url(path) + (f"#{theme}" if theme in THEMES else "") if path else None
        if attribute == "href" and (path := self.path_of(value)):
            return self.url(path, "blob")
        if attribute == "class":
            return " ".join(filter(CLASSES.fullmatch, value.split())) or None
        if tag == "input":  # a task list's box, never a field to type into
            return {"type": "checkbox", "disabled": "", "checked": ""}.get(attribute)
        return value


def _align(state: StateCore) -> None:
    """Say a table cell's alignment with `align`: the pages' policy lets no inline style through."""
    for token in state.tokens:
        style = str(token.attrs.pop("style", "")) if token.type in ("th_open", "td_open") else ""
        if style.startswith("text-align:"):
            token.attrs["align"] = style.removeprefix("text-align:")


_markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_markdown.use(anchors_plugin, max_level=4).use(footnote_plugin).use(tasklists_plugin)
_markdown.core.ruler.push("align", _align)


class Card(NamedTuple):
    """A card as safe HTML: what stands before its first section, the rest, and (id, title) of every section."""

    lead: Markup
    body: Markup
    contents: list[tuple[str, str]]


def render(text: str, place: Place) -> Card:
    """Return a card's Markdown as HTML that is safe to put on a page."""
    env: dict = {}
    tokens = _markdown.parse(text, env)
    sections = [at for at, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"]
    first = sections[0] if sections else 0
    lead, body = (
        _safe(_markdown.renderer.render(part, _markdown.options, env), place)
        for part in (tokens[:first], tokens[first:])
    )
    return Card(lead, body, [(str(tokens[at].attrs.get("id", "")), _title(tokens[at + 1])) for at in sections])


def _title(heading: Token) -> str:
    return "".join(part.content for part in heading.children or () if part.type in ("text", "code_inline"))


def _safe(html: str, place: Place) -> Markup:
    return Markup(nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, attribute_filter=place.filter,
        url_schemes={"http", "https", "mailto"}, link_rel="noopener noreferrer nofollow", strip_comments=True,
    ))  # fmt: skip
