"""What goes wrong, and where time goes, is in the counted rows: each by its own name."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from pool.bus import TrafficRow
from pool.snapshot import (
    BackendSpec,
    LimitPolicy,
    PoolSpec,
    RetryPolicy,
    RouteSpec,
    TimeoutPolicy,
)
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import cut_short, reset, stall
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
ONCE = RetryPolicy(attempts=1)
QUICK = TimeoutPolicy(response=1.0, idle=0.4)

CAUSES = ("connect_errors", "timeouts", "cuts")
REJECTIONS = ("rejected_rate_limit", "rejected_queue", "rejected_no_backend")


def stall_halfway(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
    assert call.client_has_left


class Doorkeeper:
    """Answers nobody until the door is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, call: Call) -> None:
        self.open.wait(20)
        call.answer(b"come in")


def serve(edge: Edge, *backends: BackendSpec, **policies: object) -> None:
    """By a route and a pool of their own, whose rows are nobody else's."""
    number = _number(backends[0].id)
    pool = PoolSpec(id=number, name="shop", backends=backends, **policies)  # type: ignore[arg-type]
    edge.publish((pool,), (RouteSpec(id=number, pool_id=number),))


def _number(backend_id: int) -> int:
    return 5000 + backend_id


def counted(edge: Edge, backend: Backend, field: str) -> int:
    return sum(getattr(row, field) for row in edge.rows_of(backend))


def own_rows(edge: Edge, backend: Backend) -> list[TrafficRow]:
    """What the edge has answered itself, where `backend` is the first that was served."""
    number = _number(backend.id)
    return [row for row in edge.traffic() if row.route_id == number and not row.backend_id]


def times(rows: list[TrafficRow], kind: str) -> tuple[int, int, int]:
    """How many, the longest and the sum; the extremes and the histogram must agree."""
    found = [getattr(row, kind) for row in rows if getattr(row, kind).histogram]
    for one in found:
        assert one.min <= one.max <= one.sum
    return (
        sum(sum(one.histogram.values()) for one in found),
        max((one.max for one in found), default=0),
        sum(one.sum for one in found),
    )


@pytest.mark.parametrize(
    ("script", "cause", "status"),
    [
        (stall, "timeouts", "status_5xx"),
        (reset, "", "status_5xx"),
        (cut_short, "cuts", "status_2xx"),
        (stall_halfway, "cuts", "status_2xx"),
    ],
)
def test_a_try_that_fails_is_counted_by_what_went_wrong(
    edge: Edge,
    backend: MakeBackend,
    script: Callable[[Call], None],
    cause: str,
    status: str,
) -> None:
    a = backend("a", script)
    serve(edge, a.spec(), retry=ONCE, timeouts=QUICK)
    with Client(edge.port) as client:
        client.get()
    wait_until("it is counted", lambda: counted(edge, a, "requests") == 1)
    assert (counted(edge, a, "errors"), counted(edge, a, status)) == (1, 1)
    assert {one: counted(edge, a, one) for one in CAUSES if counted(edge, a, one)} == (
        {cause: 1} if cause else {}
    )
    # There is a first byte only where a response began.
    assert times(edge.rows_of(a), "first_byte")[0] == (status == "status_2xx")
    assert times(edge.rows_of(a), "total")[0] == 1


def test_a_backend_that_refuses_is_a_connect_error_and_the_other_one_has_a_retry(
    edge: Edge, backend: MakeBackend
) -> None:
    dead, alive = backend("refusing"), backend("taking-over")
    dead.stop()
    serve(edge, dead.spec(), alive.spec(), algorithm="round_robin")
    with Client(edge.port) as client:
        assert [client.get().status for _ in range(4)] == [200] * 4
    wait_until("they are counted", lambda: counted(edge, alive, "requests") == 4)
    refused = counted(edge, dead, "connect_errors")
    assert refused == counted(edge, dead, "errors") == counted(edge, alive, "retries")
    assert refused >= 1
    assert counted(edge, dead, "requests") == 0
    assert times(edge.rows_of(dead), "connect")[0] == 0, "none was made"


