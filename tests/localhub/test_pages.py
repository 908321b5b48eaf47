"""What a person sees: cards rendered without anything that runs, and the metadata the Hub would refuse."""

import html.parser
import random
import re
import time
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher import localhub
from hub_publisher.localhub import metadata
from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.cards import ATTRIBUTES, TAGS, Place, render
from hub_publisher.localhub.listing import LEXERS, listing
from hub_publisher.localhub.store import File
from tests.helpers.hub_calls import call

PLACE = Place("", "ns/model", "main", frozenset({"figures/loss.png", "config.json", "a b.png"}))
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00"
    "05000201a1c2d1a00000000049454e44ae426082"
)
CARD = """---
license: mit
library_name: transformers
pipeline_tag: text-generation
thumbnail: https://huggingface.co/pages/lamp/resolve/main/figures/avatar.png
tags: [huggingtweets]
widget:
- text: My dream is
  output: {text: "a <b>warm</b> lamp."}
- text: 'Say "hi"'
model-index:
- name: m
  results:
  - task: {type: text-generation}
    dataset: {type: posts, name: held-out posts}
    metrics: [{type: perplexity, value: 41.5}]
---
# The lamp

![Avatar](figures/avatar.png) and <script>alert(1)</script>

| Posts | Number |
|---|---:|
| kept | 512 |
"""


