"""Short ways to build what is simulated."""

from collections.abc import Callable
from typing import Any

import pytest

from pool.choices import CircuitMode
from pool.snapshot import BackendSpec, CircuitPolicy, HealthPolicy, PoolSpec
from proxy.simulation.scenario import ClosedLoop, Scenario
from proxy.simulation.service_time import parse_service_time


@pytest.fixture
def pool_spec() -> Callable[..., PoolSpec]:
    """`pool_spec(3)`: a pool of the backends a, b and c, not probed and without circuits."""

    def build(count: int = 3, max_connections: int = 0, **fields: Any) -> PoolSpec:
        backends = tuple(
            BackendSpec(
                id=number,
                name=chr(ord("a") + number - 1),
                url=f"http://10.0.0.{number}",
                max_connections=max_connections,
            )
            for number in range(1, count + 1)
        )
        defaults = {
            "id": 1,
            "name": "web",
            "health": HealthPolicy(enabled=False),
            "circuit": CircuitPolicy(mode=CircuitMode.OFF),
            "backends": backends,
        }
        return PoolSpec(**(defaults | fields))

    return build


@pytest.fixture
def scenario(pool_spec: Callable[..., PoolSpec]) -> Callable[..., Scenario]:
    """`scenario("10ms", "uniform:1s")`: backends a and b that take so long."""

    def build(*service_times: str, pool: PoolSpec | None = None, **fields: Any) -> Scenario:
        spec = pool or pool_spec(len(service_times))
        times = {number: parse_service_time(text) for number, text in enumerate(service_times, 1)}
        defaults = {"load": ClosedLoop(10), "requests": 2000}
        return Scenario(pool=spec, service_times=times, **(defaults | fields))

    return build
