"""What an event says of a condition: that it begins, that it ends, or that something happened.

Pure. A condition has a subject, by which its events find each other: "backend:7:health"
begins with a backend's going down and ends with its coming back. Events that nobody takes
back are notices: each kind of them is a subject of its own.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec

from pool.choices import AdminState, EventKind, HealthState


class Effect(Enum):
    BEGINS = "begins"
    ENDS = "ends"
    HAPPENS = "happens"


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """An event as far as alerts go. Ids are 0 where it is about none, or that is deleted."""

    kind: str
    message: str
    backend_id: int = 0
    pool_id: int = 0
    data: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        """Of the backend with its pool, or of the pool."""
        data = self.data
        return "/".join(str(data[key]) for key in ("pool", "backend") if data.get(key))


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """`title`: what is so from now on, in a few words; `reason`: why."""

    subject: str
    effect: Effect
    title: str
    reason: str


def read(event: Occurrence) -> Condition:
    effect, subject, title = _READERS.get(event.kind, _notice)(event)
    reason = str(event.data.get("reason") or event.data.get("cause") or event.message)
    return Condition(subject=subject, effect=effect, title=title, reason=reason)


def subject_of_notice(kind: str, subject: str) -> str:
    """Apart from that of a condition, whose count and state a notice must not touch."""
    return f"{subject}:{kind}"


_Read = tuple[Effect, str, str]


def _notice(event: Occurrence) -> _Read:
    subject = subject_of_notice(event.kind, _object(event))
    return Effect.HAPPENS, subject, event.message


def _object(event: Occurrence) -> str:
    if event.backend_id:
        return f"backend:{event.backend_id}"
    if event.pool_id:
        return f"pool:{event.pool_id}"
    host = event.data.get("host")
    return f"edge:{host}" if host else "all"


def _health(event: Occurrence) -> _Read:
    subject, state = f"{_object(event)}:health", event.data.get("to")
    if state == HealthState.HEALTHY:
        return Effect.ENDS, subject, f"Backend {event.name} is healthy"
    return Effect.BEGINS, subject, f"Backend {event.name} is {state}"


def _admin_state(event: Occurrence) -> _Read:
    subject, state = f"{_object(event)}:admin_state", event.data.get("to")
    if state == AdminState.ACTIVE:
        return Effect.ENDS, subject, f"Backend {event.name} is in service"
    return Effect.BEGINS, subject, f"Backend {event.name} is out of service: {state}"


def _circuit(effect: Effect, state: str) -> Callable[[Occurrence], _Read]:
    return lambda event: (
        effect,
        f"{_object(event)}:circuit",
        f"The circuit of backend {event.name} is {state}",
    )


def _ejection(effect: Effect, state: str) -> Callable[[Occurrence], _Read]:
    return lambda event: (
        effect,
        f"{_object(event)}:ejection",
        f"Backend {event.name} is {state}",
    )


def _failover(event: Occurrence) -> _Read:
    to = ", ".join(map(str, event.data.get("to", ())))
    return Effect.BEGINS, f"{_object(event)}:failover", f"Pool {event.name} runs on tier {to}"


def _failback(event: Occurrence) -> _Read:
    """An end only where traffic is held from no tier any more."""
    if event.data.get("floor"):
        return _failover(event)
    title = f"Pool {event.name} runs on its lowest tier"
    return Effect.ENDS, f"{_object(event)}:failover", title


def _panic(effect: Effect, state: str) -> Callable[[Occurrence], _Read]:
    return lambda event: (effect, f"{_object(event)}:panic", f"Pool {event.name} {state}")


def _lag(effect: Effect, state: str) -> Callable[[Occurrence], _Read]:
    """Each worker by itself: one of a machine may hang where the others go on."""
    return lambda event: (
        effect,
        f"edge:{event.data.get('worker_id')}:lag",
        f"Edge {event.data.get('host')}, pid {event.data.get('pid')}, {state}",
    )


def _configuration(effect: Effect, title: str) -> Callable[[Occurrence], _Read]:
    return lambda _: (effect, "configuration", title)


_PUBLISHED = _configuration(Effect.ENDS, "The edges get what is saved")

_READERS: dict[str, Callable[[Occurrence], _Read]] = {
    EventKind.HEALTH_CHANGED: _health,
    EventKind.ADMIN_STATE_CHANGED: _admin_state,
    EventKind.CIRCUIT_OPENED: _circuit(Effect.BEGINS, "open"),
    EventKind.CIRCUIT_CLOSED: _circuit(Effect.ENDS, "closed"),
    EventKind.EJECTED: _ejection(Effect.BEGINS, "ejected as an outlier"),
    EventKind.UNEJECTED: _ejection(Effect.ENDS, "back from its ejection"),
    EventKind.FAILOVER: _failover,
    EventKind.FAILBACK: _failback,
    EventKind.PANIC: _panic(Effect.BEGINS, "is in panic"),
    EventKind.NO_HEALTHY_UPSTREAM: _panic(Effect.BEGINS, "has nobody left who can serve"),
    EventKind.POOL_RECOVERED: _panic(Effect.ENDS, "has enough healthy backends"),
    EventKind.EDGE_LAGS: _lag(Effect.BEGINS, "does not run what is saved"),
    EventKind.EDGE_CAUGHT_UP: _lag(Effect.ENDS, "lags no more"),
    EventKind.CONFIGURATION_NOT_PUBLISHED: _configuration(
        Effect.BEGINS, "The edges do not get what is saved"
    ),
    EventKind.CONFIGURATION_APPLIED: _PUBLISHED,
    EventKind.CONFIGURATION_REPUBLISHED: _PUBLISHED,
}
