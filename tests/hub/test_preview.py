"""Nothing goes to another Hub before somebody saw it: a page to look at, one question, and what follows a no."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hub_publisher import localhub
from hub_publisher.config import Config
from hub_publisher.errors import HubError
from hub_publisher.hub.client import HubClient
from hub_publisher.hub.preview import asking
from hub_publisher.hub.target import Target, preflight
from hub_publisher.localhub import LocalHub
from tests.helpers.push import UNHURRIED, make_publication, push, write_card

Aim = Callable[..., tuple[Config, "Reader", Target]]


class Reader:
    """Somebody who is asked: reads the page, then answers."""

    def __init__(self, answer: bool) -> None:
        self.answer, self.asked, self.pages = answer, [], []

    def __call__(self, question: str, page: str) -> bool:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=30) as response:
            self.pages.append(response.read().decode())
        self.asked.append((question, page))
        return self.answer


@pytest.fixture
def aim(hub: LocalHub, tmp_path: Path) -> Aim:
    """A publication that goes to `hub`, which stands in for a Hub elsewhere, and its reader."""

    def made(name: str, answer: bool, **settings: object) -> tuple[Config, Reader, Target]:
        config = replace(make_publication(tmp_path, name), hub_dir=tmp_path / "here", namespace="huggingtweets")
        config, reader = replace(config, **settings), Reader(answer)
        client = HubClient(hub.url, hub.token, UNHURRIED)
        return config, reader, asking(preflight(config, client, is_local=False), config, reader)

    return made


def test_after_a_no_there_is_nothing_there_and_the_preview_stays(aim: Aim, hub: LocalHub, api: HfApi) -> None:
    config, reader, target = aim("unseen", answer=False)
    with pytest.raises(HubError) as error:
        push(config, target)
    assert error.value.message == "Nothing went out: the answer was no."
    assert error.value.remedy == (
        f"`hub-publisher serve --hub-dir {config.hub_dir}` shows it as preview/unseen; "
        "the same command asks again, with nothing done twice."
    )
    assert not api.repo_exists("huggingtweets/unseen")
    ((question, page),) = reader.asked
    assert question == f"Publish this to {hub.url}/huggingtweets/unseen (public)?"
    assert page.endswith("/preview/unseen") and not page.startswith(hub.url)
    assert "A card" in reader.pages[0]
    with localhub.start(config.hub_dir) as here:
        files = set(HfApi(endpoint=here.url).list_repo_files("preview/unseen"))
    assert files - {".gitattributes"} == {"README.md", "config.json", "figures/loss.png", "model.safetensors"}


def test_after_a_yes_it_is_published_and_what_is_there_is_not_asked_for_again(aim: Aim) -> None:
    config, reader, target = aim("seen", answer=True, private=True)
    receipt = push(config, target)
    assert receipt.visibility == "private" and reader.asked[0][0].endswith("/huggingtweets/seen (private)?")
    assert push(config, target).commit == receipt.commit
    assert len(reader.asked) == 1
    write_card(config, "# Another card\n")
    assert push(config, target).commit != receipt.commit
    assert len(reader.asked) == 2 and "Another card" in reader.pages[1]


def test_the_preview_is_the_page_as_it_will_be_with_the_words_of_others(aim: Aim, api: HfApi) -> None:
    config, reader, target = aim("merged", answer=True)
    push(config, target)
    page = Path(api.hf_hub_download(target.repo_id, "README.md")).read_bytes() + b"\nA word of mine.\n"
    api.create_commit(target.repo_id, [CommitOperationAdd("README.md", page)], commit_message="By hand")
    write_card(config, "# Another card\n")
    push(config, target)
    assert "A word of mine." in reader.pages[1] and "Another card" in reader.pages[1]


def test_an_edit_that_stops_the_push_is_told_before_the_question(aim: Aim, api: HfApi) -> None:
    config, reader, target = aim("stopped", answer=True)
    push(config, replace(target, approve=None))
    write_card(config, "# Another card\n")
    (config.run_dir / "model" / "manifest.json").write_text(json.dumps({"front_matter": {}, "regions": {"how": "0"}}))
    push(config, replace(target, approve=None))
    page = Path(api.hf_hub_download(target.repo_id, "README.md")).read_text().replace("Another card", "My card")
    api.create_commit(target.repo_id, [CommitOperationAdd("README.md", page.encode())], commit_message="By hand")
    with pytest.raises(HubError, match="was edited inside what hub_publisher writes"):
        push(config, target)
    assert reader.asked == []


def test_the_local_hub_is_never_asked_for(hub: LocalHub, tmp_path: Path) -> None:
    target = Target(HubClient(hub.url, hub.token, UNHURRIED), True, "huggingtweets/local", False)
    config = Config(handle="lampkeeper_bot", hub_dir=tmp_path)
    assert asking(target, config, Reader(False)) is target
    elsewhere = replace(target, is_local=False)
    assert asking(elsewhere, config, None) is elsewhere
