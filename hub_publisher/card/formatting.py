"""Numbers as a reader wants them: 12,345 posts, 3.79, 2 min 7 s."""

from datetime import datetime


def count(number: int, noun: str = "") -> str:
    """`12,345`, or with a noun `12,345 posts`, `1 post`, `2 addresses`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}" if noun else f"{number:,}"


def significant(number: float) -> str:
    """Three digits that matter: 38.4, 1,230, 0.0521; small ones as 3e-04."""
    if number == 0:
        return "0"
    if abs(number) < 1e-3:
        return f"{number:.2e}"
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:#.3g}".rstrip(".")


def percent(part: float, whole: float) -> str:
    """`12 %`; below one per cent with a decimal, so that a few do not become none."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.05 or 99.95 <= share < 100:  # a few are not none, and nearly all are not all
        return "under 0.1 %" if share < 1 else "over 99.9 %"
    return f"{share:.1f} %" if 0 < share < 1 or 99 < share < 100 else f"{share:.0f} %"


def duration(seconds: float) -> str:
    """`8.1 s`, `2 min 7 s`, `3 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(num_bytes: int) -> str:
    """`1.3 GB`, in powers of ten."""
    value = float(num_bytes)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def day(moment: datetime) -> str:
    """`2017-01-31`."""
    return moment.strftime("%Y-%m-%d")


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def millions(number: int) -> str:
    """`134.5 million`, `7.2 billion`; small numbers in full."""
    if number < 1_000_000:
        return count(number)
    scaled, unit = (number / 1e9, "billion") if number >= 1_000_000_000 else (number / 1e6, "million")
    return f"{scaled:.1f} {unit}"
