"""The parsers that web pages are made with read a card as the Python ones do, whatever strangers wrote into it.

`make javascript` installs them; without it these tests are skipped, or fail where TESTS_REQUIRE_NODE is set. Each
parser is held to what it makes of the same page with harmless text. It is not held to the other parsers: they differ
in what no reader sees. The hostile inputs are the same in every run, and every parser gets all of them.
"""

import ast
import difflib
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub_publisher.readme import escape, frontmatter
from tests.card.test_metadata import keys, numbers, parsed, same, values, with_encodable_text
from tests.helpers import TESTS
from tests.readme.test_escape import CONTEXTS, NASTY, page_with, publication, squeezed

FOLDER = TESTS / "javascript"
NUM_TEXTS = 2000
NUM_PAGES = 80
NUM_METADATA = 200
SYNTAX = "\\`*_|[]()<>!#-=~$&@:/. \n"
# The name in a script's answer, and the package's name in package.json.
MARKDOWN = {name: name for name in ("commonmark", "markdown-it", "marked", "micromark")}
YAML = {
    "js-yaml": "js-yaml",
    "js-yaml 3": "js-yaml-3",
    "js-yaml 4": "js-yaml-4",
    "yaml 1.1": "yaml",
    "yaml 1.2": "yaml",
}

# A line of a page's shape: what a card is made of, and nothing that acts or leads anywhere but to the web.
HARMLESS = re.compile(
    "(?:h[1-3]|p|strong|em|b|blockquote|ol|ul|li|table|thead|tbody|tr|th|td|pre|code|details|summary|a|img)"
    r'(?: (?:href="https://[^"]*"|src="figures/\w+\.png"|class="language-\w+"|align="right"|style="text-align:right"))*'
    r"|#comment \".*\""
)


class Place(NamedTuple):
    """Where text lands: a page with {} for it, how it is written there, and what a reader is to see of it."""

    page: str
    write: Callable[[str], str]
    seen: Callable[[str], str]


def one_line(text: str) -> str:
    return escape.visible(text, "fallback")


TABLE = "| a | b |\n| --- | ---: |\n| {} | kept |\n| kept | {} |"
PLACES = {
    **{name: Place(page, lambda text: escape.inline(one_line(text)), one_line) for name, page in CONTEXTS.items()},
    "cell": Place(TABLE, escape.cell, escape.printable),
    "code span": Place("a {} b", escape.code, escape.printable),
    "code span in a table": Place(TABLE, escape.code, escape.printable),
    "fence": Place("before\n\n{}\n\nafter", lambda text: escape.fence(text, "text"), escape.printable),
    "html": Place('<p><img src="figures/x.png" alt="{}"></p>\n\nx <b title="{}">{}</b>', escape.html, escape.printable),
}


class Page(NamedTuple):
    """What one parser makes of a page: its elements one a line, the words that a reader sees, its Python blocks."""

    shape: str
    words: str
    python: list[str]


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if shutil.which("node") and (FOLDER / "node_modules").is_dir():
        return
    reason = "node or its packages are not here; `make javascript` installs the packages"
    if os.environ.get("TESTS_REQUIRE_NODE"):
        pytest.fail(reason)
    pytest.skip(reason)


