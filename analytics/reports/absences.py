"""For how long each backend got less than its share, and why, by the timeline."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from analytics.reports.span import Span
from pool.choices import AdminState, EventKind, HealthState
from pool.models import Backend, Event
from pool.obstacles import Obstacle, Remark

Cause = Obstacle | Remark

_STATES: dict[str, Cause] = {
    HealthState.UNHEALTHY: Obstacle.UNHEALTHY,
    HealthState.DEGRADED: Remark.DEGRADED,
    AdminState.DRAINING: Obstacle.DRAINING,
    AdminState.MAINTENANCE: Obstacle.MAINTENANCE,
}


def _to(data: Mapping[str, Any]) -> Cause | None:
    return _STATES.get(str(data.get("to")))


@dataclass(frozen=True)
class _Subject:
    """What can be one thing at a time. `kinds` of events tell what it becomes: None is well."""

    name: str
    kinds: Mapping[str, Callable[[Mapping[str, Any]], Cause | None]]


_SUBJECTS = (
    _Subject("health", {EventKind.HEALTH_CHANGED.value: _to}),
    _Subject("admin", {EventKind.ADMIN_STATE_CHANGED.value: _to}),
    _Subject(
        "circuit",
        {
            EventKind.CIRCUIT_OPENED.value: lambda _: Obstacle.CIRCUIT_OPEN,
            # On trial: a few calls go through, which is nearly none.
            EventKind.CIRCUIT_HALF_OPENED.value: lambda _: Obstacle.CIRCUIT_OPEN,
            EventKind.CIRCUIT_CLOSED.value: lambda _: None,
        },
    ),
    _Subject(
        "ejection",
        {
            EventKind.EJECTED.value: lambda _: Obstacle.EJECTED,
            EventKind.UNEJECTED.value: lambda _: None,
        },
    ),
)
_SUBJECT_OF = {kind: subject for subject in _SUBJECTS for kind in subject.kinds}


@dataclass
class Absence:
    """Seconds of the span by cause; `returns`: how often it became well again after being down."""

    seconds: dict[Cause, float] = field(default_factory=lambda: defaultdict(float))
    returns: int = 0


def read_absences(backends: Iterable[int], span: Span, start: int) -> dict[int, Absence]:
    """By the backends' ids, those that were away or ill between `start` and the span's end."""
    ids = list(backends)
    found: dict[int, Absence] = defaultdict(Absence)
    states = _states_at(ids, span.at(start))
    since = dict.fromkeys(states, float(start))
    for backend, kind, at, data in _events(ids, span.at(start), span.until):
        subject = _SUBJECT_OF[kind]
        key = (backend, subject.name)
        before, after = states.get(key), subject.kinds[kind](data)
        if before:
            found[backend].seconds[before] += at.timestamp() - since[key]
        found[backend].returns += before is Obstacle.UNHEALTHY is not after
        states[key], since[key] = after, at.timestamp()
    for key, state in states.items():
        if state:
            found[key[0]].seconds[state] += max(0.0, span.end - since[key])
    return dict(found)


_States = dict[tuple[int, str], Cause | None]  # backend's id and subject


def _events(
    ids: list[int], since: datetime, until: datetime
) -> Iterable[tuple[int, str, datetime, dict[str, Any]]]:
    rows = Event.objects.filter(
        backend__in=ids, kind__in=list(_SUBJECT_OF), at__gte=since, at__lt=until
    )
    return rows.order_by("at", "id").values_list("backend_id", "kind", "at", "data")


def _states_at(ids: list[int], at: datetime) -> _States:
    """What each was when the span began, by the last event before it."""
    columns = [
        Subquery(_last(subject, at).values(column)[:1])
        for subject in _SUBJECTS
        for column in ("kind", "data")
    ]
    states: _States = {}
    for pk, *values in Backend.objects.filter(pk__in=ids).order_by().values_list("pk", *columns):
        pairs = zip(_SUBJECTS, values[::2], values[1::2], strict=True)
        for subject, kind, data in pairs:
            if kind:
                states[pk, subject.name] = subject.kinds[kind](data)
    return states


def _last(subject: _Subject, at: datetime) -> Any:
    own = Event.objects.filter(backend=OuterRef("pk"), kind__in=list(subject.kinds), at__lt=at)
    return own.order_by("-at", "-id")
