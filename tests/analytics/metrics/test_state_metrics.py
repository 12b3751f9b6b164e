"""Gauges: what edges and probes have left in Redis."""

import time

import msgspec
import pytest

from pool.bus import (
    CIRCUITS_KEY,
    EJECTIONS_KEY,
    HEALTH_KEY,
    SNAPSHOT_KEY,
    TRAFFIC_STREAM,
    HealthStatus,
)
from pool.choices import CircuitMode, CircuitState, HealthState
from pool.circuits.records import Circuit
from pool.models import Backend
from pool.outliers.records import Ejection, Ejections

pytestmark = pytest.mark.django_db


def set_health(redis, backend, state):
    status = HealthStatus(state=state, since=1.0)
    redis.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))


@pytest.fixture
def a(shop):
    return Backend.objects.get(name="a")


@pytest.mark.parametrize(
    ("state", "up"),
    [
        (HealthState.HEALTHY, 1),
        (HealthState.DEGRADED, 1),
        (HealthState.UNKNOWN, 1),
        (HealthState.UNHEALTHY, 0),
    ],
)
def test_a_backend_is_up_unless_probes_say_otherwise(a, redis_client, scrape, state, up):
    set_health(redis_client, a, state)
    assert scrape().get("lb_backend_up", pool="shop", backend="a") == up


def test_an_unprobed_backend_counts_as_up(shop, scrape):
    assert scrape().get("lb_backend_up", pool="shop", backend="b") == 1


def test_a_drained_backend_is_not_active(a, publish, scrape):
    a.drain()
    publish()
    found = scrape()
    assert found.get("lb_backend_active", pool="shop", backend="a") == 0
    assert found.get("lb_backend_active", pool="shop", backend="b") == 1


def test_what_workers_have_under_way_adds_up(a, worker, scrape):
    worker(1, {a: (3, 1.0)})
    worker(2, {a: (4, 0.5)})
    worker(3, {a: (100, 1.0)}, seen_at=time.time() - 60)  # gone
    found = scrape()
    assert found.get("lb_backend_in_flight", pool="shop", backend="a") == 7
    assert found.get("lb_backend_weight", pool="shop", backend="a") == 0.75
    assert found.get("lb_backend_in_flight", pool="shop", backend="b") == 0
    assert found.get("lb_backend_weight", pool="shop", backend="b") == 1


@pytest.mark.parametrize(
    ("state", "number"),
    [
        (CircuitState.CLOSED, 0),
        (CircuitState.HALF_OPEN, 1),
        (CircuitState.OPEN, 2),
        (CircuitState.FORCED_OPEN, 3),
    ],
)
def test_circuits(a, redis_client, scrape, state, number):
    redis_client.hset(CIRCUITS_KEY, str(a.pk), msgspec.json.encode(Circuit(state=state)))
    found = scrape()
    assert found.get("lb_circuit_state", pool="shop", backend="a") == number
    assert found.get("lb_circuit_state", pool="shop", backend="b") == 0


def test_a_pool_without_circuits_has_no_state_of_them(shop, publish, scrape):
    shop.circuit_mode = CircuitMode.OFF
    shop.save()
    publish()
    assert scrape().get("lb_circuit_state", pool="shop", backend="a") is None


def test_an_ejected_backend(shop, a, redis_client, scrape):
    now = time.time()
    ejected = Ejections(by_id={a.pk: Ejection(since=now, until=now + 60, times=1, cause="slow")})
    redis_client.hset(EJECTIONS_KEY, str(shop.pk), msgspec.json.encode(ejected))
    found = scrape()
    assert found.get("lb_backend_ejected", pool="shop", backend="a") == 1
    assert found.get("lb_backend_ejected", pool="shop", backend="b") == 0


def test_edge_workers_tell_what_they_run(shop, worker, scrape):
    worker(1)
    worker(2, snapshot_number=6, error="bad snapshot", seen_at=time.time() - 60)
    found = scrape()
    fresh, stale = {"edge": "edge-1", "worker": "1"}, {"edge": "edge-1", "worker": "2"}
    assert [found.get("lb_edge_up", **one) for one in (fresh, stale)] == [1, 0]
    assert [found.get("lb_snapshot_version", **one) for one in (fresh, stale)] == [7, 6]
    success = [found.get("lb_snapshot_last_reload_success", **one) for one in (fresh, stale)]
    assert success == [1, 0]
    assert found.get("lb_snapshot_last_reload_timestamp_seconds", **fresh) == 1000
    assert found["lb_snapshot_published"] == 7


@pytest.mark.parametrize("snapshot", [None, b"{}", b"\xff"])
def test_without_a_snapshot_that_can_be_read_the_rest_is_told(
    shop, worker, redis_client, scrape, snapshot
):
    redis_client.delete(SNAPSHOT_KEY)
    if snapshot is not None:
        redis_client.set(SNAPSHOT_KEY, snapshot)
    worker(1)
    found = scrape()
    assert found["lb_snapshot_published"] == 0
    assert found.get("lb_edge_up", edge="edge-1", worker="1") == 1
    assert found.get("lb_requests_total", pool="shop", backend="a", code="2xx") == 0


def test_batches_that_wait_are_told(shop, redis_client, scrape):
    redis_client.xadd(TRAFFIC_STREAM, {"b": b""})
    assert scrape()["lb_uncounted_batches"] == 1