def answers(script: str, inputs: list[str], packages: dict[str, str]) -> dict[str, list]:
    """What each parser makes of all `inputs`, in their order; AssertionError unless its version is package.json's."""
    run = subprocess.run(
        ["node", str(FOLDER / script)], input=json.dumps(inputs), capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
    read = json.loads(run.stdout)
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    versions = {name: wanted[package].rpartition("@")[2] for name, package in packages.items()}
    assert {name: answer["version"] for name, answer in read.items()} == versions
    assert {len(answer["read"]) for answer in read.values()} == {len(inputs)}
    return {name: answer["read"] for name, answer in read.items()}


def read_markdown(pages: list[str]) -> dict[str, list[Page]]:
    read = answers("markdown.mjs", pages, MARKDOWN)
    return {name: [Page(**page) for page in answer] for name, answer in read.items()}


def drawn(strategy: st.SearchStrategy, count: int) -> list:
    """`count` different examples of `strategy`, the same ones in every run."""
    found: dict[str, Any] = {}

    @settings(
        max_examples=count * 4 // 3, derandomize=True, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(example: Any) -> None:
        found.setdefault(repr(example), example)

    collect()
    assert len(found) >= count
    return list(found.values())[:count]


def random_texts(count: int, seed: int) -> list[str]:
    """`count` different texts made of what `texts` is made of, the same ones in every run and in no time."""
    dice = random.Random(seed)

    def piece() -> str:
        kind = dice.randrange(3)
        if kind == 0:
            return dice.choice(NASTY)
        letters = SYNTAX if kind == 1 else [chr(dice.randrange(32, dice.choice((0x7F, 0x250, 0xD800, 0x20000))))]
        return "".join(dice.choices(letters, k=dice.randrange(9)))

    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(piece() for _ in range(dice.randint(1, 7)))] = None
    return list(found)


@cache
def hostile_texts() -> list[str]:
    return list(dict.fromkeys((*NASTY, *random_texts(NUM_TEXTS, seed=1))))


def assert_alike(parser: str, pages: list[str], found: list[str], expected: list[str]) -> None:
    """Fails with the shortest page that is read otherwise than expected, line by line."""
    wrong = [item for item in zip(pages, found, expected, strict=True) if item[1] != item[2]]
    if wrong:
        page, read, wanted = min(wrong, key=lambda item: len(item[0]))
        lines = difflib.unified_diff(wanted.split("\n"), read.split("\n"), "expected", "found", lineterm="")
        pytest.fail("\n".join((f"{parser} errs on {len(wrong)} of {len(pages)} pages, as on {page!r}", *lines)))


def is_harmless(shape: str) -> bool:
    return all(HARMLESS.fullmatch(line.strip()) for line in shape.split("\n"))


def texts_by_place() -> dict[str, list[str]]:
    """What is nasty in every place, and each random text in a third of them."""
    random_ones = hostile_texts()[len(NASTY) :]
    return {name: [*NASTY, *random_ones[number % 3 :: 3]] for number, name in enumerate(PLACES)}


def pages_of(texts: dict[str, list[str]], *, escaped: bool) -> dict[str, list[str]]:
    """For each place its page with HERE, which is harmless, then with each of its `texts`."""
    return {
        name: [page.replace("{}", write(text) if escaped else text) for text in ("HERE", *texts[name])]
        for name, (page, write, _) in PLACES.items()
    }


def read_places(pages: dict[str, list[str]]) -> Iterator[tuple[str, str, Page, list[Page]]]:
    """For each parser and place: what it makes of the harmless page, and of the others."""
    # One run for all of them: node needs a second to become fast.
    for parser, read in read_markdown([page for written in pages.values() for page in written]).items():
        rest = iter(read)
        for place, written in pages.items():
            harmless, *others = islice(rest, len(written))
            yield parser, place, harmless, others


def test_hostile_text_is_shown_and_changes_nothing() -> None:
    texts = texts_by_place()
    assert {text for texts_of_place in texts.values() for text in texts_of_place} == {*hostile_texts()}
    pages = pages_of(texts, escaped=True)
    for parser, place, harmless, read in read_places(pages):
        assert is_harmless(harmless.shape)
        assert_alike(parser, pages[place][1:], [item.shape for item in read], [harmless.shape] * len(texts[place]))
        words = [squeezed(harmless.words.replace("HERE", PLACES[place].seen(text))) for text in texts[place]]
        assert_alike(parser, pages[place][1:], [squeezed(item.words) for item in read], words)


def test_each_parser_would_notice_text_that_is_not_escaped() -> None:
    """Or the tests above and below could not fail."""
    for parser, place, harmless, read in read_places(
        pages_of({place: [*NASTY[::4]] for place in PLACES}, escaped=False)
    ):
        assert any(item.shape != harmless.shape for item in read), (parser, place)


def test_what_no_card_has_is_not_harmless() -> None:
    acting = [
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>a</a>",
        "<svg></svg>",
        "<p style='color:red'>",
    ]
    for parser, read in read_markdown([*acting, "**a** [b](https://kept.example)"]).items():
        assert [is_harmless(item.shape) for item in read] == [False, False, False, False, True], parser


def test_a_python_block_is_the_same_code_to_every_parser() -> None:
    hostile = hostile_texts()
    blocks = [f"text = {escape.python(text)}" for text in hostile]
    pages = [f"before\n\n{escape.fence(block, 'python')}\n\nafter" for block in blocks]
    for parser, read in read_markdown(pages).items():
        assert [item.python for item in read] == [[f"{block}\n"] for block in blocks], parser
    assert [ast.literal_eval(block.removeprefix("text = ")) for block in blocks] == hostile


def settled(shape: str, address: str) -> str:
    """`shape` without what may follow from a stranger's text: the rest of a link to `address`."""
    return re.sub(rf'href="{re.escape(address)}[^"]*"', f'href="{address}"', shape)


def test_an_address_is_one_link_or_none() -> None:
    kept = "https://kept.example/"
    addresses = [kept + text for text in hostile_texts()]
    addresses += [f"{kept}{text}".replace(" ", "").replace("\n", "") for text in hostile_texts()]
    pages = [f"before {escape.link('label', address)} after" for address in addresses]
    is_linked = [escape.is_web_address(address) for address in addresses]
    assert sum(is_linked) >= 1000
    for parser, (without, linked, *read) in read_markdown(["label", f"[label]({kept})", *pages]).items():
        assert is_harmless(linked.shape)
        expected = [linked.shape if is_link else without.shape for is_link in is_linked]
        assert_alike(parser, pages, [settled(item.shape, kept) for item in read], expected)


def test_a_whole_page_keeps_its_shape_and_its_python(tmp_path_factory: pytest.TempPathFactory) -> None:
    inputs = publication(str(tmp_path_factory.getbasetemp() / "whole_page"))
    profile = "https://x.com/"
    written = list(zip(*(random_texts(NUM_PAGES, seed) for seed in (2, 3, 4)), strict=True))
    is_linked = [escape.is_web_address(profile + prompt) for _, prompt, _ in written]
    pages = [page_with(inputs, *words) for words in (("Name", " ", "text"), ("Name", "prompt", "text"), *written)]
    answer = read_markdown(pages)
    for parser, (without, linked, *read) in answer.items():
        assert is_harmless(linked.shape)
        expected = [settled((linked if is_link else without).shape, profile) for is_link in is_linked]
        assert_alike(parser, pages[2:], [settled(item.shape, profile) for item in read], expected)
        assert [item.python for item in read] == [item.python for item in answer["commonmark"][2:]]
    for item in answer["commonmark"]:
        assert item.python
        for block in item.python:
            compile(block, "snippet", "exec")


def value_of(typed: list) -> Any:
    """The Python value of what yaml.mjs wrote: a number as a float, as in JavaScript; what no card holds, as a pair."""
    kind, content = typed
    if kind == "object":
        return {key: value_of(item) for key, item in content}
    if kind == "array":
        return [value_of(item) for item in content]
    if kind in ("string", "boolean"):
        return content
    return float(content) if kind == "number" else (kind, content)


def with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_floats(item) for item in value]
    return float(value) if type(value) is int else value


