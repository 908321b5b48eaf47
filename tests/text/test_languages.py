"""Which languages the posts are in."""

import pytest

from hub_publisher.text.languages import MAX_SAMPLED, identify, usable_code


@pytest.mark.parametrize(
    ("code", "usable"),
    [
        ("en", "en"), ("EN", "en"), ("in", "id"), ("iw", "he"), ("zh-cn", "zh"), ("zh_TW", "zh"), ("pt-BR", "pt"),
        ("und", None), ("qme", None), ("qht", None), ("zxx", None), ("art", None), ("", None), (None, None),
        ("klingon", None), ("ckb", "ckb"),
    ],
)  # fmt: skip
def test_codes(code, usable):
    assert usable_code(code) == usable


def test_languages_of_the_platform_count_and_the_rest_is_identified():
    english = "The fog came in at noon today and the lamp has been lit ever since"
    german = "Der Nebel kam heute Mittag herein, und seitdem brennt die Lampe ohne Pause"
    codes, counts, num_sampled = identify([german, english, english, "ok"], ["de", "und", None, None])
    assert codes == ["de", "en", "en", None]
    assert list(counts.items()) == [("en", 2), ("de", 1), ("und", 1)]
    assert num_sampled == 0


def test_one_odd_guess_does_not_make_a_language():
    english = "The fog came in at noon today and the lamp has been lit ever since"
    french = "Le brouillard est entré à midi et la lampe est restée allumée depuis"
    codes, counts, _ = identify([english] * 60 + [french], [None] * 61)
    assert codes[-1] is None
    assert counts == {"en": 60, "und": 1}


def test_of_many_posts_a_sample_is_identified_and_scaled_up():
    texts = ["The fog came in at noon today and the lamp has been lit ever since"] * (3 * MAX_SAMPLED)
    codes, counts, num_sampled = identify(texts, [None] * len(texts))
    assert num_sampled == MAX_SAMPLED == sum(code is not None for code in codes)
    assert counts == {"en": len(texts)}
