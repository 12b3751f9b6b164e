"""What happens to a request whose backend fails: one set of cases, for each way to send it.

The edge (asyncio), `LoadBalancer` (requests) and the proxy view (Django, and requests) go by
one core; these cases hold them, with real backends, to the same outcomes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
import requests

from pool.snapshot import CircuitPolicy, RetryPolicy, TimeoutPolicy
from proxy.client import AllBackendsUnavailable, LoadBalancer
from tests.integration.edge.conftest import _Stage
from tests.integration.edge.harness.backend import Backend, Call, Script, start_backends
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import reset, stall, take
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.web import Web, start_webs

PATIENCE = 1.0  # seconds until a silent backend has failed
TIMEOUTS = TimeoutPolicy(connect=PATIENCE, response=4 * PATIENCE, idle=PATIENCE)


def circuit(open_time: float) -> CircuitPolicy:
    """What both hold against a backend: one failure, for so many seconds."""
    return CircuitPolicy(
        threshold=1,
        open_time=open_time,
        max_open_time=open_time,
        permits=1,
        successes=1,
        max_open=100,
    )


@dataclass
class Outcome:
    """`failed`: the client was told of no answer of a backend's."""

    backend: str = ""
    status: int = 0
    failed: bool = False


class Way(Protocol):
    def serve(self, *backends: Backend, open_time: float = 60.0) -> None: ...
    def ask(self, method: str = "GET", body: bytes = b"", target: str = "/") -> Outcome: ...


class ThroughEdge:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def serve(self, *backends: Backend, open_time: float = 60.0) -> None:
        self._edge.redis.delete("lb:circuits")
        self._edge.serve(
            *(backend.spec() for backend in backends),
            circuit=circuit(open_time),
            timeouts=TIMEOUTS,
            retry=RetryPolicy(
                attempts=len(backends) + 1, on_statuses="500,502-504", try_timeout=PATIENCE
            ),
        )

    def ask(self, method: str = "GET", body: bytes = b"", target: str = "/") -> Outcome:
        with Client(self._edge.port) as client:
            answer = client.request(method, target, body)
        if "x-backend" in answer.headers:
            return Outcome(answer.headers["x-backend"], answer.status)
        return Outcome(status=answer.status, failed=True)


class ThroughRequests:
    def __init__(self) -> None:
        self._balancer = LoadBalancer()

    def serve(self, *backends: Backend, open_time: float = 60.0) -> None:
        self.close()
        hosts = [backend.url for backend in backends]
        timeout = (PATIENCE, PATIENCE)
        self._balancer = LoadBalancer(hosts, circuit=circuit(open_time), timeout=timeout)

    def ask(self, method: str = "GET", body: bytes = b"", target: str = "/") -> Outcome:
        try:
            answer = self._balancer.request(method, target, data=body or None)
        except (requests.ConnectionError, requests.Timeout, AllBackendsUnavailable):
            return Outcome(failed=True)
        return Outcome(answer.headers["X-Backend"], answer.status_code)

    def close(self) -> None:
        self._balancer.close()


class ThroughView:
    def __init__(self, web: Web) -> None:
        self._web = web

    def serve(self, *backends: Backend, open_time: float = 60.0) -> None:
        # It is asked until it serves: what is found meanwhile is not to open a circuit.
        scripts = [backend.script for backend in backends]
        for backend in backends:
            backend.script = backend.echo
        self._web.serve(
            *backends,
            circuit=circuit(open_time),
            timeouts=TIMEOUTS,
            retry=RetryPolicy(
                attempts=len(backends) + 1, on_statuses="500,502-504", try_timeout=PATIENCE
            ),
        )
        for backend, script in zip(backends, scripts, strict=True):
            backend.script = script

    def ask(self, method: str = "GET", body: bytes = b"", target: str = "/") -> Outcome:
        answer = self._web.ask(method, f"/lb/shop{target}", body)
        if "x-backend" in answer.headers:
            return Outcome(answer.headers["x-backend"], answer.status)
        return Outcome(status=answer.status, failed=True)


@pytest.fixture(scope="module")
def _edge() -> Iterator[Edge]:
    stage = _Stage()
    yield stage.start()
    stage.end()


@pytest.fixture(scope="module")
def _web() -> Iterator[Web]:
    with start_webs() as start:
        yield start()


