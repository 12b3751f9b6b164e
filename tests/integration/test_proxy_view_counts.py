"""What goes through the proxy view is counted as what goes through an edge."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import psutil
import pytest

from pool.bus import TRAFFIC_FIELD, TRAFFIC_STREAM, TrafficBatch, TrafficRow
from pool.snapshot import LimitPolicy, RetryPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.scripts import cut_short
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.web import Web, start_webs


@pytest.fixture
def web() -> Iterator[Web]:
    with start_webs() as start:
        yield start()


def batches(web: Web) -> list[TrafficBatch]:
    found = {}
    for _, entry in web.redis.xrange(TRAFFIC_STREAM):
        batch = msgspec.msgpack.decode(entry[TRAFFIC_FIELD], type=TrafficBatch)
        found[batch.source, batch.seq] = batch
    return list(found.values())


def rows(web: Web, backend: str | None = None) -> list[TrafficRow]:
    every = [row for batch in batches(web) for second in batch.seconds for row in second.rows]
    return [row for row in every if backend is None or row.backend == backend]


def total(web: Web, field: str, backend: str | None = None) -> int:
    return sum(getattr(row, field) for row in rows(web, backend))


def test_requests_are_counted_by_backend_and_status(
    web: Web, backend: Callable[..., Backend]
) -> None:
    def answer(call: Call) -> None:
        call.answer(b"twelve bytes", f"{call.target[1:4] or 200} Said")

    web.serve(backend("a", answer))
    asked = total(web, "requests")
    for status in (200, 200, 404, 503):
        assert web.ask(target=f"/lb/shop/{status}").status == status
    assert web.ask(target="/lb/nowhere/").status == 404
    wait_until("they are counted", lambda: total(web, "status_4xx") == 2)
    found = rows(web, "a")
    assert {(row.route_id, row.pool_id, row.pool) for row in found} == {(0, 1, "shop")}
    assert total(web, "status_5xx", "a") == 1
    assert total(web, "requests") >= asked + 5
    assert total(web, "client_aborts") == 0
    for row in found:
        assert row.requests == sum(row.total.histogram.values())
        assert row.requests == sum(row.first_byte.histogram.values())
        assert row.first_byte.sum <= row.total.sum
    assert total(web, "bytes_out", "a") >= 4 * len(b"twelve bytes")
    assert all("-view-" in batch.source for batch in batches(web))


def test_what_goes_wrong_is_counted_by_its_cause(web: Web, backend: Callable[..., Backend]) -> None:
    dead, alive = backend("dead"), backend("alive")
    web.serve(dead, alive, algorithm="round_robin", retry=RetryPolicy(attempts=2))
    dead.stop()
    assert [web.ask().status for _ in range(4)] == [200] * 4
    wait_until("a retry is counted", lambda: total(web, "retries", "alive") > 0)
    assert total(web, "connect_errors", "dead") == total(web, "errors", "dead") > 0
    alive.stop()
    assert web.ask().status in (502, 503)
    web.serve(backend("cutting", lambda c: cut_short(c) if c.method == "GET" else c.answer()))
    assert not web.ask().complete
    wait_until("it is counted", lambda: total(web, "cuts", "cutting") == 1)
    assert total(web, "errors", "cutting") == 1


def test_what_is_announced_and_never_comes_is_not_counted(
    web: Web, backend: Callable[..., Backend]
) -> None:
    web.serve(backend("a"), limits=LimitPolicy(max_body=100))
    with closing(web.connect()) as connection:
        connection.putrequest("POST", "/lb/shop/")
        connection.putheader("Content-Length", "9" * 18)
        connection.endheaders(b"x")
        assert connection.getresponse().status == 413
    wait_until("it is counted", lambda: total(web, "status_4xx") == 1)
    assert total(web, "bytes_in") < 100_000


def test_a_process_that_is_killed_leaves_its_counts_to_the_next_one(
    web: Web, backend: Callable[..., Backend]
) -> None:
    web.serve(backend("a"))
    for _ in range(20):
        assert web.ask().status == 200
    (worker,) = psutil.Process(web.process.pid).children()
    os.kill(worker.pid, signal.SIGKILL)
    web.wait_until_up()
    assert web.ask().status == 200  # the next one counts from its first request on
    wait_until("all are counted", lambda: total(web, "status_2xx", "a") >= 21)
