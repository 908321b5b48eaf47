"""Publishing to a real local Hub over HTTP: one commit, nothing twice, nothing foreign touched, truth told."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faults import FaultProxy, status, unused_url
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from push_helpers import make_publication

from hub_publisher.config import Config
from hub_publisher.errors import HubError, PublisherError, UsageError
from hub_publisher.hub_client import Patience
from hub_publisher.localhub import LocalHub
from hub_publisher.push import (
    Target,
    choose_hub,
    expected_fingerprint,
    plan,
    preflight,
    push,
    remote_is_current,
)
from hub_publisher.records import Card, Receipt, read_record, sha256_of

QUICK = Patience(
    num_attempts=3,
    first_wait_seconds=0.05,
    longest_wait_seconds=0.2,
    longest_asked_wait_seconds=5,
    answer_seconds=5,
    request_seconds=20,
    upload_seconds=30,
)
Publish = Callable[[str], tuple[Config, Card]]


@pytest.fixture
def publication(tmp_path: Path) -> Publish:
    """Makes a publication's folder, ready to be pushed, under a repository name of the test's choice."""
    return lambda name: make_publication(tmp_path, name)


def commits(hub: LocalHub, repo_id: str) -> list[str]:
    """Titles of the repository's commits, newest first, without the one that created it."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    return [commit.title for commit in api.list_repo_commits(repo_id)][:-1]


def aim(config: Config, hub: LocalHub) -> Target:
    return preflight(config, hub.url, hub.token, is_local=True, patience=QUICK)


@pytest.fixture(params=["xet", "lfs"])
def upload_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways huggingface_hub has to send a large file."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param == "lfs")
    return str(request.param)


# huggingface_hub 2.4's own way of sending LFS files, which httpx2 frowns upon.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_first_push_is_one_commit_with_every_file(publication: Publish, hub: LocalHub, upload_path: str) -> None:
    config, card = publication(f"first-{upload_path}")
    target = aim(config, hub)
    assert (target.exists, target.visibility, target.repo_id) == (
        False,
        "public",
        f"huggingtweets/first-{upload_path}",
    )
    receipt = push(config, target, card, QUICK)
    assert commits(hub, target.repo_id) == ["Publish the model and its card"]
    info = HfApi(endpoint=hub.url).model_info(target.repo_id, files_metadata=True)
    published = {file.rfilename for file in info.siblings or ()} - {".gitattributes"}
    folder = config.run_dir / "model"
    assert published == set(receipt.files) == {"README.md", "config.json", "figures/loss.png", "model.safetensors"}
    assert receipt.files == {path: sha256_of(folder / path) for path in published}
    weights = next(file for file in info.siblings or () if file.rfilename == "model.safetensors")
    assert weights.lfs is not None and weights.lfs.sha256 == receipt.files["model.safetensors"]
    assert (receipt.commit, receipt.visibility, receipt.url) == (info.sha, "public", f"{hub.url}/{target.repo_id}")
    assert receipt.fingerprint == expected_fingerprint(config, target, card)
    assert read_record(config.run_dir / "receipt.json", Receipt) == receipt


