"""Entities and halves of surrogate pairs."""

import pytest

from hub_publisher.text.characters import unescape, well_formed


def test_entities_are_unescaped_in_one_pass():
    assert unescape("R&amp;D &lt;3 &amp;lt; &copy; &notit;") == "R&D <3 &lt; &copy; &notit;"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("fog", "fog"), ("🌫", "🌫"), ("\ud83c\udf2b", "🌫"), ("a\ud83c", "a\ufffd"), ("\udf2b b", "\ufffd b")],
)
def test_surrogates_are_joined_and_lone_halves_replaced(text, expected):
    assert well_formed(text) == expected
    assert well_formed(text).encode()