@pytest.fixture
def page(hub: localhub.LocalHub) -> str:
    """The model page of a published model."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("pages/lamp", exist_ok=True)
    adds = [CommitOperationAdd("README.md", CARD.encode()), CommitOperationAdd("figures/avatar.png", PNG)]
    api.create_commit("pages/lamp", adds, commit_message="Publish the card", commit_description="With its avatar")
    return call(hub, "GET", "/pages/lamp")[2].decode()


class Elements(html.parser.HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_model_page_shows_the_card_and_its_facts(page: str) -> None:
    for text in (
        '<h1 id="the-lamp">The lamp</h1>', '<img src="/pages/lamp/resolve/main/figures/avatar.png" alt="Avatar">',
        '<td align="right">512</td>', '<span class="label">License</span> mit', "a &lt;b&gt;warm&lt;/b&gt; lamp.",
        'pipeline("text-generation", model="pages/lamp")', "print(generator(&#34;My dream is&#34;))",
        '<td>perplexity <small>on held-out posts</small></td><td class="number">41.5</td>',
    ):  # fmt: skip
        assert text in page
    assert "alert" not in page
    assert page.count("<script") == 1


def test_a_page_asks_nothing_of_the_outside(hub: localhub.LocalHub, page: str) -> None:
    for path in (
        "/",
        "/pages/lamp",
        "/pages/lamp/tree/main",
        "/pages/lamp/blob/main/README.md",
        "/?tag=mit",
        "/pages/lamp/commits/main",
        "/pages",
    ):
        status, headers, body = call(hub, "GET", path)
        assert (path, status) == (path, 200)
        assert headers["content-security-policy"].startswith("default-src 'self';")
        for tag, attributes in Elements(body.decode()).found:
            assert attributes.get("src", "/").startswith("/"), (tag, attributes)
            assert tag != "link" or attributes["href"].startswith("/_static/")
            assert tag not in ("iframe", "style", "object")
            assert tag != "script" or attributes == {"src": "/_static/hub.js", "defer": None}
            assert "style" not in attributes
            if tag == "img":
                assert "alt" in attributes
    for name in ("hub.css", "hub.js", "hub.svg"):
        status, headers, body = call(hub, "GET", f"/_static/{name}")
        assert status == 200
        assert b"http" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert headers["content-type"].startswith(("text/css", "text/javascript", "image/svg+xml"))


def test_a_repository_of_no_known_task_is_used_as_files(hub: localhub.LocalHub) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("other/bare", exist_ok=True)
    bare = call(hub, "GET", "/other/bare")[2].decode()
    assert 'folder = snapshot_download("other/bare")</code></pre>' in bare
    assert "pipeline(" not in bare
    assert "in 1 file</dd>" in bare


@pytest.mark.parametrize("shape", ["[1e308, 10]", "[9999999999, 9999999999]", "[-1]", '["a"]', "7", "[[1]]"])
def test_weights_that_say_what_cannot_be_have_no_parameters(tmp_path: Path, shape: str) -> None:
    blobs = BlobStore(tmp_path)
    header = f'{{"a": {{"dtype": "F32", "shape": {shape}}}}}'.encode()
    file = File("m.safetensors", "", blobs.add(len(header).to_bytes(8, "little") + header), 0, True)
    assert metadata.safetensors_of({file.path: file}, blobs) is None


def test_list_search_and_namespace(hub: localhub.LocalHub, page: str) -> None:
    def shown(path: str) -> set[str]:
        found = Elements(call(hub, "GET", path)[2].decode()).found
        return {a["href"] for tag, a in found if tag == "a" and a.get("class") == "model"}

    assert "/pages/lamp" in shown("/")
    assert shown("/pages") == {"/pages/lamp"}
    assert shown("/?q=LAMP") == {"/pages/lamp"}
    assert shown("/?q=%22%3E%3Cscript%3E") == set()
    assert b"<script" not in call(hub, "GET", "/?q=%22%3E%3Cscript%3E")[2]


def test_branches_are_pages_too(hub: localhub.LocalHub, page: str) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_branch("pages/lamp", branch="next/one")
    assert 'href="/pages/lamp/tree/next%2Fone"' in call(hub, "GET", "/pages/lamp/tree/main")[2].decode()
    assert "Revision <strong>next/one</strong>" in call(hub, "GET", "/pages/lamp/tree/next%2Fone")[2].decode()


def test_commit_page_shows_the_cards_diff(hub: localhub.LocalHub, page: str) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    changed = CARD.replace("# The lamp", "# The <lamp>").encode()
    made = api.upload_file(path_or_fileobj=changed, path_in_repo="README.md", repo_id="pages/lamp")
    status, _, body = call(hub, "GET", f"/pages/lamp/commit/{made.oid}")
    assert status == 200
    assert '<span class="minus">-# The lamp' in body.decode()
    assert '<span class="plus">+# The &lt;lamp&gt;' in body.decode()
    api.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id="pages/lamp")


def test_a_card_is_told_apart_into_what_it_is_and_its_sections() -> None:
    text = "# The *lamp*\n\nIt shines[^1].\n\n## How\n\n### Part\n\n## A `b` <i>c</i>\n\n[^1]: At night."
    card = render(text, PLACE)
    assert [title for _, title in card.contents] == ["How", "A b c"]
    assert all(f'<h2 id="{id}">' in card.body for id, _ in card.contents)
    assert card.lead.startswith('<h1 id="the-lamp">The <em>lamp</em></h1>')
    assert "How" not in card.lead
    assert "At night" in card.body, "a footnote stands at the end of the whole"
    assert render("# One\n\ntext", PLACE)[::2] == ("", [])


def test_a_file_has_a_page_with_its_text_its_size_and_ways_out(hub: localhub.LocalHub, page: str) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    files = {"a/n.json": b'{"<b>": [1, "x"]}\n', "run.py": b"# <i>\n\nx = 1", "raw.dat": b"\0\1", "no": b""}
    for name, data in files.items():
        api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id="pages/lamp")

    def opened(path: str) -> str:
        return call(hub, "GET", f"/pages/lamp/{path}")[2].decode()

    for text in (
        '<span class="nt">"&lt;b&gt;"</span>', '<a href="/pages/lamp/tree/main">Files</a>',
        '<a class="button" href="/pages/lamp/resolve/main/a/n.json" download>Download</a>', "<span>18 Bytes</span>",
    ):  # fmt: skip
        assert text in opened("blob/main/a/n.json")
    lines = re.findall(r'<span id="L(\d)">(.*)\n', opened("blob/main/run.py"))
    assert [number for number, _ in lines] == ["1", "2", "3"]
    assert lines[0][1] == '<span class="c1"># &lt;i&gt;</span>'
    assert "too long for a page" in opened("blob/main/raw.dat")
    assert "too long for a page" not in opened("blob/main/no")
    assert '<img class="picture"' in opened("blob/main/figures/avatar.png")
    assert call(hub, "GET", "/pages/lamp/blob/main/nothing", Accept="text/html")[0] == 404
    assert '<a href="/pages/lamp/blob/main/a/n.json">a/n.json</a>' in opened("tree/main")
    assert '<a href="/pages/lamp/resolve/main/a/n.json" download' in opened("tree/main")


@pytest.mark.parametrize("suffix", sorted(LEXERS))
@pytest.mark.parametrize("piece", ["{", '"', "[", "(", "- ", "a: ", "\\", "/*", "\t", "@", "f'{", "1", "'"])
def test_no_text_takes_long_to_colour(tmp_path: Path, suffix: str, piece: str) -> None:
    blobs = BlobStore(tmp_path)
    data = (piece * 40_000)[:40_000].encode()
    begun = time.process_time()
    assert listing(File(f"x{suffix}", "", blobs.add(data), len(data), False), blobs) is not None
    assert time.process_time() - begun < 10


def test_tags_lead_to_the_models_that_have_them(hub: localhub.LocalHub, page: str) -> None:
    tags = [a["href"] for tag, a in Elements(page).found if tag == "a" and a.get("class") == "chip"]
    assert tags == ["/?tag=text-generation", "/?tag=transformers", "/?tag=mit", "/?tag=huggingtweets"]
    for path in tags:
        assert b'href="/pages/lamp"' in call(hub, "GET", path)[2]
    assert b"No model has this tag" in call(hub, "GET", "/?tag=nothing%3Cb%3E")[2]


def test_the_avatar_is_shown_once_and_commits_say_who_and_when(hub: localhub.LocalHub, page: str) -> None:
    assert page.count("/pages/lamp/resolve/main/figures/avatar.png") == 1
    for path in ("/pages/lamp/commits/main", "/pages/lamp/commit/main"):
        shown = call(hub, "GET", path)[2].decode()
        assert re.search(r"local</span>\s*<time [^>]*>\d+ \w+ \d{4}, \d\d:\d\d UTC</time>", shown), path


def test_a_missing_page_is_a_page_for_a_browser_and_json_for_a_program(hub: localhub.LocalHub) -> None:
    status, headers, body = call(hub, "GET", "/pages/nothing", Accept="text/html")
    assert (status, headers["x-error-code"]) == (404, "RepoNotFound")
    assert b"Repository not found" in body
    assert b"<!doctype html>" in body
    assert b"/login?token=" not in body
    assert b'action="/login"' in body
    assert call(hub, "GET", "/pages/nothing", auth="yes")[2] == b'{"error":"Repository not found"}'


def test_a_file_that_is_opened_runs_nothing(hub: localhub.LocalHub, page: str) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    for name in ("evil.html", "evil.svg"):
        data = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id="pages/lamp")
        _, headers, _ = call(hub, "GET", f"/pages/lamp/resolve/main/{name}")
        assert "sandbox" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("![x](figures/loss.png)", '<img src="/ns/model/resolve/main/figures/loss.png" alt="x">'),
        ("![x](./figures/loss.png)", '<img src="/ns/model/resolve/main/figures/loss.png" alt="x">'),
        ("![x](a%20b.png)", '<img src="/ns/model/resolve/main/a%20b.png" alt="x">'),
        ("![x](https://example.org/ns/model/resolve/main/figures/loss.png)",
         '<img src="/ns/model/resolve/main/figures/loss.png" alt="x">'),
        ("![x](figures/loss.png#hf-dark-mode-only)",
         '<img src="/ns/model/resolve/main/figures/loss.png#hf-dark-mode-only" alt="x">'),
        ("![badge](https://example.org/badge.svg)", '<img alt="badge">'),
        ("[c](config.json)", '<a href="/ns/model/blob/main/config.json" rel="noopener noreferrer nofollow">c</a>'),
        ("[c](#part)", '<a href="#part" rel="noopener noreferrer nofollow">c</a>'),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        ('<img src="figures/loss.png" onerror="alert(1)" width="40" style="position:fixed">',
         '<img src="/ns/model/resolve/main/figures/loss.png" width="40">'),
        ('<div align="center">x</div>', '<div align="center">x</div>'),
        ("<form action=/login><input name=token></form>", "<input>"),
        ("~~gone~~ **bold**", "<s>gone</s> <strong>bold</strong>"),
    ],
)  # fmt: skip
def test_markdown_as_github_allows_it(markdown: str, html: str) -> None:
    assert html in render(markdown, PLACE).body


PIECES = [
    "<script>", "</script>", "<img src=x onerror=a>", "<svg onload=a>", "[a](javascript:a)", "`", "|", "\n", "<style>",
    "<a href='data:text/html,x'>", "<div style='x'>", "<!--", "-->", "<math>", "</p>", "# ", "&lt;", "<", "\0", "é",
    "<input value=x autofocus onfocus=a>", "<iframe srcdoc=x>", "![a](//e.org/x)", "[^1]",
]  # fmt: skip


def shown(markdown: str) -> str:
    card = render(markdown, PLACE)
    return card.lead + card.body


def test_no_markdown_gets_anything_through_that_runs() -> None:
    rng = random.Random(0)
    letters = [chr(code) for code in (*range(128), 0x85, 0xA0, 0x2028, 0xFFFD, 0x1F600)]
    texts = [[rng.choice(rng.choice([PIECES, letters])) for _ in range(rng.randrange(10))] for _ in range(1000)]
    texts.append(["[^1]", ":", "[^1]", "[^1]"])  # a footnote's way back is #fnref1:1
    for pieces in texts:
        for tag, attributes in Elements(shown("".join(pieces))).found:
            assert tag in TAGS, pieces
            assert set(attributes) <= ATTRIBUTES["*"] | ATTRIBUTES.get(tag, set()) | {"rel"}, pieces
            assert re.match(r"(?:https?|mailto):|#|[^:]*$", attributes.get("href") or ""), pieces
            assert (attributes.get("src") or "/ns/model/").startswith("/ns/model/"), pieces


def read(folder: Path, readme: str) -> tuple[dict, str]:
    """The metadata and the body of a stored README.md."""
    blobs = BlobStore(folder)
    return metadata.card_of({"README.md": File("README.md", "", blobs.add(readme.encode()), 0, False)}, blobs)


def test_front_matter_and_body_are_told_apart(tmp_path: Path) -> None:
    assert read(tmp_path, "---\r\na: 1\r\n---\r\n# T") == ({"a": 1}, "# T")
    assert read(tmp_path, "\ufeff---\na: no\n---\n") == ({"a": "no"}, ""), "YAML 1.2, as the Hub reads it"
    assert read(tmp_path, "---\na: [.nan, -.inf]\n---\n") == ({"a": ["NaN", "-Infinity"]}, ""), "what JSON can hold"
    assert read(tmp_path, "# no front matter\n---\n") == ({}, "# no front matter\n---\n")
    assert read(tmp_path, "---\na: [\n---\n") == ({}, "---\na: [\n---\n"), "nothing of it is hidden"
    assert metadata.refused("# nothing") == []
    assert metadata.refused("---\nlicense: mit\ndatasets:\n---\n") == [], "a key without a value says nothing"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_front_matter_is_answered(text: str) -> None:
    assert all(isinstance(line, str) and line for line in metadata.refused(f"---\n{text}\n---\n"))


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("base_model: /home/me/model", "base_model: '/home/me/model' is not the id of a model on the Hub"),
        ("datasets: ['./posts.jsonl']", "datasets[0]: './posts.jsonl' is not the id of a data set"),
        ("widget: {text: hi}", "widget: it must be an array"),
        ("license: my-own", "license: 'my-own' is not a licence id of the Hub"),
        ("language: es-ES", "language: 'es-ES' is not a language code"),
        ("license: mit\nlicense: mit", "the key license comes twice, line 3"),
        ("a: [", "The front matter of README.md cannot be read: "),
        ("a: &a [1, 1]\nb: [*a, *a]", "aliases (*) are not read, line 3"),  # nine lines of them would fill all memory
    ],
)
def test_invalid_metadata_is_refused_before_anything_is_uploaded(
    hub: localhub.LocalHub, page: str, yaml: str, text: str
) -> None:
    api, repo = HfApi(endpoint=hub.url, token=hub.token), "pages/lamp"
    before = api.model_info(repo).sha
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md") as error:
        api.upload_file(path_or_fileobj=f"---\n{yaml}\n---\n".encode(), path_in_repo="README.md", repo_id=repo)
    assert text in str(error.value)
    assert api.model_info(repo).sha == before
