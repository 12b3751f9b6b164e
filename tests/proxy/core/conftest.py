"""Short ways to build what the core works on. No socket, no clock, no database."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, Snapshot
from proxy.core.backend import Backend
from proxy.core.balancing import balancer_class
from proxy.core.pool import Pool
from proxy.core.routing import Route, Router
from proxy.core.succession import build_pool


@pytest.fixture
def backend_spec() -> Callable[..., BackendSpec]:
    def build(number: int = 1, **fields: Any) -> BackendSpec:
        defaults = {"name": f"b{number}", "url": f"http://10.0.0.{number}:80"}
        return BackendSpec(id=number, **(defaults | fields))

    return build


@pytest.fixture
def backends(backend_spec: Callable[..., BackendSpec]) -> Callable[..., list[Backend]]:
    """`backends(5, 1, 1)`: live backends of these weights, named a, b, c …"""

    def build(*weights: int, **fields: Any) -> list[Backend]:
        return [
            Backend(backend_spec(place + 1, name=chr(ord("a") + place), weight=weight, **fields))
            for place, weight in enumerate(weights)
        ]

    return build


@pytest.fixture
def pool_of() -> Callable[..., Pool]:
    """`pool_of([spec, …], algorithm=…)`: a pool as one worker runs it."""

    def build(specs: Sequence[BackendSpec], previous: Pool | None = None, **fields: Any) -> Pool:
        spec = PoolSpec(id=1, name="web", backends=tuple(specs), **fields)
        return build_pool(spec, balancer_class(spec.algorithm), previous, 0)

    return build


@pytest.fixture
def route_of(pool_of: Callable[..., Pool]) -> Callable[..., Route]:
    empty = pool_of([])

    def build(path_prefix: str = "/", host: str = "", pool: Pool = empty, **fields: Any) -> Route:
        fields = {"id": 1, "pool_id": 1, "host": host, "path_prefix": path_prefix} | fields
        return Route(RouteSpec(**fields), pool)

    return build


@pytest.fixture
def router_of(route_of: Callable[..., Route]) -> Callable[..., Router]:
    """`router_of({"host": …}, …)`: routes numbered from 1 in the order given."""

    def build(*specs: dict[str, Any]) -> Router:
        return Router(route_of(id=number, **spec) for number, spec in enumerate(specs, 1))

    return build


@pytest.fixture
def snapshot_of() -> Callable[..., Snapshot]:
    def build(*pools: PoolSpec, routes: Sequence[RouteSpec] = ()) -> Snapshot:
        return Snapshot(number=1, pools=pools, routes=tuple(routes))

    return build


@pytest.fixture
def health() -> Callable[[HealthState], HealthStatus]:
    def build(state: HealthState, since: float = 0.0) -> HealthStatus:
        return HealthStatus(state=state, since=since)

    return build
