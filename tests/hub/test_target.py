"""Where to publish, and every reason not to, found before any work."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from hub_publisher.config import HUGGING_FACE, Config
from hub_publisher.errors import HubError, UsageError
from hub_publisher.hub.client import HubClient
from hub_publisher.hub.target import choose_hub, open_hub, open_target, preflight
from hub_publisher.localhub import LocalHub
from tests.helpers.faults import FaultProxy, status, unused_url
from tests.helpers.push import UNHURRIED


@pytest.mark.parametrize(
    ("hub", "environment", "chosen"),
    [
        ("auto", {}, "local"),
        ("auto", {"HF_TOKEN": "hf_x"}, "https://huggingface.co"),
        ("auto", {"HF_TOKEN": "hf_x", "HF_ENDPOINT": "https://hub.example/"}, "https://hub.example"),
        ("local", {"HF_TOKEN": "hf_x"}, "local"),
        ("huggingface.co", {"HF_ENDPOINT": "https://hub.example/"}, "https://huggingface.co"),
        ("http://127.0.0.1:8000/", {}, "http://127.0.0.1:8000"),
    ],
)
def test_choose_hub(
    hub: str, environment: dict[str, str], chosen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_hub(Config(handle="x1", hub=hub)) == chosen


@pytest.mark.parametrize("url", ["ftp://hub.example", "https://me:secret@hub.example", "https://", "http://h/?token=1"])
def test_choose_hub_refuses_odd_addresses(url: str) -> None:
    with pytest.raises(UsageError) as error:
        choose_hub(Config(handle="x1", hub=url))
    assert "secret" not in str(error.value)
    assert error.value.message == ("The Hub's address must be http(s)://host[:port], without user name or query.")


@pytest.mark.parametrize(
    ("settings", "is_local"),
    [({}, True), ({"handle": "Lampkeeper_Bot"}, True), ({"from_path": "posts.csv"}, False), ({"handle": "me"}, False),
     ({"archive": "a.zip"}, False), ({"hub": "huggingface.co"}, False)],
)  # fmt: skip
def test_the_sample_is_local_unless_said_otherwise(
    settings: dict[str, Any], is_local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    chosen = choose_hub(Config(**{"handle": "lampkeeper_bot", **settings}))
    assert chosen == ("local" if is_local else "https://huggingface.co")


@pytest.mark.parametrize("hub", ["auto", "huggingface.co"])
def test_a_hub_that_nobody_named_and_that_is_out_of_reach(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = unused_url()
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.raises(HubError) as error, open_target(Config(handle="me", hub=hub.replace(HUGGING_FACE, url))):
        pass
    assert error.value.message.startswith(f"The Hub at {url} failed while asking whose token this is: ")
    instead = " Or publish to the Hub on this machine, which needs no network: add --hub local"
    rerun = "Nothing is lost: the same command, run again, finishes the job."
    assert error.value.remedy == rerun + (instead if hub == "auto" else "")


def test_login_of_the_hf_command_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_from_login")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    assert choose_hub(Config(handle="x1")) == "https://huggingface.co"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("exceptions", ["no_proxy", "NO_PROXY"])
def test_no_proxy_stands_before_the_local_hub(
    name: str, exceptions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(exceptions, "corp.example")
        with open_hub(Config(handle="x1", hub="local", hub_dir=tmp_path)) as client:
            assert client.api.whoami()["name"] == "local"
        assert proxy.requests == []
    assert "corp.example" in os.environ["no_proxy"]


class TestPreflight:
    """Every refusal comes before any work and says what to do."""

    config = Config(handle="lampkeeper_bot", namespace="huggingtweets")

    def refusal(self, config: Config, url: str, token: str | None, is_local: bool = False) -> HubError | UsageError:
        with pytest.raises((HubError, UsageError)) as error:
            preflight(config, HubClient(url, token, UNHURRIED), is_local)
        assert not token or token not in str(error.value)
        return error.value

    def test_no_token(self, hub: LocalHub) -> None:
        error = self.refusal(self.config, hub.url, None)
        assert error.message == f"Publishing to {hub.url} needs a token and there is none."
        assert error.remedy == "Log in with `hf auth login`, or publish to the embedded Hub with --hub local."

    def test_rejected_token(self, hub: LocalHub) -> None:
        error = self.refusal(self.config, hub.url, "hf_wrong_secret")
        assert error.message == f"The Hub at {hub.url} rejected the token while asking whose token this is."
        assert "hf auth login" in error.remedy

    @pytest.mark.parametrize("is_local", [True, False])
    def test_token_that_may_only_read(self, hub: LocalHub, is_local: bool) -> None:
        token = (hub.root / "token-read").read_text().strip()
        namespace = "local"
        error = self.refusal(replace(self.config, namespace=namespace), hub.url, token, is_local)
        assert error.message == "The token of local may read but not write local/lampkeeper_bot."
        assert error.remedy.startswith(f"Create one with the right to write at {hub.url}/settings/tokens")

    def test_namespace_of_someone_else(self, hub: LocalHub) -> None:
        error = self.refusal(replace(self.config, namespace="openai"), hub.url, hub.token)
        assert error.message == "The token's user local may not publish under openai."
        assert error.remedy.startswith("Leave NAMESPACE out for local, or choose one of: local, ")
        assert "huggingtweets" in error.remedy

    def test_hub_that_is_down(self) -> None:
        url = unused_url()
        error = self.refusal(self.config, url, "hf_x")
        assert error.message.startswith(f"The Hub at {url} failed while asking whose token this is: ")
        assert "refused" in error.message.lower()
        assert error.remedy == "Nothing is lost: the same command, run again, finishes the job."

    def test_something_that_is_no_hub(self, hub: LocalHub) -> None:
        with FaultProxy(hub.url) as proxy:
            proxy.add("GET", "whoami", status(200, b"<html>Welcome</html>"))
            error = self.refusal(self.config, proxy.url, "hf_x")
        assert "its answer was not JSON" in error.message

    def test_defaults_and_spelling_of_the_namespace(self, hub: LocalHub) -> None:
        anywhere = Config(handle="lampkeeper_bot")
        assert (
            preflight(anywhere, HubClient(hub.url, hub.token, UNHURRIED), True).repo_id
            == "huggingtweets/lampkeeper_bot"
        )
        assert preflight(anywhere, HubClient(hub.url, hub.token, UNHURRIED), False).repo_id == "local/lampkeeper_bot"
        shouted = replace(self.config, namespace="HuggingTweets")
        assert (
            preflight(shouted, HubClient(hub.url, hub.token, UNHURRIED), False).repo_id
            == "huggingtweets/lampkeeper_bot"
        )

    def test_token_is_never_shown(self, hub: LocalHub) -> None:
        target = preflight(self.config, HubClient(hub.url, hub.token, UNHURRIED), True)
        assert hub.token not in repr(target) and hub.token not in str(target)

    @pytest.mark.parametrize(
        ("scopes", "may_write"),
        [
            ([], False),
            ([("user", "me", ["repo.content.read"])], False),
            ([("user", "me", ["repo.content.read", "repo.write"])], True),
            ([("user", "someone", ["repo.write"])], False),
            ([("model", "me/lampkeeper_bot", ["repo.write"])], True),
            ([("model", "me/another", ["repo.write"])], False),
        ],
    )
    def test_fine_grained_token(self, hub: LocalHub, scopes: list[tuple[str, str, list[str]]], may_write: bool) -> None:
        scoped = [{"entity": {"type": kind, "name": name}, "permissions": may} for kind, name, may in scopes]
        me = {
            "type": "user",
            "name": "me",
            "orgs": [],
            "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"global": [], "scoped": scoped}}},
        }
        config = replace(self.config, namespace="me")
        with FaultProxy(hub.url) as proxy:
            proxy.add("GET", "whoami", status(200, json.dumps(me).encode(), Content_Type="application/json"))
            if may_write:
                assert (
                    preflight(config, HubClient(proxy.url, hub.token, UNHURRIED), False).repo_id == "me/lampkeeper_bot"
                )
            else:
                error = self.refusal(config, proxy.url, hub.token)
                assert error.message == "The token of me may read but not write me/lampkeeper_bot."
