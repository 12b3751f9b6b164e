"""Live health on a screen: read once for all its rows, and kept with each of them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.safestring import SafeString

from pool.admin.badges import GREEN, GREY, ORANGE, RED, badge, state_badge
from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.circuits.records import Circuit
from pool.failover.live import LiveTraffic
from pool.history.pools import pool_health
from pool.live import LiveHealth
from pool.models import Backend, Pool
from pool.obstacles import Obstacle, short
from pool.outliers.records import Ejection
from pool.words import length

REDIS_AWAY = "unknown (Redis is away)"


@dataclass(frozen=True)
class Condition:
    """How a backend is, in words for a person; `known` is False while nobody can say."""

    state: HealthState
    reason: str
    known: bool = True

    @property
    def badge(self) -> SafeString:
        if not self.known:
            return badge(REDIS_AWAY, GREY, self.reason)
        return state_badge(self.state, self.reason)


UNSAVED = Condition(HealthState.UNKNOWN, "Not saved yet.")


def attach_conditions(backends: Iterable[Backend]) -> None:
    """Read Redis once for all these rows, whose pools must have been selected."""
    _attach(backends, LiveTraffic.read())


def attach_outlooks(pools: Iterable[Pool]) -> None:
    """And the conditions of their backends, which should have been prefetched.

    Redis is read once for all these rows.
    """
    live = LiveTraffic.read()
    for pool in pools:
        pool.outlook = pool_health(pool, live).words  # type: ignore[attr-defined]
        _attach(pool.backends.all(), live)


def _attach(backends: Iterable[Backend], live: LiveTraffic) -> None:
    for backend in backends:
        backend.condition = _condition(backend, live.health)  # type: ignore[attr-defined]
        backend.live_circuit = live.circuits.of(backend)  # type: ignore[attr-defined]
        backend.live_ejection = live.ejections.of(backend)  # type: ignore[attr-defined]


def outlook(pool: Pool) -> str:
    """What `attach_outlooks` found: how many are left, and what one more loss brings."""
    return getattr(pool, "outlook", "-")


def condition(backend: Backend | None) -> Condition:
    """What `attach_conditions` found."""
    return getattr(backend, "condition", UNSAVED)


def circuit_of(backend: Backend) -> Circuit | None:
    """What `attach_conditions` found; None if nobody knows, or circuits are off."""
    return getattr(backend, "live_circuit", None)


def ejection_of(backend: Backend) -> Ejection | None:
    """What `attach_conditions` found; None if it is not ejected, or nobody knows."""
    return getattr(backend, "live_ejection", None)


def availability_badge(backends: Iterable[Backend]) -> SafeString:
    """How many of a pool's backends may get new requests, and why the others may not."""
    backends = list(backends)
    total = len(backends)
    if not total:
        return badge("no backends", ORANGE, "Requests to this pool are answered with 503.")
    if not all(condition(backend).known for backend in backends):
        return badge(f"{total}, health {REDIS_AWAY}", GREY, condition(backends[0]).reason)
    missing = [f"{backend.name}: {why}" for backend in backends if (why := why_not(backend))]
    available = total - len(missing)
    colour = GREEN if available == total else ORANGE if available else RED
    return badge(f"{available} of {total}", colour, "\n".join(missing))


def why_not(backend: Backend) -> str:
    """Why it gets no new requests; "" if it may get some."""
    if backend.admin_state != AdminState.ACTIVE:
        return backend.admin_state
    if condition(backend).state is HealthState.UNHEALTHY:
        return condition(backend).reason or HealthState.UNHEALTHY
    circuit = circuit_of(backend)
    if circuit is not None and circuit.shut:
        return f"circuit {circuit.state.replace('_', ' ')}: {circuit.cause}"
    ejection = ejection_of(backend)
    if ejection is not None:
        return f"{short(Obstacle.EJECTED)}: {ejection.cause}"
    return short(Obstacle.NO_WEIGHT) if backend.weight == 0 else ""


def _condition(backend: Backend, live: LiveHealth) -> Condition:
    if live.error:
        return Condition(HealthState.UNKNOWN, live.error, known=False)
    if backend.admin_state == AdminState.MAINTENANCE:
        return Condition(HealthState.UNKNOWN, "Not probed during maintenance.")
    if not backend.pool.health_enabled:
        return Condition(HealthState.HEALTHY, "Health checks are off in this pool.")
    return _in_words(live.of(backend.pk))


def _in_words(status: HealthStatus) -> Condition:
    if not status.since:
        return Condition(status.state, status.reason)
    duration = length(time.time() - status.since)
    reason = f"{status.reason}, for {duration}" if status.reason else f"For {duration}"
    return Condition(status.state, reason)