@pytest.fixture(params=["edge", "requests", "view"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    if request.param == "edge":
        yield ThroughEdge(request.getfixturevalue("_edge"))
    elif request.param == "view":
        yield ThroughView(request.getfixturevalue("_web"))
    else:
        through = ThroughRequests()
        yield through
        through.close()


@pytest.fixture
def backend() -> Iterator[Callable[..., Backend]]:
    with start_backends() as start:
        yield start


def close(call: Call) -> None:
    take(call)
    call.cut()


def babble(call: Call) -> None:
    take(call)
    call.send(b"nonsense\r\n\r\n")


def answer_500(call: Call) -> None:
    take(call)
    call.answer(b"broken", "500 Broken", "X-Backend: failing\r\n")


def leaves_alone(way: Way, backend: Backend) -> bool:
    before = len(backend.calls)
    for _ in range(4):
        way.ask("POST")
    return len(backend.calls) == before


UNANSWERED = [reset, close, stall, answer_500]
# The edge does not ask another one once a byte has come, of whatever; a program may.
FAILURES = [*UNANSWERED, babble]
Make = Callable[..., Backend]


@pytest.mark.parametrize("fail", UNANSWERED)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_idempotent_request_is_answered_by_another(
    way: Way, backend: Make, method: str, fail: Script
) -> None:
    failing, alive = backend("failing", fail), backend("alive")
    way.serve(failing, alive)
    for _ in range(3):
        assert way.ask(method, b"body" if method == "PUT" else b"") == Outcome("alive", 200)
    wait_until("it is left alone", lambda: leaves_alone(way, failing))


@pytest.mark.parametrize("fail", FAILURES)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_that_has_arrived_is_sent_once(
    way: Way, backend: Make, method: str, fail: Script
) -> None:
    failing, alive = backend("failing", fail), backend("alive")
    way.serve(failing, alive)
    outcomes = [way.ask(method, b"order", f"/{number}") for number in range(3)]
    targets = [call.target for call in (*failing.calls, *alive.calls)]
    assert sorted(targets) == ["/0", "/1", "/2"]
    lost = [one for one in outcomes if one.backend != "alive"]
    assert len(lost) == len(failing.calls) > 0
    assert all(one.status == 500 if fail is answer_500 else one.failed for one in lost)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_cannot_have_arrived_goes_to_another(way: Way, backend: Make, method: str) -> None:
    dead, alive = backend("dead"), backend("alive")
    way.serve(dead, alive)
    dead.stop()
    for _ in range(3):
        assert way.ask(method, b"order") == Outcome("alive", 200)


def test_a_backend_that_resets_before_the_request_is_left(way: Way, backend: Make) -> None:
    refusing = backend("refusing")
    refusing.refuses = True
    way.serve(refusing, backend("alive"))
    assert {way.ask().backend for _ in range(4)} == {"alive"}


def test_one_that_has_failed_is_left_alone(way: Way, backend: Make) -> None:
    failing = backend("failing", answer_500)
    way.serve(failing, backend("alive"))
    wait_until("it is left alone", lambda: leaves_alone(way, failing))


@pytest.mark.parametrize("fail", [reset, answer_500])
def test_one_that_is_well_again_comes_back(way: Way, backend: Make, fail: Script) -> None:
    a, b = backend("a", fail), backend("b")
    way.serve(a, b, open_time=0.5)
    assert {way.ask().backend for _ in range(4)} == {"b"}
    a.script = a.echo
    wait_until("it is back", lambda: {way.ask().backend for _ in range(4)} == {"a", "b"})


def test_one_that_refuses_and_listens_again_comes_back(way: Way, backend: Make) -> None:
    a, b = backend("a"), backend("b")
    way.serve(a, b, open_time=0.5)
    a.stop()
    assert {way.ask().backend for _ in range(4)} == {"b"}
    a.start()
    wait_until("it is back", lambda: {way.ask().backend for _ in range(4)} == {"a", "b"})


def test_when_nobody_is_left_the_client_is_told(way: Way, backend: Make) -> None:
    one, other = backend("one"), backend("other")
    way.serve(one, other, open_time=0.5)
    one.stop()
    other.stop()
    for _ in range(3):
        assert way.ask().failed
    one.start()
    wait_until("one serves again", lambda: way.ask().backend == "one")


def test_a_large_body_goes_whole_to_the_one_that_is_left(way: Way, backend: Make) -> None:
    dead, alive = backend("dead"), backend("alive")
    way.serve(dead, alive)
    dead.stop()
    assert way.ask("PUT", b"x" * 60_000) == Outcome("alive", 200)
    assert alive.calls[-1].headers["content-length"] == "60000"
