"""A person with a browser at the local Hub: Debian's Chromium opens the list and a model, reads, clicks, types, waits.

Skipped where no browser is installed, unless TESTS_REQUIRE_BROWSER says that there has to be one.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub_publisher import localhub
from tests.helpers.localhub_models import make_sampled_model, publish, workers

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
NAME = "browser/buoy"
CARD = b"""---
pipeline_tag: text-generation
widget:
- text: My dream is
  example_title: A dream
  output: {text: " a <b>warm</b> lamp."}
- text: Fog
  output: {text: " again."}
---
# The buoy

It floats.

## What it is

```python
print("a line of code that is wider than any telephone, and that has to be scrolled to be read", "to its very end")
```

A model for the browser's tests. It has a table:

| Posts | Number | What the reader needs a wide column for, because it is a long sentence without any need |
|---|---:|---|
| kept | 512 | `a-word-that-cannot-be-broken-anywhere-and-is-wider-than-any-telephone-would-ever-be` |
"""
SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}
FIRST_WORDS = """limit => new Promise((done, failed) => {
  const look = () => document.querySelector(".continuation").textContent ? done() : setTimeout(look, 5);
  setTimeout(() => failed("nothing is written"), limit);
  look();
})"""
SLOWEST = 180_000  # milliseconds that a model may take to load on a busy machine

pytestmark = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("TESTS_REQUIRE_BROWSER"), reason="needs chromium (apt-get install chromium)"
)


both_screens_and_schemes = pytest.mark.parametrize(
    "page", [("desktop", "light"), ("phone", "dark")], indirect=True, ids="-".join
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert PROGRAM, "TESTS_REQUIRE_BROWSER is set, and there is no browser"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=PROGRAM, args=OPTIONS) as running:
        yield running


@pytest.fixture(scope="module")
def model(hub: localhub.LocalHub, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_sampled_model(tmp_path_factory.mktemp("browser") / "model")
    (folder / "README.md").write_bytes(CARD)
    publish(hub, NAME, folder)
    return f"{hub.url}/{NAME}"


@pytest.fixture
def page(browser: Browser, hub: localhub.LocalHub, model: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on a screen and in a colour scheme, whose every complaint and outside request fails the test."""
    screen, scheme = getattr(request, "param", ("desktop", "light"))
    width, height = SCREENS[screen]
    with browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if "of 422" not in message.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(hub.url) else None)
        yield page
        assert complaints == []


