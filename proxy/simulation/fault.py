"""What goes wrong with a simulated backend, and when.

`5s-15s` after the start it refuses connections, and what it is working on at 5 s is
lost. `5s-` does not end. `5s-15s:errors` answers 500 at once, and `5s-15s:slow:10`
takes ten times as long. All in nanoseconds.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from proxy.simulation.service_time import parse_duration

_MAX_FACTOR = 10_000.0
_FORMS = "write 5s-15s or 5s-, then :errors or :slow:FACTOR unless it refuses connections"


class FaultKind(StrEnum):
    REFUSES = "refuses"
    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True)
class Fault:
    """From `begin` until before `end`. `factor`: of the time it takes, while slow."""

    begin: float
    end: float = inf
    kind: FaultKind = FaultKind.REFUSES
    factor: float = 1.0


def parse_fault(text: str) -> Fault:
    """ValueError with the fix."""
    period, *kind = text.split(":")
    begin, dash, end = period.partition("-")
    if not dash:
        raise ValueError(f"{text!r} is no failure: {_FORMS}")
    first, last = parse_duration(begin), parse_duration(end) if end else inf
    if last <= first:
        raise ValueError(f"{period} ends before it begins")
    match kind:
        case []:
            return Fault(first, last)
        case ["errors"]:
            return Fault(first, last, FaultKind.ERRORS)
        case ["slow", factor]:
            return Fault(first, last, FaultKind.SLOW, _factor(factor))
    raise ValueError(f"{text!r} is no failure: {_FORMS}")


def _factor(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not 0 < float(text) <= _MAX_FACTOR:
        raise ValueError(f"{text!r} is no factor: write a number up to {_MAX_FACTOR:g}")
    return float(text)
