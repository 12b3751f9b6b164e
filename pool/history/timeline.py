"""The changes of many backends in a span of time, read from the timeline's rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from pool.choices import EventKind
from pool.history.outages import Change, Standing
from pool.models import Backend, Event

_FIELDS = {
    EventKind.HEALTH_CHANGED.value: "health",
    EventKind.ADMIN_STATE_CHANGED.value: "admin",
}


@dataclass
class Course:
    """What a backend was when the span began, or when it was made, and what changed since."""

    first: Standing
    changes: list[Change] = field(default_factory=list)


def read_courses(
    backends: Sequence[Backend], since: datetime, until: datetime
) -> dict[int, Course]:
    """By the backends' ids. Two queries."""
    ids = [backend.pk for backend in backends]
    events = Event.objects.filter(backend__in=ids, kind__in=_FIELDS, at__gte=since, at__lt=until)
    rows = list(events.order_by("at", "id").values_list("backend_id", "kind", "at", "data"))
    unsaid = _from_later(rows)
    before = _before(ids, since)
    courses = {
        backend.pk: Course(_first(backend, before[backend.pk], unsaid[backend.pk], since))
        for backend in backends
    }
    for backend_id, kind, at, data in rows:
        to = {_FIELDS[kind]: str(data.get("to", ""))}
        courses[backend_id].changes.append(Change(at.timestamp(), **to))
    return courses


_Row = tuple[int, str, datetime, dict[str, Any]]
_Known = dict[str, tuple[datetime | None, str]]  # by the field: since when it was what


def _first(backend: Backend, before: _Known, unsaid: _Known, since: datetime) -> Standing:
    """What nothing before the span tells of follows from the first change in it."""
    defaults: _Known = {"health": (None, ""), "admin": (None, backend.admin_state)}
    known = defaults | unsaid | before
    times = [at for at, _ in known.values() if at is not None]
    start = max(times, default=max(since, backend.created_at))
    return Standing(start.timestamp(), known["health"][1], known["admin"][1])


def _before(ids: Iterable[int], since: datetime) -> dict[int, _Known]:
    """The last change of each kind before `since`."""

    def last(kind: str) -> QuerySet[Event]:
        own = Event.objects.filter(backend=OuterRef("pk"), kind=kind, at__lt=since)
        return own.order_by("-at", "-id")

    columns = [
        Subquery(last(kind).values(column)[:1]) for kind in _FIELDS for column in ("at", "data")
    ]
    rows = Backend.objects.filter(pk__in=list(ids)).order_by().values_list("pk", *columns)
    found: dict[int, _Known] = {}
    for pk, *values in rows:
        pairs = zip(_FIELDS.values(), values[::2], values[1::2], strict=True)
        found[pk] = {name: (at, str(data.get("to", ""))) for name, at, data in pairs if data}
    return found


def _from_later(rows: Iterable[_Row]) -> dict[int, _Known]:
    """What each backend was before the first of these changes."""
    found: dict[int, _Known] = defaultdict(dict)
    for backend_id, kind, _, data in rows:
        found[backend_id].setdefault(_FIELDS[kind], (None, str(data.get("from", ""))))
    return found
