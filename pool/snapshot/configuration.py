"""Pools with their backends, routes, and the snapshot that holds them all."""

from typing import Any

from pool.choices import DEFAULT_ALGORITHM, AdminState
from pool.snapshot.balancing import BalancingPolicy, StickyPolicy, TierPolicy
from pool.snapshot.circuit import CircuitPolicy
from pool.snapshot.forwarding import HeaderPolicy, HeaderRule, TimeoutPolicy, TlsPolicy
from pool.snapshot.health import HealthOverrides, HealthPolicy
from pool.snapshot.limits import LimitPolicy, RateLimitPolicy
from pool.snapshot.outlier import OutlierPolicy
from pool.snapshot.retry import RetryPolicy
from pool.snapshot.spec import Spec

FORMAT = 1


class BackendSpec(Spec, frozen=True):
    """One origin server. `id` is the identity under which health and counters are kept."""

    id: int
    name: str
    url: str
    weight: int = 1
    tier: int = 0
    max_connections: int = 0  # 0: no limit
    admin_state: AdminState = AdminState.ACTIVE
    backup_of: int = 0  # id of the backend whose place this one takes while it is out
    health: HealthOverrides = HealthOverrides()
    metadata: dict[str, Any] = {}


class PoolSpec(Spec, frozen=True):
    id: int
    name: str
    algorithm: str = DEFAULT_ALGORITHM
    balancing: BalancingPolicy = BalancingPolicy()
    tiers: TierPolicy = TierPolicy()
    sticky: StickyPolicy = StickyPolicy()
    health: HealthPolicy = HealthPolicy()
    timeouts: TimeoutPolicy = TimeoutPolicy()
    retry: RetryPolicy = RetryPolicy()
    circuit: CircuitPolicy = CircuitPolicy()
    outlier: OutlierPolicy = OutlierPolicy()
    headers: HeaderPolicy = HeaderPolicy()
    limits: LimitPolicy = LimitPolicy()
    tls: TlsPolicy = TlsPolicy()
    backends: tuple[BackendSpec, ...] = ()


class RouteSpec(Spec, frozen=True):
    """Host and path prefix → pool.

    `host`: "" for any, "shop.example.com", or "*.example.com" (one or more
    labels below it). `path_prefix` matches whole segments: "/api" matches
    "/api" and "/api/x", not "/apix"; several slashes are as one. `priority`: the
    higher one wins; among equals the more specific host, then the longer prefix.
    """

    id: int
    pool_id: int
    host: str = ""
    path_prefix: str = "/"
    strip_prefix: bool = False
    priority: int = 0
    rate_limit: RateLimitPolicy = RateLimitPolicy()
    request_rules: tuple[HeaderRule, ...] = ()  # applied after the pool's
    response_rules: tuple[HeaderRule, ...] = ()


class Snapshot(Spec, frozen=True):
    number: int
    pools: tuple[PoolSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    content_hash: str = ""
    format: int = FORMAT


EMPTY = Snapshot(number=0)