def test_pushing_again_with_nothing_new_makes_no_commit(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("again")
    first = push(config, aim(config, hub), card, QUICK)
    target = aim(config, hub)
    assert target.exists
    assert push(config, target, card, QUICK) == first
    assert len(commits(hub, target.repo_id)) == 1
    (config.run_dir / "receipt.json").unlink()  # as if killed between the commit and the receipt
    again = push(config, target, card, QUICK)
    assert again.commit == first.commit and again.files == first.files
    assert len(commits(hub, target.repo_id)) == 1


def test_update_deletes_what_was_ours_and_leaves_what_was_not(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("update")
    target = aim(config, hub)
    push(config, target, card, QUICK)
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_commit(target.repo_id, [CommitOperationAdd("notes.txt", b"by hand")], commit_message="A note by hand")
    model = config.run_dir / "model"
    (model / "figures" / "loss.png").unlink()
    (model / "figures" / "posts.png").write_bytes(b"\x89PNG another")
    (model / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Newer words\n")
    (model / ".README.md-x8s7").write_text("left by a crash")
    assert [tuple(row) for row in plan(config, target, QUICK)] == [
        ("README.md", (model / "README.md").stat().st_size, "changed"),
        ("config.json", (model / "config.json").stat().st_size, "same"),
        ("figures/loss.png", 11, "deleted"),
        ("figures/posts.png", 12, "new"),
        ("model.safetensors", (model / "model.safetensors").stat().st_size, "same"),
    ]
    with FaultProxy(hub.url) as proxy:
        receipt = push(config, replace(target, endpoint=proxy.url), card, QUICK)
        assert 0 < proxy.num_bytes < 50_000  # the weights, 400 kB, are there and are not sent again
    assert commits(hub, target.repo_id) == ["Update the card", "A note by hand", "Publish the model and its card"]
    assert set(api.list_repo_files(target.repo_id)) - {".gitattributes"} == {*receipt.files, "notes.txt"}
    assert {row.state for row in plan(config, target, QUICK)} == {"same"}


def test_plan_before_anything_exists_changes_nothing(publication: Publish, hub: LocalHub) -> None:
    config, _ = publication("dry")
    target = aim(config, hub)
    assert {row.state for row in plan(config, target, QUICK)} == {"new"}
    assert not HfApi(endpoint=hub.url, token=hub.token).repo_exists(target.repo_id)


def test_remote_is_current(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("current")
    target = aim(config, hub)
    receipt = push(config, target, card, QUICK)
    api = HfApi(endpoint=hub.url, token=hub.token)
    assert remote_is_current(target, receipt, QUICK)
    api.create_commit(target.repo_id, [CommitOperationAdd("notes.txt", b"x")], commit_message="Add a note")
    assert remote_is_current(target, receipt, QUICK)
    assert not remote_is_current(replace(target, repo_id="huggingtweets/other"), receipt, QUICK)
    api.create_commit(target.repo_id, [CommitOperationDelete("config.json")], commit_message="Oops")
    assert not remote_is_current(target, receipt, QUICK)
    assert push(config, target, card, QUICK).commit != receipt.commit  # and a push puts it right
    api.delete_repo(target.repo_id)
    assert not remote_is_current(target, receipt, QUICK)


def test_private_stays_private_and_public_is_never_taken_for_it(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("secret")
    private = replace(config, private=True)
    target = aim(private, hub)
    assert target.visibility == "private"
    assert push(private, target, card, QUICK).visibility == "private"
    assert aim(config, hub).visibility == "private"  # what it is, not what was asked for
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.update_repo_settings(target.repo_id, private=False)
    with pytest.raises(HubError) as error:
        aim(private, hub)
    assert error.value.message == ("huggingtweets/secret is public already, and a private repository was asked for.")
    with pytest.raises(HubError, match="is public, and was to be private: nothing was published"):
        push(private, target, card, QUICK)


def test_nothing_to_push(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("nothing")
    (config.run_dir / "model" / "README.md").unlink()
    with pytest.raises(PublisherError) as error:
        push(config, aim(config, hub), card, QUICK)
    assert error.value.message == f"{config.run_dir / 'model'} holds no model with a card yet."


def test_card_that_the_hub_refuses(publication: Publish, hub: LocalHub) -> None:
    config, card = publication("refused")
    (config.run_dir / "model" / "README.md").write_text("---\nlicense: [unclosed\n---\n")
    with pytest.raises(HubError, match=r"refuses huggingtweets/refused: Invalid metadata in README\.md"):
        push(config, aim(config, hub), card, QUICK)
    assert commits(hub, "huggingtweets/refused") == []


def test_fingerprint_ignores_the_local_port_and_sees_the_rest(publication: Publish) -> None:
    config, card = publication("port")
    target = Target("http://127.0.0.1:1", True, "t", "local", "huggingtweets/port", False)
    one = expected_fingerprint(config, target, card)
    assert one == expected_fingerprint(config, replace(target, endpoint="http://127.0.0.1:2"), card)
    for other in (
        replace(target, is_local=False),
        replace(target, repo_id="someone/port"),
    ):
        assert expected_fingerprint(config, other, card) != one
    assert expected_fingerprint(replace(config, private=True), target, card) != one
    assert expected_fingerprint(config, target, card.model_copy(update={"fingerprint": "f"})) != one


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


def test_login_of_the_hf_command_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_from_login")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    assert choose_hub(Config(handle="x1")) == "https://huggingface.co"


class TestPreflight:
    """Every refusal comes before any work and says what to do."""

    config = Config(handle="lampkeeper_bot", namespace="huggingtweets")

    def refusal(self, config: Config, url: str, token: str | None, is_local: bool = False) -> HubError | UsageError:
        with pytest.raises((HubError, UsageError)) as error:
            preflight(config, url, token, is_local, QUICK)
        assert not token or token not in str(error.value)
        return error.value

    def test_no_token(self, hub: LocalHub) -> None:
        error = self.refusal(self.config, hub.url, None)
        assert error.message == f"Publishing to {hub.url} needs a token and there is none."
        assert error.remedy == "Log in with `hf auth login`, or publish to the embedded Hub with HUB=local."

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
        assert error.remedy == "Leave NAMESPACE out for local, or choose one of: local, huggingtweets"

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
        assert preflight(anywhere, hub.url, hub.token, True, QUICK).repo_id == "huggingtweets/lampkeeper_bot"
        assert preflight(anywhere, hub.url, hub.token, False, QUICK).repo_id == "local/lampkeeper_bot"
        shouted = replace(self.config, namespace="HuggingTweets")
        assert preflight(shouted, hub.url, hub.token, False, QUICK).repo_id == "huggingtweets/lampkeeper_bot"

    def test_token_is_never_shown(self, hub: LocalHub) -> None:
        target = preflight(self.config, hub.url, hub.token, True, QUICK)
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
                assert preflight(config, proxy.url, hub.token, False, QUICK).repo_id == "me/lampkeeper_bot"
            else:
                error = self.refusal(config, proxy.url, hub.token)
                assert error.message == "The token of me may read but not write me/lampkeeper_bot."
