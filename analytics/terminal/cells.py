"""A report's values as text for a person."""

from datetime import datetime
from typing import Any

from pool import words

NOTHING = "-"


def text(value: Any) -> str:
    """Without what a terminal would obey: names and paths come from outside."""
    shown = str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)


def number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}".rstrip("0")


def ms(value: float) -> str:
    return f"{value:,.1f}"


def share(value: float) -> str:
    """From 0 to 1."""
    return f"{value:.1%}"


def rate(value: float) -> str:
    """From 0 to 1, where small parts matter."""
    return f"{value:.2%}"


def percent(value: float) -> str:
    return f"{value:.3f} %"


def signed(value: float) -> str:
    return f"{value:+.1%}"


def length(seconds: float) -> str:
    """Of time; below a minute with a tenth of a second, if it has any."""
    return words.length(seconds) if seconds >= 60 else f"{number(round(seconds, 1))} s"


def moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S")