def brightness(page: Page) -> float:
    """How light the page's background is, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)")
    return sum(colour) / 3


@both_screens_and_schemes
def test_from_the_list_to_a_text(page: Page, hub: localhub.LocalHub, request: pytest.FixtureRequest) -> None:
    page.goto(hub.url)
    page.get_by_role("link", name="browser/buoy").click()
    expect(page.get_by_role("heading", name="The buoy")).to_be_visible()
    expect(page.get_by_role("cell", name="512")).to_be_visible()
    page.wait_for_load_state()  # its style sheet too
    assert (brightness(page) < 128) == ("dark" in request.node.callspec.id)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs over the edge"

    output, note = page.locator("#output"), page.get_by_role("status")
    expect(output).to_have_text("My dream is a <b>warm</b> lamp.")  # the first example stands there already
    page.get_by_role("button", name="Fog").click()
    expect(output).to_have_text("Fog again.")
    expect(note).to_have_text("Recorded in the card, not written just now.")
    expect(page.get_by_label("Prompt")).to_have_value("Fog")

    page.get_by_label("Prompt").fill("Three ships")
    page.get_by_text("Sampling").click()
    page.get_by_label("New tokens").fill("30")
    page.get_by_label("Seed").fill("5")
    page.get_by_role("button", name="Compute").click()
    expect(note).to_have_text(re.compile(r"Written now: 30 tokens in [0-9.]+ s, seed 5\."), timeout=SLOWEST)
    assert output.inner_text().startswith("Three ships")
    assert len(output.locator(".continuation").inner_text()) > 5
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@contextmanager
def writing(page: Page, hub: localhub.LocalHub) -> Iterator[psutil.Process]:
    """Ask for a long text by keyboard alone, and hold the model still when its first words are there."""
    page.goto(f"{hub.url}/{NAME}")
    page.get_by_label("New tokens").evaluate("field => { field.value = 250 }")
    page.get_by_label("Prompt").fill("Three ships")
    page.keyboard.press("Control+Enter")
    page.evaluate(FIRST_WORDS, SLOWEST)
    (process,) = workers(hub)
    process.suspend()
    expect(page.get_by_role("status")).to_have_text("Writing…")
    expect(page.locator("#output")).to_have_attribute("aria-busy", "true")
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def test_stop_keeps_what_has_been_written(page: Page, hub: localhub.LocalHub, model: str) -> None:
    with writing(page, hub):
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status")).to_have_text("Stopped.")
        expect(page.locator("#output")).to_have_attribute("aria-busy", "false")
        expect(page.get_by_role("button", name="Compute")).to_be_focused()
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()
        written = page.locator("#output").inner_text()
    page.wait_for_timeout(500)
    assert page.locator("#output").inner_text() == written


def test_an_example_replaces_what_is_being_written(page: Page, hub: localhub.LocalHub, model: str) -> None:
    with writing(page, hub):
        page.get_by_role("button", name="A dream").focus()
        page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    expect(page.locator("#output")).to_have_text("My dream is a <b>warm</b> lamp.")
    expect(page.get_by_role("status")).to_have_text("Recorded in the card, not written just now.")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_errors_are_shown(page: Page, hub: localhub.LocalHub, model: str) -> None:
    with writing(page, hub) as process:
        process.kill()
        expect(page.get_by_role("status")).to_contain_text("The model's process ended (SIGKILL)")
    expect(page.get_by_role("status")).to_have_class("hint failed")
    page.get_by_text("Sampling").click()
    page.get_by_label("Temperature").fill("1000")
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_role("status")).to_have_text("temperature: Input should be less than or equal to 100")


def test_the_snippet_can_be_copied(page: Page, hub: localhub.LocalHub, model: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(model)
    page.locator("aside").get_by_role("button", name="Copy").click()
    expect(page.locator("aside").get_by_role("button", name="Copied")).to_be_visible()
    snippet = page.evaluate("navigator.clipboard.readText()")
    compile(snippet, "snippet", "exec")
    assert f'os.environ["HF_ENDPOINT"] = "{hub.url}"' in snippet


def test_the_changes_to_a_card_can_be_read(page: Page, hub: localhub.LocalHub, model: str) -> None:
    page.goto(model)
    page.get_by_role("link", name="Commits").click()
    page.get_by_role("link", name="publish").click()
    expect(page.get_by_label("Changes to README.md")).to_contain_text("+# The buoy")


@both_screens_and_schemes
def test_a_card_is_read_in_the_order_of_its_screen(page: Page, model: str, request: pytest.FixtureRequest) -> None:
    page.goto(model)
    page.wait_for_load_state()
    tops = [
        page.locator(at).bounding_box()["y"]  # type: ignore[index]
        for at in (".head", ".lead", ".try", "article", "#use")
    ]
    code = page.locator("article pre")
    assert code.evaluate("pre => pre.scrollWidth > pre.clientWidth && getComputedStyle(pre).overflowX === 'auto'")
    expect(code).to_have_attribute("tabindex", "0")
    expect(page.locator(".block").get_by_role("button", name="Copy")).to_be_visible()
    contents = page.get_by_role("navigation", name="On this card")
    if "phone" in request.node.callspec.id:
        assert tops == sorted(tops)
        expect(contents).to_be_hidden()
    else:
        assert tops[1] == tops[2]
        contents.get_by_role("link", name="What it is").click()
        assert page.url.endswith("#what-it-is")


@both_screens_and_schemes
def test_a_file_is_opened_and_left(page: Page, model: str) -> None:
    page.goto(f"{model}/tree/main")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download config.json").click()
    assert download.value.suggested_filename == "config.json"
    page.get_by_role("link", name="config.json", exact=True).click()
    expect(page.locator(".source #L2")).to_contain_text('"')
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".panel").get_by_role("link", name="Files").click()
    expect(page.get_by_role("cell", name="README.md", exact=True)).to_be_visible()


def test_a_long_address_that_is_missing_stays_within_the_page(page: Page, hub: localhub.LocalHub, model: str) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.route("**/c", lambda route: route.fulfill(response=route.fetch(), status=200))  # no complaint about the 404
    page.goto(f"{hub.url}/a/{'b' * 180}/c")
    page.wait_for_load_state()
    expect(page.get_by_role("heading", name="404")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@both_screens_and_schemes
def test_a_pull_request_is_read_and_merged(page: Page, hub: localhub.LocalHub, request: pytest.FixtureRequest) -> None:
    api, name = HfApi(endpoint=hub.url, token=hub.token), f"browser/pull-{request.node.callspec.id}"
    api.create_repo(name)
    adds = [
        CommitOperationAdd("README.md", CARD.replace(b"The buoy", b"The buoy, again")),
        CommitOperationAdd("figures/a-name-without-an-end-that-nobody-would-choose.dat", b"\0\1" * 999),
    ]
    made = api.create_commit(name, adds, commit_message="Publish again, with a title of its own", create_pr=True)
    page.goto(made.pr_url)
    expect(page.get_by_role("button", name="Merge")).to_have_count(0)
    page.goto(f"{hub.url}/login?token={hub.token}")
    page.goto(f"{hub.url}/{name}")
    page.get_by_role("link", name="Pull requests").click()
    page.get_by_role("link", name="Publish again").click()
    expect(page.get_by_label("Changes to README.md")).to_contain_text("+# The buoy, again")
    page.wait_for_load_state()  # its style sheet too
    assert (brightness(page) < 128) == ("dark" in request.node.callspec.id)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs over the edge"
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("Merged as commit")).to_be_visible()
    assert page.url == made.pr_url
    page.get_by_role("link", name="Model card").click()
    expect(page.get_by_role("heading", name="The buoy, again")).to_be_visible()
