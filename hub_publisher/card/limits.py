"""Limitations, each one a fact of this run. A run without the fact gets no such sentence."""

from collections.abc import Iterator

from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.metadata import shared_languages
from hub_publisher.readme.hub_rules import LANGUAGES

_FEW_POSTS = 1000
_FEW_HELDOUT_POSTS = 200
_NEARLY_ALL = 0.9


def limitations(inputs: Inputs) -> list[str]:
    """Sentences in plain text, the gravest for a reader first."""
    return [*_voice(inputs), *_data(inputs), *_languages(inputs), *_base_model(inputs), *_measurement(inputs)]


def _voice(inputs: Inputs) -> Iterator[str]:
    names = formatting.listing([f"@{account.handle}" for account in inputs.curation.accounts])
    yield (
        f"It imitates how {names} wrote, not what is true: names, numbers, dates and events in its text are "
        "made up. Nothing in the text marks it as machine-written, so say that it is wherever you show it."
    )
    yield (
        f"Whatever {names} wrote about people or groups, opinions and prejudice included, it may write too; "
        "no post was left out for its content."
    )


def _data(inputs: Inputs) -> Iterator[str]:
    curation, training = inputs.curation, inputs.training
    if curation.num_train < _FEW_POSTS:
        yield (
            f"It saw {formatting.count(curation.num_train, 'post')} in training. With so few, the base model's own "
            "habits show through often, and phrases of the account come back."
        )
    if curation.last_post_at:
        last = formatting.day(curation.last_post_at)
        yield f"The last post it saw is of {last}; what came after is unknown to it."
    if training.num_cut_posts:
        limit = inputs.training.hyperparameters.get("max_post_tokens")
        yield (
            f"{formatting.count(training.num_cut_posts, 'post')} longer than "
            f"{limit or 'the limit in'} tokens {'was' if training.num_cut_posts == 1 else 'were'} cut, so its "
            "longest texts may end without an ending."
        )
    if "max_new_tokens" in inputs.evaluation.sampling:
        yield (
            f"It writes posts: texts end after {inputs.evaluation.sampling['max_new_tokens']} tokens at most "
            "with the settings it comes with. It was not trained to answer questions or to follow instructions."
        )


def _languages(inputs: Inputs) -> Iterator[str]:
    known = {code: number for code, number in inputs.curation.languages.items() if code != "und"}
    main = shared_languages(inputs.curation.languages)
    if not main:
        return
    name = LANGUAGES.get(main[0], main[0])
    share = known.get(main[0], 0) / sum(known.values())
    if len(main) == 1 and share >= _NEARLY_ALL:
        yield (
            f"{formatting.percent(known.get(main[0], 0), sum(known.values()))} of the posts with a known language are "
            f"in {name}. In any other language expect little."
        )
    elif len(main) > 1:
        names = formatting.listing([LANGUAGES.get(code, code) for code in main])
        yield f"The account writes in {names}; the model may change the language within a text."


def _base_model(inputs: Inputs) -> Iterator[str]:
    base = inputs.training.base_model
    yield (
        f"It starts from {base.hub_id or 'a base model'} with "
        f"{formatting.millions(base.num_parameters)} parameters and inherits its knowledge, gaps and biases. What that "
        "model was trained on is not part of this run's records."
    )
    if base.substituted_for:
        yield f"{base.substituted_for} could not be had for this run; it was trained from another base model."
    yield from base.notes
    if base.license is None:
        yield "The licence of the base model is not known, so none is given here: ask before you build on it."


def _measurement(inputs: Inputs) -> Iterator[str]:
    tuned, base = inputs.evaluation.tuned, inputs.evaluation.base
    if tuned.eval_loss >= base.eval_loss:
        yield "On posts it had not seen it predicts no better than its base model: the training did not help."
    if tuned.num_posts < _FEW_HELDOUT_POSTS:
        yield (
            f"The held-out figures rest on {formatting.count(tuned.num_posts, 'post')} "
            f"({formatting.count(tuned.num_tokens, 'token')}); on others they would differ."
        )
    if inputs.curation.split_by == "hash":
        yield (
            "The held-out posts are from the same days as the training posts, because the posts came without "
            "times; on later posts it would do worse than the figures say."
        )
    yield from _recitation(inputs)


def _recitation(inputs: Inputs) -> Iterator[str]:
    """What it was caught repeating, and what that does not prove when it was not."""
    measured = inputs.evaluation.memorisation
    copied, drawn = measured.tuned.num_copied, formatting.count(measured.tuned.num_texts, "text")
    if copied:
        yield (
            f"It can recite: {formatting.count(copied)} of {drawn} drawn from it repeated {measured.copy_words} or "
            "more words in a row of a post it learned from. Look for that before you publish what it writes."
        )
    else:
        yield (
            f"None of {drawn} drawn from it repeated {measured.copy_words} words in a row of a post it learned from; "
            "other prompts may still bring one back."
        )
