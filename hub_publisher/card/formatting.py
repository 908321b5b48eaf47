"""Numbers as a reader wants them: 12,345 posts, 3.79, 2 min 7 s. Filters of the card's templates, by these names."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number(value: int, noun: str = "") -> str:
    """`12,345`, or with a noun `12,345 posts`, `1 post`, `2 addresses`."""
    ending = "" if value == 1 else "es" if noun.endswith("s") else "s"
    return f"{value:,} {noun}{ending}" if noun else f"{value:,}".replace("-", "−")


def fixed(value: float, decimals: int, sign: str = "") -> str:
    """`3.910`; with "+" for `sign` `+3.910`. Below zero with a real minus."""
    return f"{value:{sign}.{decimals}f}".replace("-", "−")


def significant(value: float) -> str:
    """Three digits that matter: 38.4, 1,230, 0.0521; small ones as 3.00e-04, large ones to the unit."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.2e}"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def percent(part: float, whole: float) -> str:
    """`12 %`; below one per cent with a decimal, so that a few do not become none."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.05 or 99.95 <= share < 100:  # a few are not none, and nearly all are not all
        return "under 0.1 %" if share < 1 else "over 99.9 %"
    return f"{share:.1f} %" if 0 < share < 1 or 99 < share < 100 else f"{share:.0f} %"


def duration(seconds: float) -> str:
    """`8.1 s`, `2 min 7 s`, `3 h 5 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(num_bytes: int) -> str:
    """`1.3 GB`, in powers of ten."""
    value = float(num_bytes)
    for unit in ("bytes", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def versions(artifacts: dict[str, str]) -> str:
    """`posts (v0) and model (v3)`."""
    return listing([f"{name} ({version})" for name, version in artifacts.items()])


def millions(value: int) -> str:
    """`134.5 million`, `7.2 billion`; small numbers in full."""
    if value < 1_000_000:
        return number(value)
    scaled, unit = (value / 1e9, "billion") if value >= 999_950_000 else (value / 1e6, "million")
    return f"{scaled:.1f} {unit}"


def thinned(points: Sequence[T], most: int) -> Sequence[T]:
    """At most `most` of `points`, evenly spread, the last one always among them."""
    stride = -(-len(points) // most) or 1
    return points[::-1][::stride][::-1]
