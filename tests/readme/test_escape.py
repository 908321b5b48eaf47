"""Text from strangers changes no heading, table, fence or link of a page, and is shown as it was written."""

import ast
import html
import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_publisher.card.inputs import Inputs
from hub_publisher.card.page import context, render_page
from hub_publisher.card.snippet import PROMPT_LIMIT
from hub_publisher.readme import escape
from tests.helpers import card_records
from tests.helpers.markdown_shape import PARSER, shape, shape_of, words_of

NASTY = (
    "# Heading", "\n\n# Heading\n", "## x ##", "---", "\n---\n", "===", "\n===\n", "- item", "* item", "+ item",
    "1. one", "12) twelve", "> quote", "    code", "```", "\n```\n", "~~~", "````python\n", "`", "``", "*",
    "**", "__", "_a_", "~~s~~", "|", "\\|", "\\\\|", "| a | b |\n| --- | --- |\n", ":--", "\\", "\\\n", "<",
    ">", "&", "&amp;", "&#124;", "&lt;b&gt;", "<b>", "</td>", "</details>", "<details>",
    "<script>alert(1)</script>", "<!--", "-->", "<!-- x -->", "<![CDATA[", "<?x", "<br>",
    "<img src=x onerror=alert(1)>", "[a](b)", "![a](b)", "[a]: https://evil.example", "[x]", "[ ]", "[^1]",
    "[^1]: n", "](", ")", "(", "<https://evil.example>", "https://evil.example/a?b=c&d=e#f",
    "http://evil.example", "www.evil.example", "www.", "www.-a", "www.😀.com", "a@😀.b", "evil.com", "//evil.com",
    "a@b.example", "mailto:a@b.example",
    "@user@server.example", "@user", "#tag", "$", "$$", "$$x^2$$", "\\(x\\)", "\\[x\\]", "{{ 7*7 }}",
    "{% raw %}", "{#", "%}", "'", '"', "\\'", '"""', "'''", "\\n", "\\u0041", "no", "1e3", "08", "0o17", "~",
    "null", ": ", " #", "!!python/object", "%", "\r", "\r\n", "\n", "\n\n", "\t", "\x00", "\x0b", "\x1b[31m",
    "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d", "\u2028", "\u2029", "\u202e", "\u2066", "\ufeff",
    "\ufffe", "\ud800", "\U0001f916", "👩‍👩‍👧", "日本語", "שלום", "مرحبا", "é", "e\u0301", "Z̸̗͒", " ", "  ",
)  # fmt: skip
hostile = st.lists(
    st.sampled_from(NASTY) | st.text(max_size=12) | st.text("\\`*_|[]()<>!#-=~$&@:/. \n", max_size=8), max_size=7
)
texts = hostile.map("".join)

CONTEXTS = {
    "heading": "# {}",
    "paragraph": "{}",
    "within": "before {} after",
    "second line": "one line\n{}\nand one more",
    "bold": "**x {} x**",
    "list": "- {}",
    "quote": "> {}",
    "label": "[{}](https://kept.example)",
    "image": "![{}](figures/kept.png)",
    "table": "| a | b |\n| --- | --- |\n| {} | kept |\n| kept | {} |",
}


@pytest.mark.parametrize("context", CONTEXTS)
@given(text=texts)
@settings(max_examples=150, deadline=None)
def test_inline_text_is_shown_and_changes_nothing(context: str, text: str) -> None:
    page = CONTEXTS[context]
    shown = escape.visible(text, "fallback")
    escaped = escape.inline(shown)
    assert shape(page.replace("{}", escaped)) == shape(page.replace("{}", "harmless"))
    expected = page.replace("{}", "\x00").replace("\x00", "HERE")
    place = words_of(expected).replace("HERE", escape.shorten(shown, escape.TEXT_LIMIT))
    assert squeezed(words_of(page.replace("{}", escaped))) == squeezed(place)


def squeezed(text: str) -> str:
    """Runs of white space as one space: HTML shows them so. The invisible joiner is not compared."""
    return re.sub(r"\s+", " ", text.replace("\u2060", "")).strip()


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_a_cell_keeps_its_row_and_its_line_breaks(text: str) -> None:
    table = "| a | b |\n| --- | --- |\n| {} | kept |"
    cell = escape.cell(text)
    assert shape(table.replace("{}", cell)) == shape(table.replace("{}", "harmless"))
    lines = [squeezed(line) for line in escape.printable(text).strip().split("\n")]
    found = words_of(table.replace("{}", cell)).removeprefix("ab").removesuffix("kept")
    assert [squeezed(line) for line in found.split("\n")] == lines


@given(text=texts)
@settings(max_examples=200, deadline=None)
def test_a_code_span_is_one_piece_also_in_a_table(text: str) -> None:
    for page in ("a {} b", "| a | b |\n| --- | --- |\n| {} | kept |"):
        tokens = [item[0] for item in shape(page.replace("{}", escape.code(text)))]
        plain = [item[0] for item in shape(page.replace("{}", "x"))]
        assert [kind for kind in tokens if kind not in ("code_inline", "html_inline")] == plain
    assert squeezed(words_of(f"a {escape.code(text)} b")) == squeezed(f"a {escape.printable(text)} b")


@example(text="```")
@given(text=texts)
@settings(max_examples=150, deadline=None)
def test_a_fence_closes_where_it_should(text: str) -> None:
    tokens = PARSER.parse(f"before\n\n{escape.fence(text, 'text')}\n\nafter")
    assert [token.type for token in tokens if token.level == 0] == [
        "paragraph_open", "paragraph_close", "fence", "paragraph_open", "paragraph_close"
    ]  # fmt: skip
    fence = next(token for token in tokens if token.type == "fence")
    assert fence.content.rstrip("\n") == escape.printable(text).rstrip("\n")
    assert fence.info == "text"


