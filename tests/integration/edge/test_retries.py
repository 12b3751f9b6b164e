"""What is tried again and what is not, over real sockets."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from pool.choices import CircuitMode
from pool.snapshot import BackendSpec, CircuitPolicy, RetryPolicy, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import reset, take
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

NO_CIRCUITS = CircuitPolicy(mode=CircuitMode.OFF)


def serve(edge: Edge, *backends: BackendSpec, workers: int = 1, **retry: object) -> None:
    policy = RetryPolicy(**retry)  # type: ignore[arg-type]
    edge.serve(*backends, retry=policy, circuit=NO_CIRCUITS, workers=workers)


def busy(call: Call) -> None:
    take(call)
    call.answer(b"busy", status="503 Service Unavailable", fields="X-Backend: busy\r\n")


class Stalling:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, call: Call) -> None:
        take(call)
        self.go.wait(60)
        call.answer(b"late", fields="X-Backend: slow\r\n")


@pytest.fixture
def stalling() -> Stalling:
    return Stalling()


# --- switches ---


@pytest.mark.parametrize(("on", "statuses"), [(True, {200}), (False, {200, 502})])
def test_a_refused_connection_is_tried_elsewhere_if_the_pool_says_so(
    edge: Edge, backend: MakeBackend, on: bool, statuses: set[int]
) -> None:
    dead, alive = backend("dead"), backend("alive")
    dead.stop()
    serve(edge, dead.spec(), alive.spec(), on_connect_failure=on)
    with Client(edge.port) as client:
        assert {client.request("POST", "/", b"x").status for _ in range(4)} == statuses


@pytest.mark.parametrize(("on", "statuses"), [(True, {200}), (False, {200, 502})])
def test_a_reset_is_tried_elsewhere_if_the_pool_says_so(
    edge: Edge, backend: MakeBackend, on: bool, statuses: set[int]
) -> None:
    serve(edge, backend("broken", reset).spec(), backend("alive").spec(), on_reset=on)
    with Client(edge.port) as client:
        assert {client.get().status for _ in range(4)} == statuses


def test_a_post_is_not_sent_twice_once_it_was_sent(edge: Edge, backend: MakeBackend) -> None:
    broken, full, alive = backend("broken", reset), backend("full", busy), backend("alive")
    serve(edge, broken.spec(), full.spec(), alive.spec(), on_statuses="500-599")
    with Client(edge.port) as client:
        answers = [client.request("POST", "/", b"order") for _ in range(6)]
    assert sorted(answer.status for answer in answers) == [200, 200, 502, 502, 503, 503]
    assert len(broken.calls) + len(full.calls) + len(alive.calls) == 6


# --- statuses ---


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_an_answer_of_a_listed_status_is_dropped_and_another_backend_tried(
    edge: Edge, backend: MakeBackend, method: str
) -> None:
    full, alive = backend("full", busy), backend("alive")
    serve(edge, full.spec(), alive.spec(), on_statuses="502-504")
    with Client(edge.port) as client:
        body = b"x" * 1000 if method == "PUT" else b""
        answers = [client.request(method, "/", body) for _ in range(6)]
    assert {(answer.status, answer.backend) for answer in answers} == {(200, "alive")}
    assert len(full.calls) >= 3
    assert full.connections == 1, "an answer that has come whole leaves its connection usable"


def test_the_last_answer_is_passed_on_when_nobody_has_a_better_one(
    edge: Edge, backend: MakeBackend
) -> None:
    serve(edge, *(backend(name, busy).spec() for name in "abc"), on_statuses="503", attempts=2)
    with Client(edge.port) as client:
        answer = client.get()
        assert (answer.status, answer.body) == (503, b"busy")


def test_an_answer_that_is_still_coming_is_cut_and_never_mixed_with_the_next(
    edge: Edge, backend: MakeBackend
) -> None:
    def endless(call: Call) -> None:
        call.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert call.client_has_left

    serve(edge, backend("endless", endless).spec(), backend("b").spec(), on_statuses="503")
    with Client(edge.port) as client:
        assert [client.get().status for _ in range(6)] == [200] * 6


# --- time of a try ---


def test_a_try_that_takes_too_long_is_made_elsewhere(
    edge: Edge, backend: MakeBackend, stalling: Stalling
) -> None:
    slow = backend("slow", stalling)
    serve(edge, slow.spec(), backend("alive").spec(), try_timeout=0.5)
    with Client(edge.port) as client:
        assert {client.get().backend for _ in range(4)} == {"alive"}
        # Of three turns the slow one has one: it misses another for its failure.
        answers = [client.request("POST", "/", b"x").status for _ in range(3)]
        assert sorted(answers) == [200, 200, 504], "and a POST is not"
    stalling.go.set()


# --- budget ---


def test_retries_of_what_was_sent_stay_within_the_budget(
    edge: Edge, backend: MakeBackend, stalling: Stalling
) -> None:
    """Ten at once: three may try again, and hold their retries while they wait for them."""
    slow, broken = backend("slow", stalling), Stalling()

    def all_reset(call: Call) -> None:
        broken.go.wait(20)
        call.reset()

    resetting = backend("broken", all_reset)
    serve(edge, resetting.spec(), slow.spec(weight=1), budget=0)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(edge.port)) for _ in range(20)]
        for client in clients:
            client.send(request_bytes("GET"))
        wait_until("all are there", lambda: len(resetting.calls) + len(slow.calls) == 20)
        begun = len(slow.calls)
        broken.go.set()
        wait_until("three came again", lambda: len(slow.calls) == begun + 3)
        stalling.go.set()
        statuses = [client.response().status for client in clients]
    assert statuses.count(200) == begun + 3
    assert statuses.count(502) == 20 - begun - 3


# --- clients ---


def test_a_client_that_leaves_during_the_pause_ends_it(edge: Edge, backend: MakeBackend) -> None:
    broken, alive = backend("broken", reset), backend("alive")
    serve(edge, broken.spec(), alive.spec())
    for _ in range(20):
        client = Client(edge.port)
        client.send(request_bytes("GET"))
        client.reset()
    with Client(edge.port) as client:
        wait_until("what they held is free", lambda: client.get().status == 200)
        assert {client.get().status for _ in range(10)} == {200}


# --- hedging ---


def test_a_second_backend_is_asked_when_the_first_is_slow_and_the_faster_one_answers(
    edge: Edge, backend: MakeBackend, stalling: Stalling
) -> None:
    slow, quick = backend("slow", stalling), backend("quick")
    serve(edge, slow.spec(), quick.spec(), hedge_after=0.05)
    with Client(edge.port) as client:
        answers = [client.get() for _ in range(6)]
        assert {(answer.status, answer.backend) for answer in answers} == {(200, "quick")}
    wait_until("hedges are counted", lambda: sum(row.hedges for row in edge.rows_of(quick)))
    assert sum(row.retries for row in edge.rows_of(quick)) == 0, "apart from retries"
    assert slow.calls
    stalling.go.set()


def test_the_first_backend_may_still_be_the_faster_one(edge: Edge, backend: MakeBackend) -> None:
    first, second = Stalling(), Stalling()
    a, b = backend("a", first), backend("b", second)
    serve(edge, a.spec(weight=1000), b.spec(), hedge_after=0.05)
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("both were asked", lambda: len(a.calls) + len(b.calls) == 2)
        first.go.set()
        assert client.response().body == b"late"
        second.go.set()
        assert client.get().status == 200


def test_a_slow_first_try_that_breaks_leaves_the_request_to_the_second(
    edge: Edge, backend: MakeBackend
) -> None:
    second, broken = Stalling(), Stalling()

    def reset_later(call: Call) -> None:
        broken.go.wait(20)
        call.reset()

    a, b = backend("a", reset_later), backend("b", second)
    serve(edge, a.spec(weight=1000), b.spec(), hedge_after=0.05)
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("both were asked", lambda: len(a.calls) == len(b.calls) == 1)
        broken.go.set()
        second.go.set()
        assert client.response().body == b"late"


def test_a_second_try_that_breaks_leaves_the_first_alone(
    edge: Edge, backend: MakeBackend, stalling: Stalling
) -> None:
    a, b = backend("a", stalling), backend("b", reset)
    serve(edge, a.spec(weight=1000), b.spec(), hedge_after=0.05)
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        wait_until("both were asked", lambda: len(a.calls) == len(b.calls) == 1)
        stalling.go.set()
        assert client.response().body == b"late"


def test_posts_are_never_hedged(edge: Edge, backend: MakeBackend, stalling: Stalling) -> None:
    slow, quick = backend("slow", stalling), backend("quick")
    serve(edge, slow.spec(weight=1000), quick.spec(), hedge_after=0.05, try_timeout=0.5)
    with Client(edge.port) as client:
        assert client.request("POST", "/", b"x").status == 504
    assert not quick.calls
    stalling.go.set()


def test_a_client_that_leaves_ends_both_tries(edge: Edge, backend: MakeBackend) -> None:
    left: list[bool] = []

    def wait(call: Call) -> None:
        """For the edge to go: an answer might be there before it knows that nobody wants one."""
        left.append(call.client_has_left)

    a, b = backend("a", wait), backend("b", wait)
    serve(edge, a.spec(), b.spec(), hedge_after=0.05)
    client = Client(edge.port)
    client.send(request_bytes("GET"))
    wait_until("both were asked", lambda: len(a.calls) == len(b.calls) == 1)
    client.reset()
    wait_until("both were left", lambda: left == [True, True])


# --- backends that come back, two workers ---


def test_two_workers_see_clients_through_a_backend_that_breaks_and_comes_back(
    start_edge: StartEdge, backend: MakeBackend
) -> None:
    edge = start_edge("--workers", "2")
    shaky, alive = backend("shaky"), backend("alive")
    timeouts = TimeoutPolicy(connect=1.0, response=5.0)
    edge.serve(
        shaky.spec(),
        alive.spec(),
        workers=2,
        retry=RetryPolicy(on_statuses="500-599"),
        timeouts=timeouts,
        circuit=NO_CIRCUITS,
    )
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(10):
            with Client(edge.port) as client:
                statuses.append(client.get().status)

    ask()
    for script in (reset, busy):
        shaky.script = script
        ask()
    shaky.stop()
    ask()
    shaky.script = shaky.echo
    shaky.start()
    before = len(shaky.calls)
    ask()
    assert statuses == [200] * 50
    assert len(shaky.calls) > before


def test_a_connection_with_half_a_body_on_it_serves_nobody_else(
    edge: Edge, backend: MakeBackend
) -> None:
    """A refusal may come before the body has: the next request would be read as its rest."""
    left: list[bool] = []

    def refuse_early(call: Call) -> None:
        assert call.receive() == b"01234"
        call.answer(b"no", status="503 Service Unavailable")
        left.append(call.client_has_left)

    hasty, alive = backend("hasty", refuse_early), backend("alive")
    serve(edge, hasty.spec(weight=1000), alive.spec(), on_statuses="503")
    with Client(edge.port) as client:
        client.send(request_bytes("PUT", "/", b"0123456789")[:-5])
        wait_until("it was refused, and goes elsewhere", lambda: left and alive.calls)
        client.send(b"56789")
        answer = client.response()
    assert (answer.status, answer.json()["size"], left) == (200, 10, [True])
