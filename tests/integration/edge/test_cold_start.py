"""The edge starts with what it has, and goes on with what it had."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pool import bus
from pool.snapshot import PoolSpec, RouteSpec, build, encode
from proxy.engine.chores import LIVE_INTERVAL
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until
from tests.unreadable import NAMES, UNREADABLE

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]


def test_before_any_configuration_the_health_path_says_so(start_edge: StartEdge) -> None:
    edge = start_edge()

    def health() -> int:
        try:
            with Client(edge.port) as client:
                return client.get("/-/health").status
        except OSError:
            return 0

    wait_until("it listens", lambda: health() == 503)
    with Client(edge.port) as client:
        assert client.get("/-/health").json() == {"status": "no configuration yet", "snapshot": 0}
        answer = client.get("/")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0


def test_the_first_request_after_a_start_finds_the_configuration(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    """Also on a machine that has no file of it yet: the worker asks Redis before it serves."""
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.stop()
    (edge.folder / "edge" / "snapshot.json").unlink()
    edge.start()
    wait_until("it listens", lambda: can_connect(edge))
    with Client(edge.port) as client:
        assert client.get().status == 200


def can_connect(edge: Edge) -> bool:
    try:
        Client(edge.port).close()
    except OSError:
        return False
    return True


def test_started_with_redis_down_it_serves_from_its_file(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.stop()
    edge.redis_server.kill()
    edge.start()
    edge.wait_until_it_says(edge.number)
    with Client(edge.port) as client:
        assert client.get().backend == "a"
    edge.redis_server.start()
    edge.serve(backend("b").spec())  # and follows Redis again when that is back
    with Client(edge.port) as client:
        assert client.get().backend == "b"


def test_a_damaged_file_does_not_stop_the_start(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.stop()
    (edge.folder / "edge" / "snapshot.json").write_bytes(b'{"number": 1, ')
    edge.start()
    edge.wait_for(edge.number)  # from Redis
    with Client(edge.port) as client:
        assert client.get().status == 200


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_its_place_does_not_stop_the_start(
    start_edge: StartEdge, backend: MakeBackend, make: Callable[[Path], None]
) -> None:
    """Nor does it stop a running worker where another one's numbers would be."""
    edge = start_edge()
    edge.serve(backend("a").spec())
    edge.stop()
    (edge.folder / "edge" / "snapshot.json").unlink()
    make(edge.folder / "edge" / "snapshot.json")
    make(edge.folder / "edge" / "other.live")
    edge.start()
    edge.wait_for(edge.number)  # from Redis
    edge.wait_for_workers_to_go_on(LIVE_INTERVAL)
    with Client(edge.port) as client:
        assert client.get().status == 200
    assert "configuration of the last run cannot be read" in edge.log


@pytest.mark.parametrize(
    "raw",
    [
        *UNREADABLE[1:],
        b'{"number": 9, "format": 99}',
        encode(build(9, (), ())).replace(b'"number":9', b'"number":9,"surprise":1'),
        encode(build(9, (PoolSpec(id=1, name="p", algorithm="unheard-of"),), ())),
    ],
    ids=[*NAMES[1:], "format", "unknown field", "unknown algorithm"],
)
def test_a_snapshot_that_cannot_be_run_is_refused_and_told(
    edge: Edge, backend: MakeBackend, raw: bytes
) -> None:
    edge.serve(backend("a").spec())
    edge.redis.set(bus.SNAPSHOT_KEY, raw)
    edge.redis.publish(bus.SNAPSHOT_CHANNEL, "9")
    wait_until("it is told", lambda: any(report.error for report in edge.reports(edge.number)))
    with Client(edge.port) as client:
        assert client.get().backend == "a"
    edge.serve(backend("b").spec())
    assert not any(report.error for report in edge.reports(edge.number))


def test_an_announcement_that_was_missed_is_made_up_for(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(backend("a").spec())
    edge.number += 1
    pool = PoolSpec(id=1, name="shop", backends=(backend("b").spec(),))
    snapshot = build(edge.number, (pool,), (RouteSpec(id=1, pool_id=1),))
    edge.redis.set(bus.SNAPSHOT_KEY, encode(snapshot))  # and nobody says so
    wait_until("it runs", lambda: edge.health() == edge.number)


def test_the_report_tells_what_runs_and_goes_with_the_worker(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge()
    edge.serve(backend("a").spec())
    (report,) = edge.reports(edge.number)
    assert [report.pid] == edge.workers
    assert report.snapshot_since >= report.started_at
    edge.stop()
    assert edge.redis.hgetall(bus.EDGES_KEY) == {}
