"""What a character, a word, a copy and a language are: each defined once."""
