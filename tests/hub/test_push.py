"""Publishing to a real local Hub over HTTP: one commit, nothing twice, nothing foreign touched, truth told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants

from hub_publisher.config import Config
from hub_publisher.errors import CardError, HubError
from hub_publisher.hub.client import HubClient
from hub_publisher.hub.push import refuse_a_substitute, remote_is_current
from hub_publisher.hub.target import Target, preflight
from hub_publisher.localhub import LocalHub
from hub_publisher.records import Receipt
from hub_publisher.system.files import read_record, sha256_of
from tests.helpers.card_records import training
from tests.helpers.faults import FaultProxy
from tests.helpers.push import UNHURRIED, make_publication, push, write_card

Publish = Callable[[str], Config]


@pytest.fixture
def publication(tmp_path: Path) -> Publish:
    """Makes a publication's folder, ready to be pushed, under a repository name of the test's choice."""
    return lambda name: make_publication(tmp_path, name)


def commits(hub: LocalHub, repo_id: str) -> list[str]:
    """Titles of the repository's commits, newest first, without the one that created it."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    return [commit.title for commit in api.list_repo_commits(repo_id)][:-1]


def aim(config: Config, hub: LocalHub) -> Target:
    return preflight(config, HubClient(hub.url, hub.token, UNHURRIED), is_local=True)


@pytest.fixture(params=["xet", "lfs"])
def upload_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways huggingface_hub has to send a large file."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param == "lfs")
    return str(request.param)


# huggingface_hub 2.4's own way of sending LFS files, which httpx2 frowns upon.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_first_push_is_one_commit_with_every_file(publication: Publish, hub: LocalHub, upload_path: str) -> None:
    config = publication(f"first-{upload_path}")
    target = aim(config, hub)
    assert (target.private, target.repo_id) == (False, f"huggingtweets/first-{upload_path}")
    receipt = push(config, target)
    assert commits(hub, target.repo_id) == ["Publish the model and its card"]
    info = HfApi(endpoint=hub.url).model_info(target.repo_id, files_metadata=True)
    published = {file.rfilename for file in info.siblings or ()} - {".gitattributes"}
    folder = config.run_dir / "model"
    assert published == set(receipt.files) == {"README.md", "config.json", "figures/loss.png", "model.safetensors"}
    assert receipt.files == {path: sha256_of(folder / path) for path in published}
    weights = next(file for file in info.siblings or () if file.rfilename == "model.safetensors")
    assert weights.lfs is not None and weights.lfs.sha256 == receipt.files["model.safetensors"]
    assert (receipt.commit, receipt.visibility, receipt.url) == (info.sha, "public", f"{hub.url}/{target.repo_id}")
    assert read_record(config.run_dir / "receipt.json", Receipt) == receipt


def test_pushing_again_with_nothing_new_makes_no_commit(publication: Publish, hub: LocalHub) -> None:
    config = publication("again")
    first = push(config, aim(config, hub))
    target = aim(config, hub)
    assert push(config, target) == first
    assert len(commits(hub, target.repo_id)) == 1
    (config.run_dir / "receipt.json").unlink()  # as if killed between the commit and the receipt
    again = push(config, target)
    assert again.commit == first.commit and again.files == first.files
    assert len(commits(hub, target.repo_id)) == 1


def test_update_deletes_what_was_ours_and_leaves_what_was_not(publication: Publish, hub: LocalHub) -> None:
    config = publication("update")
    target = aim(config, hub)
    push(config, target)
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_commit(target.repo_id, [CommitOperationAdd("notes.txt", b"by hand")], commit_message="A note by hand")
    model = config.run_dir / "model"
    (model / "figures" / "loss.png").unlink()
    (model / "figures" / "posts.png").write_bytes(b"\x89PNG another")
    write_card(config, "# Newer words\n")
    with FaultProxy(hub.url) as proxy:
        receipt = push(config, replace(target, hub=HubClient(proxy.url, hub.token, UNHURRIED)))
        assert 0 < proxy.num_bytes < 50_000  # the weights, 400 kB, are there and are not sent again
    assert commits(hub, target.repo_id) == ["Update the card", "A note by hand", "Publish the model and its card"]
    assert set(api.list_repo_files(target.repo_id)) - {".gitattributes"} == {*receipt.files, "notes.txt"}


