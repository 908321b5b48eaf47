"""Dates as exports write them: X's own, ISO 8601, 10/23/17 12:30, 23.10.2017, Oct 23, 2017, seconds since 1970."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_MAILED = re.compile(r"(?=.{0,9}[A-Za-z]{3})[\w, ]{5,30}\d:\d\d(?::\d\d)?(?: (?:GMT|[+-]\d{4})(?: \d{4})?)?")
_SLASHED = re.compile(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?:,?[ T]+(\d{1,2}):(\d\d)(?::(\d\d))?\s*([AaPp][Mm])?)?"
)
_WORDED = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y %I:%M:%S %p", "%B %d, %Y at %I:%M%p")
# Numbers between these are seconds (1990 to 2100), a thousand times as much are milliseconds.
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800


def parse_date(value: Any, day_first: bool = False) -> datetime | None:
    """The moment that `value` names, in UTC where it names no zone; None when it names none.

    `day_first` reads 5/10/17 as the 5th of October; see `is_day_first`. Dates with dots are always read so.
    """
    text = str(value).strip()
    try:
        moment = _from_mail(text) or _from_iso(text) or _from_number(text) or _from_slashes(text, day_first)
    except (ValueError, OverflowError):
        return None
    moment = moment or _from_words(text)
    return moment.replace(tzinfo=UTC) if moment and not moment.tzinfo else moment


def is_day_first(values: Iterable[Any]) -> bool:
    """Whether a column writes the day before the month: some first number is above 12, and no second is."""
    found = (_SLASHED.fullmatch(value.strip()) for value in values if isinstance(value, str))
    pairs = {(int(match[1]), int(match[3])) for match in found if match}
    return any(first > 12 for first, _ in pairs) and all(second <= 12 for _, second in pairs)


def _from_mail(text: str) -> datetime | None:
    """X's `Sat Aug 12 16:10:37 +0000 2023`, and what e-mails write. strptime takes 10 s for a million of them."""
    return parsedate_to_datetime(text) if _MAILED.fullmatch(text) else None


def _from_iso(text: str) -> datetime | None:
    if not re.match(r"\d{4}[-/]\d", text):
        return None
    iso = re.sub(r" (?=[+-]\d\d:?\d\d$)| UTC$", "", text.replace("/", "-"))
    return datetime.fromisoformat(re.sub(r"(?<=[- ])(?=\d(?:[-: ]|$))", "0", iso))  # 2023-8-1 9:05


def _from_number(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{9,14}(?:\.\d+)?", text):
        return None
    number = float(text)
    seconds = number if number <= _LAST_SECOND else number / 1000
    return datetime.fromtimestamp(seconds, UTC) if _FIRST_SECOND <= seconds <= _LAST_SECOND else None


def _from_slashes(text: str, day_first: bool) -> datetime | None:
    match = _SLASHED.fullmatch(text)
    if not match:
        return None
    first, separator, second, year, hour, minute, seconds, half = match.groups("0")
    day_first = day_first or separator == "." or int(first) > 12
    day, month = (first, second) if day_first else (second, first)
    hours = int(hour) if half == "0" else int(hour) % 12 + 12 * (half.lower() == "pm")
    full_year = int(year) if len(year) == 4 else 2000 + int(year)
    return datetime(full_year, int(month), int(day), hours, int(minute), int(seconds))


def _from_words(text: str) -> datetime | None:
    for pattern in _WORDED:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None
