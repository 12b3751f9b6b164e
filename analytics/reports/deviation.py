"""Why a backend got another share than was planned, in an operator's words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from analytics.aggregate import Counters
from analytics.reports.absences import Absence
from analytics.reports.plan import WeightChange
from analytics.reports.rollups import Name
from pool.choices import StickyMode
from pool.models import Backend
from pool.obstacles import PAST, short
from pool.words import length

_NAMES_SHOWN = 3

# Algorithms that go by something beside weights, which one part of the traffic need not follow.
_ALGORITHMS: Mapping[str, str] = {
    "first_available": "the first backend that has room gets all",
    "least_connections": "whoever has least under way gets more",
    "least_response_time": "whoever answers fastest gets more",
    "peak_ewma": "whoever answers fastest gets more",
    "power_of_two": "of two, the one with less under way gets more",
    "ring_hash": "each key has its backend, and some keys ask more often than others",
    "maglev": "each key has its backend, and some keys ask more often than others",
}


@dataclass(frozen=True)
class Reason:
    """`seconds` that it lasted within the span, null where that is no question."""

    code: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class Member:
    """What is known of a backend in a span. `backend` is None if it is configured no more."""

    name: Name
    sums: Counters
    planned: float
    share: float
    backend: Backend | None
    absence: Absence
    changes: Sequence[WeightChange]


@dataclass(frozen=True)
class Circumstances:
    """Of one pool in the span. `away`: those of its backends that were to get less."""

    seconds: float
    zone: tzinfo
    away: Sequence[Member]


def reasons_for(member: Member, around: Circumstances) -> list[Reason]:
    """Those that may have led to what it got, the surest first."""
    lower = member.share < member.planned
    found = _why_less(member, around) if lower else _why_more(member, around)
    return [*found, *_whatever(member, around)]


def _why_less(member: Member, around: Circumstances) -> Iterator[Reason]:
    for cause, words in PAST.items():
        seconds = member.absence.seconds.get(cause, 0.0)
        if seconds > 0:
            text = f"It was {words} for {_length(seconds)} of {_length(around.seconds)}."
            yield Reason(cause, text, round(seconds, 1))
    backend, returns = member.backend, member.absence.returns
    if backend is not None and backend.pool.slow_start and returns:
        seconds = returns * backend.pool.slow_start
        text = f"It came back {_times(returns)}, with {_length(backend.pool.slow_start)} to start."
        yield Reason("slow_start", text, round(min(seconds, around.seconds), 1))


def _why_more(member: Member, around: Circumstances) -> Iterator[Reason]:
    others = [one for one in around.away if one.name != member.name]
    if others:
        shown = ", ".join(_told(one) for one in others[:_NAMES_SHOWN])
        more = f" and {len(others) - _NAMES_SHOWN} more" if len(others) > _NAMES_SHOWN else ""
        yield Reason("others_away", f"It got what others could not take: {shown}{more}.")
    if member.sums.retries:
        count = f"{member.sums.retries:,}"
        yield Reason("retries", f"{count} requests came here after another backend had failed.")
    backend = member.backend
    if backend is not None and backend.backup_of is not None:
        yield Reason("stand_in", f"It stood in for {backend.backup_of.name}.")
    elif backend is not None and backend.tier and not member.planned:
        yield Reason("backup", f"It is a backup (tier {backend.tier}): its turn had come.")


def _whatever(member: Member, around: Circumstances) -> Iterator[Reason]:
    """What may have led to more as well as to less."""
    for change in member.changes:
        at = datetime.fromtimestamp(change.at, around.zone).strftime("%Y-%m-%d %H:%M:%S %Z")
        yield Reason("weight_changed", f"{_changed(change)} at {at}; the plan follows that.")
    if member.backend is None:
        return
    pool = member.backend.pool
    if pool.sticky_mode != StickyMode.OFF:
        yield Reason("sticky", "Clients stick to the backend that they had first.")
    if pool.algorithm in _ALGORITHMS:
        yield Reason("algorithm", f"By {pool.algorithm}, {_ALGORITHMS[pool.algorithm]}.")


def _told(member: Member) -> str:
    cause = max(member.absence.seconds, key=lambda one: member.absence.seconds[one])
    return f"{member.name.backend} ({short(cause)} for {_length(member.absence.seconds[cause])})"


def _changed(change: WeightChange) -> str:
    if change.before is None:
        return f"It was added with weight {change.after}"
    if change.after is None:
        return "It was removed"
    return f"Its weight was changed from {change.before} to {change.after}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 1 else length(seconds)
