"""What a character, a word, a copy and a language are: each defined once."""

WITHHELD = "(withheld)"  # in the place of a text that is not shown