def test_a_connection_is_timed_when_it_is_made_and_not_when_it_is_used_again(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("kept")
    serve(edge, a.spec())
    with Client(edge.port) as client:
        assert [client.get().status for _ in range(5)] == [200] * 5
    wait_until("they are counted", lambda: counted(edge, a, "requests") == 5)
    rows = edge.rows_of(a)
    connects, longest, _ = times(rows, "connect")
    assert connects == 1
    firsts, slowest, first_bytes = times(rows, "first_byte")
    totals, _, total = times(rows, "total")
    assert firsts == totals == 5
    assert first_bytes <= total
    assert 0 < longest < 2_000_000
    assert 0 < slowest < 2_000_000


def test_the_wait_for_a_place_is_timed_and_who_finds_none_is_rejected(
    edge: Edge, backend: MakeBackend
) -> None:
    door = Doorkeeper()
    a = backend("narrow", door)
    limits = LimitPolicy(max_queue=1, queue_timeout=20)
    serve(edge, a.spec(max_connections=1), limits=limits)
    with ExitStack() as stack:
        first, second, third = [stack.enter_context(Client(edge.port)) for _ in range(3)]
        first.send(request_bytes("GET"))
        wait_until("it is there", lambda: a.calls)
        second.send(request_bytes("GET"))
        edge.health()
        assert third.get().status == 503
        door.open.set()
        assert [client.response().status for client in (first, second)] == [200, 200]
    wait_until("they are counted", lambda: counted(edge, a, "requests") == 2)
    wait_until("so is who was refused", lambda: sum(row.requests for row in own_rows(edge, a)) == 1)
    waits, _, waited = times(edge.rows_of(a), "queue")
    assert (waits, waited > 0) == (1, True)
    assert [sum(getattr(row, one) for row in own_rows(edge, a)) for one in REJECTIONS] == [0, 1, 0]
    assert max(row.in_flight_peak for row in edge.rows_of(a)) == 1


def test_who_waits_in_vain_is_rejected_after_the_wait(edge: Edge, backend: MakeBackend) -> None:
    door = Doorkeeper()
    a = backend("shut", door)
    serve(edge, a.spec(max_connections=1), limits=LimitPolicy(max_queue=5, queue_timeout=0.2))
    with Client(edge.port) as first, Client(edge.port) as second:
        first.send(request_bytes("GET"))
        wait_until("it is there", lambda: a.calls)
        assert second.get().status == 503
        door.open.set()
        assert first.response().status == 200
    wait_until("it is counted", lambda: counted(edge, a, "requests") == 1)
    rows = own_rows(edge, a)
    assert sum(row.rejected_queue for row in rows) == 1
    waits, longest, _ = times(rows, "queue")
    assert waits == 1
    assert longest >= 200_000


def test_without_a_backend_that_is_up_the_edge_rejects(edge: Edge, backend: MakeBackend) -> None:
    a = backend("unused")
    serve(edge, a.spec(weight=0))
    with Client(edge.port) as client:
        assert client.get().status == 503

    wait_until("it is counted", lambda: own_rows(edge, a))
    (row,) = own_rows(edge, a)
    assert (row.requests, row.status_5xx) == (1, 1)
    assert [getattr(row, one) for one in REJECTIONS] == [0, 0, 1]


def test_the_most_at_once_is_the_peak_of_its_time(edge: Edge, backend: MakeBackend) -> None:
    door = Doorkeeper()
    a = backend("popular", door)
    serve(edge, a.spec())
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port)) for _ in range(7)]
        for client in clients:
            client.send(request_bytes("GET"))
        wait_until("all are there", lambda: len(a.calls) == 7)
        door.open.set()
        assert [client.response().status for client in clients] == [200] * 7
        wait_until("they are counted", lambda: counted(edge, a, "requests") == 7)
        assert max(row.in_flight_peak for row in edge.rows_of(a)) == 7
        assert clients[0].get().status == 200
    wait_until("so is one more", lambda: counted(edge, a, "requests") == 8)
    assert edge.rows_of(a)[-1].in_flight_peak == 1, "begun anew"
