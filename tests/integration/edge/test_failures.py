"""What a client is told when there is no backend, or one fails."""

import time
from collections.abc import Callable

import pytest

from pool.choices import CircuitMode, HealthState
from pool.snapshot import CircuitPolicy, PoolSpec, RetryPolicy, RouteSpec, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import reset, stall
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]


def test_without_an_available_backend_503_says_when_to_retry(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    edge.serve(a.spec(), circuit=CircuitPolicy(mode=CircuitMode.OFF))
    edge.say_health(a.spec(), HealthState.UNHEALTHY)
    a.stop()  # in panic it would be asked nevertheless
    with Client(edge.port) as client:
        wait_until("it is out", lambda: client.get().status == 503)
        answer = client.get()
        assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
        a.start()
        edge.say_health(a.spec(), HealthState.HEALTHY)
        wait_until("it is back", lambda: client.get().status == 200)  # the connection goes on
    assert len(a.calls) == 1


def test_without_a_route_404_and_the_connection_goes_on(edge: Edge, backend: MakeBackend) -> None:
    pool = PoolSpec(id=1, name="shop", backends=(backend("a").spec(),))
    edge.publish((pool,), (RouteSpec(id=1, pool_id=1, host="other.test"),))
    with Client(edge.port) as client:
        assert client.get().status == 404
        assert client.get().status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_tried_on_another_backend(
    edge: Edge, backend: MakeBackend, method: str
) -> None:
    dying, alive = backend("dying", reset), backend("alive")
    edge.serve(dying.spec(), alive.spec())
    with Client(edge.port) as client:
        for _ in range(4):
            answer = client.request(method, "/", b"body" if method == "PUT" else b"")
            assert (answer.status, answer.backend) == (200, "alive")
    assert dying.calls
    if method == "PUT":
        assert {call.headers["content-length"] for call in alive.calls} == {"4"}


def test_a_post_that_may_have_arrived_is_not_sent_again(edge: Edge, backend: MakeBackend) -> None:
    dying, alive = backend("dying", reset), backend("alive")
    edge.serve(dying.spec(), alive.spec())
    with Client(edge.port) as client:
        statuses = [client.request("POST", "/", b"order").status for _ in range(4)]
    assert sorted(statuses) == [200, 200, 502, 502]
    assert (len(dying.calls), len(alive.calls)) == (2, 2)


def test_a_post_goes_to_another_backend_if_the_first_cannot_be_reached(
    edge: Edge, backend: MakeBackend
) -> None:
    dead, alive = backend("dead"), backend("alive")
    dead.stop()
    edge.serve(dead.spec(), alive.spec())
    with Client(edge.port) as client:
        for _ in range(4):
            answer = client.request("POST", "/", b"order")
            assert (answer.backend, answer.json()["size"]) == ("alive", 5)


def test_502_when_no_backend_can_be_reached(edge: Edge, backend: MakeBackend) -> None:
    one, other = backend("one"), backend("other")
    one.stop()
    other.stop()
    edge.serve(one.spec(), other.spec())
    with Client(edge.port) as client:
        assert client.get().status == 502
        assert client.get().status == 502


def test_one_attempt_turns_retries_off(edge: Edge, backend: MakeBackend) -> None:
    dying, alive = backend("dying", reset), backend("alive")
    edge.serve(dying.spec(), alive.spec(), retry=RetryPolicy(attempts=1))
    with Client(edge.port) as client:
        assert sorted(client.get().status for _ in range(4)) == [200, 200, 502, 502]


def test_a_backend_that_resets_each_connection_is_a_502_at_once(
    edge: Edge, backend: MakeBackend
) -> None:
    """Its reset can come before the edge has used the connection, or after the request."""
    broken = backend("broken", lambda call: call.reset())
    timeouts = TimeoutPolicy(connect=5.0, response=5.0, idle=5.0)
    for at_once in (False, True):
        broken.refuses = at_once
        edge.serve(broken.spec(), timeouts=timeouts, circuit=CircuitPolicy(mode=CircuitMode.OFF))
        with Client(edge.port) as client:
            assert {client.request("POST", "/").status for _ in range(200)} == {502}


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["length", "chunked", "until close"],
)
def test_a_response_that_breaks_off_never_looks_complete(
    edge: Edge, backend: MakeBackend, head: bytes
) -> None:
    def break_off(call: Call) -> None:
        call.send(head + b"half ")
        call.reset()

    edge.serve(backend("a", break_off).spec())
    with Client(edge.port) as client:
        answer = client.get()
        assert (answer.status, answer.complete) == (200, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_504_when_the_backend_does_not_answer_in_time(
    edge: Edge, backend: MakeBackend, method: str
) -> None:
    slow = backend("slow", stall)
    edge.serve(slow.spec(), timeouts=TimeoutPolicy(response=0.5))
    with Client(edge.port) as client:
        begun = time.monotonic()
        assert client.request(method).status == 504
        assert time.monotonic() - begun > 0.4
    wait_until("it was there", lambda: slow.calls)
    assert len(slow.calls) == 1


def test_a_response_that_stalls_is_cut_and_counted_against_the_backend(
    edge: Edge, backend: MakeBackend
) -> None:
    def stall_midway(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
        assert call.client_has_left

    stalling = backend("stalling", stall_midway)
    edge.serve(stalling.spec(), timeouts=TimeoutPolicy(idle=0.5))
    with Client(edge.port) as client:
        answer = client.get()
        assert (answer.status, answer.complete) == (200, False)
    wait_until("the error is counted", lambda: sum(r.errors for r in edge.rows_of(stalling)) == 1)


def test_a_problem_is_told_in_json_to_whom_asks_for_it(edge: Edge, backend: MakeBackend) -> None:
    dead = backend("dead")
    dead.stop()
    edge.serve(dead.spec())
    with Client(edge.port) as client:
        answer = client.get(accept="application/json")
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["title"]) == (502, "Bad Gateway")
        assert problem["instance"].endswith(answer.headers["x-request-id"])
        assert client.get(accept="*/*").headers["content-type"].startswith("text/plain")


def test_errors_name_no_address_of_a_backend(edge: Edge, backend: MakeBackend) -> None:
    dead = backend("dead")
    dead.stop()
    edge.serve(dead.spec())
    with Client(edge.port) as client:
        for accept in ("application/json", "text/html"):
            answer = client.get(accept=accept)
            assert b"127.0.0.1" not in answer.body
            assert str(dead.port).encode() not in answer.body


def test_a_kept_connection_that_the_backend_has_closed_is_no_error(
    edge: Edge, backend: MakeBackend
) -> None:
    """RFC 9112 §9.3.1: also when its end arrives together with the next request."""

    def answer_once(call: Call) -> None:
        if call.connection % 2 and len([c for c in a.calls if c.connection == call.connection]) > 1:
            call.reset()
        else:
            a.echo(call)

    a = backend("a", answer_once)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        assert client.get().status == 200
        assert client.get().status == 200
    assert [call.connection for call in a.calls] == [1, 1, 2]


def test_a_post_on_a_stale_connection_is_not_sent_twice(edge: Edge, backend: MakeBackend) -> None:
    def answer_once(call: Call) -> None:
        if len(a.calls) > 1:
            call.reset()
        else:
            a.echo(call)

    a = backend("a", answer_once)
    edge.serve(a.spec())
    with Client(edge.port) as client:
        assert client.get().status == 200
        assert client.request("POST").status == 502
    assert len(a.calls) == 2
