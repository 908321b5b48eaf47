"""Which languages the kept posts are in: what the platform says, else what the words look like."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

UNKNOWN = "und"

# Codes that platforms and detectors still write, and what ISO 639-1 has for them today.
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro", "fil": "tl"}
# ISO 639-2's "undetermined", "no linguistic content", "uncoded", "several"; qaa to qtz are for private use, as by X
# for posts of only mentions (qam), hashtags (qht), media (qme) and the like.
NO_LANGUAGE = re.compile("und|zxx|mis|mul|art|q[a-t][a-z]")
_CODE = re.compile("[a-z]{2,3}")

MAX_SAMPLED = 2000  # posts; enough for shares to within about two per cent
_MIN_LETTERS = 20  # below that a guess is a coin toss
_SURE, _LIKELY = 0.9, 0.5  # probabilities: to say that an account uses a language, and that one more post is in it
_MIN_SHARE = 0.02  # of the guesses; a rarer language is more likely a wrong guess than a second language


def usable_code(code: str | None) -> str | None:
    """The ISO 639 code in `code` as a platform writes it ("iw", "zh-CN", "und"), or None when it names no language."""
    base = re.split("[-_]", (code or "").strip().lower(), maxsplit=1)[0]
    base = _RENAMED.get(base, base)
    return base if _CODE.fullmatch(base) and not NO_LANGUAGE.fullmatch(base) else None


def identify(texts: Sequence[str], codes: Sequence[str | None]) -> tuple[list[str | None], dict[str, int], int]:
    """The language of each post; posts per language, most frequent first, summing up to all; how many were sampled.

    Where the platform's code is usable it counts. Of the other posts at most 2,000, evenly spread, are identified by
    py3langid (https://github.com/adbar/py3langid), so that a million posts cost no more. Sure guesses (20 letters and a
    probability of 0.9) elect the account's languages, those that make up 2 % of them; a guess of 0.5 counts when it is
    one of these, any other post is "und". Posts outside the sample keep None and are counted in its proportions.
    """
    languages = [usable_code(code) for code in codes]
    counts = Counter(filter(None, languages))
    unknown = [i for i, language in enumerate(languages) if language is None]
    num_sampled = min(len(unknown), MAX_SAMPLED)
    sampled = [unknown[i * len(unknown) // num_sampled] for i in range(num_sampled)]
    guesses = _guess([texts[i] for i in sampled])
    for i, guess in zip(sampled, guesses, strict=True):
        languages[i] = guess if guess != UNKNOWN else None
    counts.update(_scaled(Counter(guesses), len(unknown)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return languages, dict(ordered), num_sampled if num_sampled < len(unknown) else 0


def _guess(texts: Sequence[str]) -> list[str]:
    """A language code or "und" for each text."""
    if not texts:
        return []
    classify = _identifier().classify
    guesses = [classify(text) if _num_letters(text) >= _MIN_LETTERS else (UNKNOWN, 0.0) for text in texts]
    votes = Counter(code for code, probability in guesses if probability >= _SURE)
    elected = {code for code, count in votes.items() if count >= _MIN_SHARE * votes.total()}
    return [code if code in elected and probability >= _LIKELY else UNKNOWN for code, probability in guesses]


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _num_letters(text: str) -> int:
    """Letters that tell the language; those of scripts without spaces count double, as each says more."""
    return sum(1 if char < "\u0e00" else 2 for char in text if char.isalpha())


def _scaled(counts: Counter[str], total: int) -> dict[str, int]:
    """`counts` scaled up to sum to `total`, which is no less than theirs; none is off by one or more."""
    ends = [number * total // counts.total() for number in accumulate(counts.values())]
    return {code: end - start for code, start, end in zip(counts, [0, *ends], ends, strict=False)}