def test_front_matter_is_the_same_to_every_yaml_parser() -> None:
    lists = [*NASTY, *(one + other for one in NASTY for other in NASTY[::7]), "1e3", "1E5", "12e03", "+.5", "12e4567"]
    metadata = [{"texts": lists, "numbers": [1e-05, 1e22, 0.1, 3, 5e-324, -0.0], "flags": [True, False], "nothing": []}]
    metadata += [{"text": text, "list": [text, {"inner": text}]} for text in hostile_texts()]
    metadata += [{"number": number} for number in drawn(numbers, NUM_METADATA)]
    metadata += drawn(st.dictionaries(keys, values, min_size=1, max_size=5), NUM_METADATA)
    assert len(metadata) >= 2400
    expected = [with_encodable_text(item) for item in metadata]
    front_matters = [frontmatter.dump(item) for item in metadata]
    assert [repr(parsed(text)) for text in front_matters] == [repr(item) for item in expected]  # PyYAML
    written = ["\n".join(text.split("\n")[1:-2]) for text in front_matters]
    for parser, read in answers("yaml.mjs", written, YAML).items():
        wrong = [(text, item) for text, item, want in zip(written, read, expected, strict=True)
                 if not same(value_of(item), with_floats(want))]  # fmt: skip
        assert not wrong, (parser, len(wrong), min(wrong, key=lambda pair: len(pair[0])))


def test_yaml_parsers_differ_on_what_is_not_quoted() -> None:
    """Or the test above could not fail."""
    plain = "{thousand: 1e3, norwegian: no, day: 2001-01-01}"
    read = {parser: value_of(value) for parser, (value,) in answers("yaml.mjs", [plain], YAML).items()}
    assert read["yaml 1.2"] == {"thousand": 1000.0, "norwegian": "no", "day": "2001-01-01"}
    assert read["yaml 1.1"]["norwegian"] is False
    assert read["js-yaml 3"]["day"] == ("date", "2001-01-01T00:00:00.000Z")
    assert yaml.safe_load(plain)["thousand"] == "1e3"
