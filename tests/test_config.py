"""Names and numbers that make no sense are refused where they are given, with the flag's name."""

import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_publisher.config import Config, check_handle, check_repo_name
from hub_publisher.errors import PublisherError, UsageError

REPO_NAME = re.compile(r"[\w][\w.-]{0,95}", re.ASCII)


@pytest.mark.parametrize(
    ("handle", "bare", "name"),
    [
        ("@NASA", "NASA", "nasa"),
        ("lampkeeper_bot", "lampkeeper_bot", "lampkeeper_bot"),
        ("alice.bsky.social", "alice.bsky.social", "alice.bsky.social"),
        ("Bob@Example.Social", "Bob@Example.Social", "bob-example.social"),
        ("a..b", "a..b", "a-b"),
    ],
)
def test_handles_of_all_services_make_repository_names(handle: str, bare: str, name: str) -> None:
    config = Config(handle=handle)
    assert (config.handle, config.name, config.run_dir) == (bare, name, Path("runs") / name)


@given(st.text(max_size=120))
def test_any_text_is_a_safe_handle_or_is_refused(text: str) -> None:
    try:
        handle = check_handle(text)
    except UsageError as error:
        assert error.exit_code == 2 and "is not a handle" in error.message and error.remedy
    else:
        assert re.fullmatch(r"[A-Za-z0-9_.@-]{1,100}", handle)


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,40}[A-Za-z0-9_]", fullmatch=True))
def test_every_accepted_handle_has_a_name_the_hub_accepts_or_is_refused(handle: str) -> None:
    from huggingface_hub.utils import validate_repo_id

    try:
        name = Config(handle=handle).name
    except UsageError:
        return
    validate_repo_id(f"huggingtweets/{name}")
    assert "/" not in name and name not in (".", "..")


@given(st.text(max_size=110))
def test_repository_names_are_refused_before_the_hub_would(name: str) -> None:
    from huggingface_hub.utils import validate_repo_id

    try:
        check_repo_name(name, "repository name")
    except UsageError:
        return
    validate_repo_id(f"a/{name}")


def test_a_configuration_cannot_be_changed() -> None:
    config = Config(handle="me")
    with pytest.raises(FrozenInstanceError):
        config.handle = "you"  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    for field in fields(Config):
        assert field.metadata["help"].endswith((".", "]", ").")), field.name


def test_an_error_shows_its_remedy() -> None:
    assert str(PublisherError("It broke.", "Mend it.")) == "It broke.\nMend it."
    assert str(PublisherError("It broke.")) == "It broke."


@pytest.mark.parametrize("contact", ["https://tide.example/removal", "http://tide.example", "ada@tide.example"])
def test_a_contact_is_an_address(contact: str) -> None:
    assert Config(handle="me", contact=contact).contact == contact


@pytest.mark.parametrize(
    "contact", ["foo", "not-a-contact", "ada@", "@ada", "https://", "a b@c.de", "javascript:x", ""]
)
def test_a_contact_that_is_none_is_refused(contact: str) -> None:
    with pytest.raises(UsageError, match="is no address that people can write to"):
        Config(handle="me", contact=contact)
