"""Why a request goes where it goes, in words and figures.

Nothing is decided here: routes, tiers and algorithms are asked for what they go
by, and each backend that is out of the choice gets the reason for it. What comes
out is plain data, the same for a question that was made up and for a live request.
"""

from collections import Counter
from collections.abc import Container, Iterable
from math import isfinite

import msgspec

from pool.choices import AdminState
from pool.obstacles import DETAILS, Obstacle
from pool.tiers import Share
from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.pool import Pool
from proxy.core.routing import Route, Router


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """A route that matches. `lost_by`: what the winner is ahead in; empty for the winner."""

    id: int
    host: str
    path_prefix: str
    priority: int
    pool: str
    lost_by: str


class TierView(msgspec.Struct, frozen=True, kw_only=True):
    """`percent` of the traffic; `healthy` of `total` places are held by somebody who is well."""

    tier: int
    percent: int
    panic: bool
    healthy: int
    total: int


class BackendView(msgspec.Struct, frozen=True, kw_only=True):
    """`passed_over` None: it is among those that are chosen from."""

    id: int
    name: str
    tier: int
    weight: float  # as the algorithm sees it: less than configured while it starts slowly
    in_flight: int
    max_connections: int  # 0: no limit
    latency_ms: float | None  # to the first byte, averaged; None: not measured
    score: float | None  # the least wins; None: the algorithm compares nothing
    passed_over: Obstacle | None
    detail: str


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """`algorithm`: the one that chooses this time, which is the fallback where the key lacks."""

    name: str
    algorithm: str
    hash_key: str  # empty: the algorithm needs none
    key: str | None  # its value in this request; None: the request has none
    floor: int  # tiers below it serve only when no other can
    tiers: tuple[TierView, ...]
    backends: tuple[BackendView, ...]


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker that has served nothing yet chooses at these figures.

    `shares`: percent of `picks` in a row, by the backend's name.
    """

    first: str | None
    shares: dict[str, float]
    picks: int


def explain_routes(router: Router, host: bytes, path: bytes) -> list[RouteView]:
    """All routes that match, the winner first; then those that came closest."""
    routes = sorted(router.matching(host, path), key=lambda route: -route.spec.priority)
    return [_view_route(route, routes[0]) for route in routes]


def _view_route(route: Route, winner: Route) -> RouteView:
    spec = route.spec
    return RouteView(
        id=spec.id,
        host=spec.host,
        path_prefix=spec.path_prefix,
        priority=spec.priority,
        pool=route.pool.spec.name,
        lost_by="" if route is winner else _lost_by(route, winner),
    )


def _lost_by(route: Route, winner: Route) -> str:
    if route.spec.priority != winner.spec.priority:
        return f"priority {route.spec.priority} is below {winner.spec.priority}"
    if route.spec.host != winner.spec.host:
        mine, other = (one.spec.host or "any host" for one in (route, winner))
        return f"{mine} is less specific than {other}"
    return f"prefix {route.spec.path_prefix} is shorter than {winner.spec.path_prefix}"


def explain_pool(
    pool: Pool, key: bytes | None = None, tried: Container[Backend] = NOTHING
) -> PoolView:
    """The pool as `pool.choose(tried, key)` would see it now; nothing is changed by asking."""
    main, _, policy = pool.algorithm
    by_key = main.needs_key
    share_of = {place.holder: share for share in pool.shares for place in share.places}
    return PoolView(
        name=pool.spec.name,
        algorithm=policy.fallback if by_key and key is None else pool.spec.algorithm,
        hash_key=policy.hash_key if by_key else "",
        key=key.decode("utf-8", "replace") if by_key and key is not None else None,
        floor=pool.floor,
        tiers=tuple(_view_tier(share) for share in pool.shares),
        backends=tuple(
            _view_backend(pool, backend, share_of.get(backend.id), key, tried)
            for backend in pool.backends.values()
        ),
    )


def _view_tier(share: Share) -> TierView:
    return TierView(
        tier=share.tier,
        percent=share.percent,
        panic=share.panic,
        healthy=share.healthy,
        total=share.total,
    )


def _view_backend(
    pool: Pool,
    backend: Backend,
    share: Share | None,
    key: bytes | None,
    tried: Container[Backend],
) -> BackendView:
    score = None
    if backend in tried:
        reason: Obstacle | None = Obstacle.TRIED
        detail = DETAILS[Obstacle.TRIED]
    elif share is None:
        reason, detail = _not_serving(pool, backend)
    else:
        reason, detail = _waiting(pool, backend, share)
        score = pool.tiers[share.tier].balancer_for(key).score(backend)
        if score is not None and not isfinite(score):
            score = None  # JSON has no such number
    return BackendView(
        id=backend.id,
        name=backend.spec.name,
        tier=backend.spec.tier if share is None else share.tier,
        weight=backend.weight,
        in_flight=backend.load(),
        max_connections=backend.spec.max_connections,
        latency_ms=backend.latency.known_mean(pool.clock.now) / 1000 or None,
        score=score,
        passed_over=reason,
        detail=detail,
    )


def _not_serving(pool: Pool, backend: Backend) -> tuple[Obstacle, str]:
    """Why it has no place among those that take part."""
    spec = backend.spec
    if spec.admin_state is not AdminState.ACTIVE:
        order = Obstacle(spec.admin_state.value)
        return order, DETAILS[order]
    if not spec.weight:
        return Obstacle.NO_WEIGHT, DETAILS[Obstacle.NO_WEIGHT]
    if backend.out:
        return _out(backend)
    stood_in_for = pool.backends.get(spec.backup_of)
    name = stood_in_for.spec.name if stood_in_for is not None else "a backend that is gone"
    return Obstacle.STAND_IN, f"It takes the place of {name} while that one is out."


def _out(backend: Backend) -> tuple[Obstacle, str]:
    breaker = backend.breaker
    if breaker is not None and breaker.out:
        return Obstacle.CIRCUIT_OPEN, breaker.circuit.cause
    if backend.ejection is not None:
        return Obstacle.EJECTED, backend.ejection.cause
    return Obstacle.UNHEALTHY, backend.health.reason if backend.health is not None else ""


def _waiting(pool: Pool, backend: Backend, share: Share) -> tuple[Obstacle | None, str]:
    """Why one that takes part in its tier is not chosen from all the same."""
    if not backend.available():
        return _cannot_now(backend)
    if share.percent:
        return None, _panic(backend) if backend.out else ""
    serving = ", ".join(str(one.tier) for one in pool.shares if one.percent)
    if share.tier < pool.floor:
        return Obstacle.LOWER_TIER, f"After a failover, tiers from {pool.floor} on serve."
    return Obstacle.LOWER_TIER, f"Tier {serving} serves."


def _panic(backend: Backend) -> str:
    return f"{_out(backend)[1]} Its tier is in panic: all are used.".lstrip()


def _cannot_now(backend: Backend) -> tuple[Obstacle, str]:
    limit = backend.spec.max_connections
    if limit and backend.load() >= limit:
        return Obstacle.FULL, f"{backend.load()} of {limit} in flight."
    if backend.out:
        return _out(backend)
    return Obstacle.CIRCUIT_TRIED, DETAILS[Obstacle.CIRCUIT_TRIED]


def rehearse(pool: Pool, key: bytes | None, picks: int) -> Rehearsal:
    """Let the pool choose so many times. It must be nobody's else: its turns move on."""
    chosen = [pool.choose(NOTHING, key) for _ in range(picks)]
    counts = Counter(_names(chosen))
    return Rehearsal(
        first=chosen[0].spec.name if chosen[0] is not None else None,
        shares={name: round(100 * count / picks, 1) for name, count in counts.most_common()},
        picks=picks,
    )


def _names(backends: Iterable[Backend | None]) -> Iterable[str]:
    return (backend.spec.name for backend in backends if backend is not None)
