"""What caused what: an event's cause among those before it.

An event may name its cause itself, by id in `data["caused_by"]`. Else it follows from what
is known of the order of things: a failover from the health that changed, what closes a
circuit from what opened it, a revision from the button that somebody pressed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q

from pool.choices import EventKind, HealthState
from pool.models import Event

_SOON = timedelta(seconds=5)  # between what is noticed and what is done about it
_LONG = timedelta(days=1)  # for what waits, or lasts
_CANDIDATES = 1000  # of one look-up

_Condition = Callable[[Event, Event], bool]


@dataclass(frozen=True)
class _Rule:
    """Such an event may be the cause if it came no longer than `within` before."""

    kinds: tuple[EventKind, ...]
    within: timedelta
    holds: _Condition


def _same_backend(event: Event, cause: Event) -> bool:
    return event.backend_id is not None and event.backend_id == cause.backend_id


def _same_pool(event: Event, cause: Event) -> bool:
    return event.pool_id is not None and event.pool_id == cause.pool_id


def _went_down(event: Event) -> bool:
    return bool(event.data.get("to") == HealthState.UNHEALTHY)


def _recovery_of(event: Event, cause: Event) -> bool:
    return _same_backend(event, cause) and _went_down(cause) and not _went_down(event)


def _loss_in_pool(event: Event, cause: Event) -> bool:
    lost = cause.kind != EventKind.HEALTH_CHANGED or _went_down(cause)
    return not event.actor and _same_pool(event, cause) and lost


def _gain_in_pool(event: Event, cause: Event) -> bool:
    gained = cause.kind != EventKind.HEALTH_CHANGED or not _went_down(cause)
    return not event.actor and _same_pool(event, cause) and gained


def _same_person(event: Event, cause: Event) -> bool:
    elsewhere = event.pool_id is not None and event.pool_id != cause.pool_id
    return bool(event.actor) and event.actor == cause.actor and not elsewhere


_LOSS = _Rule(
    (
        *(EventKind.HEALTH_CHANGED, EventKind.ADMIN_STATE_CHANGED),
        *(EventKind.CIRCUIT_OPENED, EventKind.EJECTED),
    ),
    _SOON,
    _loss_in_pool,
)
_GAIN = _Rule(
    (
        *(EventKind.HEALTH_CHANGED, EventKind.ADMIN_STATE_CHANGED),
        *(EventKind.CIRCUIT_CLOSED, EventKind.UNEJECTED),
    ),
    _LONG,
    _gain_in_pool,
)

_RULES: dict[str, _Rule] = {
    EventKind.HEALTH_CHANGED: _Rule((EventKind.HEALTH_CHANGED,), _LONG, _recovery_of),
    EventKind.CIRCUIT_HALF_OPENED: _Rule((EventKind.CIRCUIT_OPENED,), _LONG, _same_backend),
    EventKind.CIRCUIT_CLOSED: _Rule((EventKind.CIRCUIT_OPENED,), _LONG, _same_backend),
    EventKind.UNEJECTED: _Rule((EventKind.EJECTED,), _LONG, _same_backend),
    EventKind.FAILOVER: _LOSS,
    EventKind.FAILBACK: _GAIN,
    EventKind.PANIC: _LOSS,
    EventKind.NO_HEALTHY_UPSTREAM: _LOSS,
    EventKind.POOL_RECOVERED: _GAIN,
    EventKind.CONFIGURATION_APPLIED: _Rule((EventKind.ADMIN_STATE_CHANGED,), _SOON, _same_person),
}


def causes_of(events: Sequence[Event]) -> dict[int, Event]:
    """The cause of each event, by the event's id, where there is one. One query, or two."""
    named = {event.pk: event.data["caused_by"] for event in events if _names_cause(event)}
    known = Event.objects.in_bulk(named.values()) if named else {}
    causes = {pk: known[cause] for pk, cause in named.items() if cause in known}
    others = [event for event in events if event.pk not in causes and event.kind in _RULES]
    candidates = _candidates(others) if others else []
    for event in others:
        cause = _find(event, candidates)
        if cause is not None:
            causes[event.pk] = cause
    return causes


def effects_of(event: Event, limit: int = 20) -> list[Event]:
    """What this event has caused, oldest first."""
    later = Event.objects.filter(at__gte=event.at, at__lte=event.at + _LONG).exclude(pk=event.pk)
    if event.pool_id is not None:
        later = later.filter(Q(pool=event.pool_id) | Q(pool=None, at__lte=event.at + _SOON))
    else:
        later = later.filter(data__caused_by=event.pk)
    following = list(later.order_by("at", "id")[:_CANDIDATES])
    causes = causes_of(following)
    return [one for one in following if causes.get(one.pk) == event][:limit]


def _names_cause(event: Event) -> bool:
    return isinstance(event.data.get("caused_by"), int)


def _candidates(events: Iterable[Event]) -> list[Event]:
    """Newest first."""
    events = list(events)
    kinds = {kind.value for event in events for kind in _RULES[event.kind].kinds}
    first, last = min(event.at for event in events), max(event.at for event in events)
    pools = {event.pool_id for event in events if event.pool_id is not None}
    actors = {event.actor for event in events if event.pool_id is None and event.actor}
    found = Event.objects.filter(kind__in=kinds, at__gte=first - _LONG, at__lte=last).filter(
        Q(pool__in=pools) | Q(actor__in=actors)
    )
    return list(found.order_by("-at", "-id")[:_CANDIDATES])


def _find(event: Event, candidates: Iterable[Event]) -> Event | None:
    """The nearest one before it. Times are compared, not ids: rows may follow late."""
    rule = _RULES[event.kind]
    for cause in candidates:
        if cause.at > event.at or cause.pk == event.pk:
            continue
        if event.at - cause.at > rule.within:
            return None
        if cause.kind in rule.kinds and rule.holds(event, cause):
            return cause
    return None