def test_remote_is_current(publication: Publish, hub: LocalHub) -> None:
    config = publication("current")
    target = aim(config, hub)
    receipt = push(config, target)
    api = HfApi(endpoint=hub.url, token=hub.token)
    assert remote_is_current(target, receipt)
    api.create_commit(target.repo_id, [CommitOperationAdd("notes.txt", b"x")], commit_message="Add a note")
    assert remote_is_current(target, receipt)
    assert not remote_is_current(replace(target, repo_id="huggingtweets/other"), receipt)
    rewritten = receipt.model_copy(update={"commit": "f" * 40})
    assert not remote_is_current(target, rewritten), "a history in which that commit is no more"
    api.create_commit(target.repo_id, [CommitOperationDelete("config.json")], commit_message="Oops")
    assert not remote_is_current(target, receipt)
    assert push(config, target).commit != receipt.commit  # and a push puts it right
    api.delete_repo(target.repo_id)
    assert not remote_is_current(target, receipt)


def test_private_stays_private_and_public_is_never_taken_for_it(publication: Publish, hub: LocalHub) -> None:
    config = publication("secret")
    private = replace(config, private=True)
    target = aim(private, hub)
    assert target.private
    assert push(private, target).visibility == "private"
    assert aim(config, hub).private  # what it is, not what was asked for
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.update_repo_settings(target.repo_id, private=False)
    with pytest.raises(HubError) as error:
        aim(private, hub)
    assert error.value.message == ("huggingtweets/secret is public already, and a private repository was asked for.")
    with pytest.raises(HubError, match="is public, and was to be private: nothing was published"):
        push(private, target)


def test_card_that_the_hub_would_refuse_is_stopped_here(publication: Publish, hub: LocalHub) -> None:
    config = publication("refused")
    for front_matter, fault in (
        ("license: [unclosed", r"The front matter of README\.md cannot be read: expected ',' or '\]'"),
        ("license: apache", "The Hub would refuse this card. license: 'apache' is not a licence id of the Hub"),
    ):
        (config.run_dir / "model" / "README.md").write_text(f"---\n{front_matter}\n---\n")
        with pytest.raises(CardError, match=fault):
            push(config, aim(config, hub))
    assert commits(hub, "huggingtweets/refused") == []


def test_the_place_ignores_the_local_port() -> None:
    one, two = (Target(HubClient(f"http://127.0.0.1:{port}", "t"), True, "me/port", False) for port in (1, 2))
    assert one.place == two.place == "local"
    assert replace(one, is_local=False).place == "http://127.0.0.1:1"


@pytest.mark.parametrize("substituted_for", ["openai-community/gpt2", None])
def test_a_model_on_a_substitute_goes_to_the_local_hub_only(
    hub: LocalHub, publication: Publish, substituted_for: str | None
) -> None:
    config = publication(f"substitute-{substituted_for is None}")
    record = training()
    base = record.base_model.model_copy(update={"substituted_for": substituted_for})
    trained = record.model_copy(update={"base_model": base})
    foreign = replace(aim(config, hub), is_local=False)
    if substituted_for is None:
        refuse_a_substitute(config, foreign, trained)
        return
    with pytest.raises(HubError, match="trained on the bundled base in place of openai-community/gpt2") as error:
        refuse_a_substitute(config, foreign, trained)
    assert error.value.remedy.startswith("Train it for http://")
    assert not HfApi(endpoint=hub.url, token=hub.token).repo_exists(foreign.repo_id)
    refuse_a_substitute(config, aim(config, hub), trained)
