"""Keys of Redis that are of a wrong type while nobody mends them: the edge passes over each."""

import re
from collections.abc import Callable

import pytest

from pool import bus
from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import PoolSpec, RouteSpec, build
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]

READ = (bus.SNAPSHOT_KEY, bus.FAILOVER_KEY, bus.HEALTH_KEY, bus.CIRCUITS_KEY, bus.EJECTIONS_KEY)
WRITTEN = (bus.EDGES_KEY, bus.TRAFFIC_STREAM, bus.REQUESTS_STREAM, bus.EVENTS_STREAM)


@pytest.fixture
def edge(start_edge: Callable[..., Edge]) -> Edge:
    return start_edge()


def spoil(edge: Edge, key: str) -> None:
    edge.redis.delete(key)
    edge.redis.rpush(key, "slip")


def served_by(edge: Edge, requests: int = 6) -> set[str]:
    with Client(edge.port) as client:
        return {client.get().backend for _ in range(requests)}


def test_each_keeps_nobody_from_the_others_and_is_told_once(
    edge: Edge, backend: MakeBackend
) -> None:
    a, b, c = (backend(name) for name in "abc")
    edge.serve(a.spec())
    for key in (*READ, *WRITTEN):
        spoil(edge, key)
    wait_until("each is told", lambda: all(f"DEL {key}" in edge.log for key in READ))
    edge.redis.delete(bus.SNAPSHOT_KEY)
    edge.number += 1
    pool = PoolSpec(id=1, name="shop", backends=(b.spec(), c.spec()))
    edge.announce(build(edge.number, (pool,), (RouteSpec(id=1, pool_id=1),)))
    edge.wait_until_it_says(edge.number)
    assert served_by(edge) == {"b", "c"}
    edge.announce_health(c.spec(), HealthStatus(state=HealthState.UNHEALTHY, since=1.0))
    wait_until("the verdict is heard", lambda: served_by(edge) == {"b"})
    for key in (*READ, *WRITTEN):
        assert len(re.findall(f"DEL {key}\n", edge.log)) <= 1, key
    edge.redis.delete(*WRITTEN)
    edge.wait_for(edge.number)
    wait_until("what was served meanwhile is counted", lambda: edge.counted() >= 1)