@given(text=texts)
@settings(max_examples=200, deadline=None)
def test_html_text_and_attributes_read_back(text: str) -> None:
    escaped = escape.html(text)
    assert not re.search("[<>\"'`=]", escaped)
    assert html.unescape(escaped) == escape.printable(text).replace("\n", " ")


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_a_python_literal_is_one_line_that_evaluates_to_the_text(text: str) -> None:
    literal = escape.python(text)
    assert ast.literal_eval(literal) == text
    assert len(literal.splitlines()) == 1


@given(label=texts, address=texts.map(lambda text: f"https://kept.example/{text}"))
@settings(max_examples=300, deadline=None)
def test_a_link_leads_to_one_place_or_nowhere(label: str, address: str) -> None:
    made = escape.link(escape.visible(label, "label"), address)
    links = [item for item in shape(f"before {made} after") if item[0] == "link_open"]
    assert len(links) == int(escape.is_web_address(address))
    for link in links:
        assert link[3].startswith("https://kept.example/")


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "https://user:pw@host.example", "https://[x",
     "https://a b.example", "ftp://host.example", "", "https://x.example/\u202e"],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_not_linked(address: str) -> None:
    assert escape.link("label", address) == "label"


def test_finalize_escapes_text_and_refuses_what_needs_formatting() -> None:
    assert escape.finalize("a*b") == "a\\*b"
    assert escape.finalize(escape.Safe("a*b")) == "a*b"
    assert escape.finalize(1200) == 1200
    for value in (None, 1.5, True, ["x"]):
        with pytest.raises(TypeError, match="reached the card unformatted"):
            escape.finalize(value)


def test_a_backslash_begins_no_formula() -> None:
    assert escape.inline("\\(x\\)") == "&#92;\u2060(x&#92;)"


def test_names_without_anything_to_see_fall_back() -> None:
    assert escape.visible("\u200b\u2060 \n", "handle") == "handle"
    assert escape.visible("  Ada\nL ", "handle") == "Ada L"


def test_shortening_leaves_no_mark_without_its_letter() -> None:
    assert escape.shorten("abcdef", 4) == "abc…"
    assert escape.shorten("ae\u0301bcd", 3) == "ae…"
    assert escape.shorten("ae\u0301bcd", 4) == "ae…"
    assert escape.shorten("a bcd", 3) == "a…"
    assert escape.shorten("abc", 3) == "abc"


@cache
def publication(folder: str) -> Inputs:
    from pathlib import Path

    config, repo_id, *records = card_records.publication(Path(folder))
    return card_records.gather(config, repo_id, "https://huggingface.co", *records, has_avatar=True)


def page_with(inputs: Inputs, name: str, prompt: str, text: str) -> str:
    """The whole page of a publication in which everything a stranger can write is hostile."""
    samples = tuple(
        group.model_copy(update={"prompt": prompt, "tuned": (text, text), "base": (text, text)})
        for group in inputs.evaluation.samples
    )
    account = card_records.account(display_name=name, bio=text, profile_url=f"https://x.com/{prompt}")
    curation = inputs.curation.model_copy(update={"accounts": (account,), "notes": (escape.visible(text, "note"),)})
    training = inputs.training.model_copy(
        update={
            "hardware": name or "CPU",
            "hyperparameters": {"optimizer": f"AdamW {text}"},
            "versions": {"torch": escape.visible(text, "2")},
        }
    )
    code = inputs.snippet.code.replace('"My dream is"', escape.python(prompt[:PROMPT_LIMIT]))
    tried = inputs.snippet.model_copy(update={"code": code, "printed": (text, name)})
    evaluation = inputs.evaluation.model_copy(update={"samples": samples})
    changes = {"curation": curation, "training": training, "evaluation": evaluation, "snippet": tried}
    return render_page(context(inputs.model_copy(update={**changes, "contact": f"Ask {prompt}"}), {}))[0]


@given(name=texts, prompt=texts, text=texts)
@settings(max_examples=120, deadline=None)
@example(name="no", prompt="{{ 7*7 }}", text="---\n<!--\n$$")
def test_the_whole_page_keeps_its_shape(
    tmp_path_factory: pytest.TempPathFactory, name: str, prompt: str, text: str
) -> None:
    inputs = publication(str(tmp_path_factory.getbasetemp() / "whole_page"))
    page = page_with(inputs, name, prompt, text)
    linked = escape.is_web_address(f"https://x.com/{prompt}")
    tokens = PARSER.parse(page)
    assert without_profile(shape_of(tokens)) == harmless_shape(inputs, linked)
    for token in tokens:
        if token.type == "fence" and token.info == "python":
            compile(token.content, "snippet", "exec")


def test_an_endless_name_is_cut(tmp_path_factory: pytest.TempPathFactory) -> None:
    inputs = publication(str(tmp_path_factory.getbasetemp() / "whole_page"))
    page = page_with(inputs, "\U0001f916|" * 50_000, "|" * 100_000, "*" * 100_000)
    heading = next(line for line in page.splitlines() if line.startswith("# "))
    assert len(words_of(heading)) == escape.NAME_LIMIT
    assert len(page) < 60_000


def harmless_shape(inputs: Inputs, linked: bool) -> list[tuple]:
    if linked not in _HARMLESS:
        _HARMLESS[linked] = without_profile(shape(page_with(inputs, "Name", "prompt" if linked else " ", "text")))
    return _HARMLESS[linked]


_HARMLESS: dict[bool, list[tuple]] = {}


def without_profile(items: list[tuple]) -> list[tuple]:
    """The profile's address is made from the prompt here: one place for all of them."""
    return [(*item[:3], "profile", item[4]) if str(item[3]).startswith("https://x.com/") else item for item in items]
