"""Numbers as a person reads them, and round numbers for an axis."""

from __future__ import annotations

import math
from collections.abc import Callable


__all__ = [
    "UNKNOWN",
    "count",
    "interval",
    "number",
    "percent",
    "points",
    "round_percent",
    "seconds",
    "signed",
    "ticks",
]

UNKNOWN = "\u2013"
# Keeps a number and its unit on one line.
_BLANK = "\u00a0"
_MINUS = "\u2212"


def count(value: int | None) -> str:
    """12345 as "12,345"."""
    return UNKNOWN if value is None else f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.8712 as "87.1 %"."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f}{_BLANK}%".replace("-", _MINUS)


def round_percent(share: float) -> str:
    """For an axis: 0.25 as "25 %", 0.875 as "87.5 %"."""
    return percent(share, 0 if abs(100 * share - round(100 * share)) < 1e-6 else 1)


def points(share: float | None) -> str:
    """A difference of shares: 0.0312 as "+3.1"."""
    return UNKNOWN if share is None else f"{100 * share:+.1f}".replace("-", _MINUS)


def number(value: float | None) -> str:
    """Three digits that count: 0.03714 as "0.0371", 1234.5 as "1,234"."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    text = f"{value:.1e}" if size < -4 or size > 8 else f"{value:,.{max(0, 2 - size)}f}"
    return text.replace("-", _MINUS)


def signed(value: float | None) -> str:
    """A difference: 0.0312 as "+0.031"."""
    return UNKNOWN if value is None else f"{value:+.3f}".replace("-", _MINUS)


def seconds(value: float | None) -> str:
    """262 as "4 min 22 s"."""
    if value is None:
        return UNKNOWN
    if value < 99.5:
        return f"{value:.0f}{_BLANK}s" if value >= 9.95 else f"{value:.1f}{_BLANK}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{_BLANK}min {rest}{_BLANK}s"
    return f"{minutes // 60}{_BLANK}h {minutes % 60}{_BLANK}min"


def interval(low: float | None, high: float | None, written: Callable[[float | None], str]) -> str:
    """Both ends, such as "85.8 to 89.7 %"; empty where one is not known."""
    if low is None or high is None:
        return ""
    first, last = written(low), written(high)
    unit = f"{_BLANK}%"
    return f"{first.removesuffix(unit) if last.endswith(unit) else first} to {last}"


def ticks(low: float, high: float, most: int = 5, whole: bool = False) -> list[float]:
    """At most ``most`` round numbers from ``low`` to ``high``, evenly spaced; at least one.

    Args:
        low: end of the axis.
        high: its other end.
        most: at most so many.
        whole: whole numbers alone.

    Examples:
        >>> ticks(0.0, 1.0)
        [0.0, 0.25, 0.5, 0.75, 1.0]
        >>> ticks(3, 587)
        [100.0, 200.0, 300.0, 400.0, 500.0]
        >>> ticks(4, 12, most=4, whole=True)
        [5.0, 10.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    magnitude = 10.0 ** math.floor(math.log10(span))
    for step in (factor * magnitude for factor in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 0 < last - first + 1 <= most and (not whole or step == round(step)):
            return [round(place * step, 12) for place in range(first, last + 1)]
    return [low]
