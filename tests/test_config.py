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


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"num_epochs": "2"}, "num_epochs must be a whole number, not '2' (str).\nWrite it without quotes."),
        ({"num_epochs": 2.0}, "num_epochs must be a whole number, not 2.0 (float)."),
        ({"num_epochs": True}, "num_epochs must be a whole number, not True (bool)."),
        ({"learning_rate": [1e-4]}, "learning_rate must be a number, not [0.0001] (list)."),
        ({"learning_rate": None}, "learning_rate must be a number, not None (NoneType)."),
        ({"private": "yes"}, "private must be True or False, not 'yes' (str).\nWrite it without quotes."),
        ({"namespace": 7}, "namespace must be a text, not 7 (int)."),
        ({"archive": 7}, "archive must be the path of a file or folder, not 7 (int)."),
        ({"prompts": 7}, "prompts must be a text, not 7 (int)."),
        ({"prompts": ["Today I", None]}, "prompts must be a text, not None (NoneType)."),
        ({"handle": 7}, "handle must be a text, not 7 (int)."),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused_with_a_sentence(setting: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        Config(**{"handle": "me", **setting})  # type: ignore[arg-type]
    assert str(error.value) == sentence


def test_what_means_the_same_is_taken() -> None:
    config = Config(handle="me", prompts="My dream is", learning_rate=1, archive="~/posts.zip", num_processes=None)  # type: ignore[arg-type]
    assert config.prompts == ("My dream is",)
    assert config.archive == Path.home() / "posts.zip"
    assert config.learning_rate == 1
    assert Config(handle="me", prompts=["Today I", "Fog"]).prompts == ("Today I", "Fog")  # type: ignore[arg-type]


@pytest.mark.parametrize("contact", ["https://tide.example/removal", "http://tide.example", "ada@tide.example"])
def test_a_contact_is_an_address(contact: str) -> None:
    assert Config(handle="me", contact=contact).contact == contact


@pytest.mark.parametrize(
    "contact", ["foo", "not-a-contact", "ada@", "@ada", "https://", "a b@c.de", "javascript:x", ""]
)
def test_a_contact_that_is_none_is_refused(contact: str) -> None:
    with pytest.raises(UsageError, match="is no address that people can write to"):
        Config(handle="me", contact=contact)
