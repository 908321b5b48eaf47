"""Dates as exports write them: X's own, ISO 8601, 10/23/17 12:30, 23.10.2017, Oct 23, 2017, seconds since 1970."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

_MONTHS = dict(Jan=1, Feb=2, Mar=3, Apr=4, May=5, Jun=6, Jul=7, Aug=8, Sep=9, Oct=10, Nov=11, Dec=12)
# Sat Aug 12 16:10:37 +0000 2023; read by position because strptime would take 10 s for a million of them
_X = re.compile(r"\w{3} (\w{3}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d) (\d{4})")
_SLASHED = re.compile(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?:,?[ T]+(\d{1,2}):(\d\d)(?::(\d\d))?\s*([AaPp][Mm])?)?"
)
_WORDED = (
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%B %d, %Y at %I:%M%p",
    "%d %b %Y %H:%M",
    "%a, %d %b %Y %H:%M:%S %z",
)
# Numbers between these are seconds (1990 to 2100), a thousand times as much are milliseconds.
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800


def parse_date(value: Any, day_first: bool = False) -> datetime | None:
    """The moment that `value` names, in UTC where it names no zone; None when it names none.

    `day_first` reads 5/10/17 as the 5th of October; see `is_day_first`. Dates with dots are always read so.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    try:
        return _from_x(text) or _from_iso(text) or _from_number(text) or _from_slashes(text, day_first)
    except (ValueError, OverflowError):
        return _from_words(text)


def is_day_first(values: Iterable[Any]) -> bool:
    """Whether a column writes the day before the month: some first number is above 12, and no second is."""
    first = second = False
    for value in values:
        match = _SLASHED.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            first = first or int(match[1]) > 12
            second = second or int(match[3]) > 12
    return first and not second


def _from_x(text: str) -> datetime | None:
    match = _X.fullmatch(text)
    if not match or match[1] not in _MONTHS:
        return None
    month, day, hour, minute, second, sign, zone_hours, zone_minutes, year = match.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    zone = timezone(-offset if sign == "-" else offset) if offset else UTC
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone)


def _from_iso(text: str) -> datetime | None:
    if not re.match(r"\d{4}-\d\d", text):
        return None
    iso = re.sub(r" (?=[+-]\d\d:?\d\d$)| UTC$", "", text)
    moment = datetime.fromisoformat(iso)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _from_number(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{9,14}(?:\.\d+)?", text):
        return None
    number = float(text)
    for seconds in (number, number / 1000):
        if _FIRST_SECOND <= seconds <= _LAST_SECOND:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _from_slashes(text: str, day_first: bool) -> datetime | None:
    match = _SLASHED.fullmatch(text)
    if not match:
        return _from_words(text)
    first, separator, second, year, hour, minute, seconds, half = match.groups()
    day_first = day_first or separator == "." or int(first) > 12
    day, month = (first, second) if day_first else (second, first)
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    full_year = int(year) + (0 if len(year) == 4 else 2000)
    return datetime(full_year, int(month), int(day), hours, int(minute or 0), int(seconds or 0), tzinfo=UTC)


def _from_words(text: str) -> datetime | None:
    for pattern in _WORDED:
        try:
            moment = datetime.strptime(text, pattern)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
