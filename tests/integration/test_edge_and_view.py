"""An edge of two workers and a web server on one Redis: what one has found, the other goes by."""

import signal
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from pool import bus
from pool.choices import CircuitEvent, CircuitState
from pool.snapshot import CircuitPolicy
from tests.integration.edge.conftest import _Stage
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until
from tests.integration.edge.test_circuits import (
    FAILURES,
    LASTING,
    SHORT,
    circuit_of,
    heard,
    kinds,
    order,
    request_until,
    serve,
    state_of,
)
from tests.integration.web import Web, start_webs

CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN
Publish = Callable[[CircuitPolicy], tuple[Backend, Backend]]
_numbers = count(1)
ROUND = ["circuit_opened", "circuit_half_opened", "circuit_closed"]


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    stage = _Stage()
    yield stage.start("--workers", "2")
    stage.end()


@pytest.fixture(scope="module")
def web(edge: Edge) -> Iterator[Web]:
    with start_webs() as start:
        yield start(redis_server=edge.redis_server)


@pytest.fixture
def publish(edge: Edge, web: Web, backend: Callable[..., Backend]) -> Publish:
    """A pool of two that both serve, through both."""

    def publish(policy: CircuitPolicy) -> tuple[Backend, Backend]:
        # Names of their own: what the edge has logged of one is looked for by its name.
        one, other = (backend(f"{name}{next(_numbers)}") for name in ("a", "b"))
        serve(edge, one, other, policy=policy)
        wait_until("the view runs it too", lambda: view(web) == {one.name, other.name})
        # Not before: what the view has found of backends that have left counts in this pool.
        edge.redis.delete(bus.CIRCUITS_KEY, bus.OUT_CIRCUITS_KEY % 1)
        return one, other

    return publish


def view(web: Web) -> set[str]:
    return {web.ask().headers.get("x-backend", "") for _ in range(4)}


def workers(edge: Edge) -> set[str]:
    """Who answers when each of them is asked."""
    with edge.client_of_each_worker() as clients:
        return {client.get().backend for client in clients for _ in range(10)}


def asked(backend: Backend) -> tuple[int, int]:
    return len(backend.calls), backend.connections


def leaves_alone(web: Web, backend: Backend) -> bool:
    """Also over connections that it has kept."""
    before = asked(backend)
    view(web)
    return asked(backend) == before


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_through_the_view_is_left_alone_by_the_edge_and_taken_back_by_both(
    edge: Edge, web: Web, publish: Publish, failure: str
) -> None:
    bad, good = publish(SHORT)
    FAILURES[failure](bad)
    wait_until("it opens", lambda: view(web) and state_of(edge, bad) is not CLOSED)
    wait_until("the workers know", lambda: heard(edge, bad, 1) == 2)
    bad.script, bad.refuses = bad.echo, False
    if failure == "refuses":
        bad.start()
    request_until(edge, "it closes again", lambda: state_of(edge, bad) is CLOSED)
    wait_until("the view knows", lambda: view(web) == {bad.name, good.name})
    told = kinds(edge, bad)
    assert told[:2] == ROUND[:2]
    assert told[-2:] == ROUND[1:]
    assert len(told) == circuit_of(edge, bad).generation, "each of them once"


def test_nobody_at_the_edge_tries_what_the_view_has_opened(
    edge: Edge, web: Web, publish: Publish
) -> None:
    bad, good = publish(LASTING)
    FAILURES["answers 500"](bad)
    wait_until("it opens", lambda: view(web) and state_of(edge, bad) is OPEN)
    wait_until("the workers know", lambda: heard(edge, bad, 1) >= 2)
    before = asked(bad)
    assert workers(edge) == {good.name}
    assert asked(bad) == before
    assert kinds(edge, bad) == ROUND[:1]


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_through_the_edge_is_left_alone_by_the_view(
    edge: Edge, web: Web, publish: Publish, failure: str
) -> None:
    bad, good = publish(LASTING)
    FAILURES[failure](bad)
    request_until(edge, "it opens", lambda: state_of(edge, bad) is OPEN)
    wait_until("the view leaves it alone", lambda: leaves_alone(web, bad))
    assert view(web) == {good.name}


def test_an_operators_word_holds_for_both(edge: Edge, web: Web, publish: Publish) -> None:
    one, good = publish(SHORT)
    order(edge, one, CircuitEvent.OPEN, SHORT)
    wait_until("both know", lambda: workers(edge) == view(web) == {good.name})
    order(edge, one, CircuitEvent.RELEASE, SHORT)
    wait_until("it is tried", lambda: view(web) and state_of(edge, one) is CLOSED)
    wait_until("both know again", lambda: workers(edge) == view(web) == {one.name, good.name})


def test_the_view_decides_alone_while_redis_hangs(edge: Edge, web: Web, publish: Publish) -> None:
    bad, good = publish(LASTING)
    edge.redis_server.process.send_signal(signal.SIGSTOP)
    try:
        FAILURES["answers 500"](bad)
        wait_until("the view has opened its own", lambda: view(web) == {good.name})
    finally:
        edge.redis_server.process.send_signal(signal.SIGCONT)
    wait_until("it is shared", lambda: state_of(edge, bad) is OPEN)


def test_both_decide_alone_without_redis_and_agree_when_it_is_back(
    edge: Edge, web: Web, publish: Publish
) -> None:
    bad, good = publish(LASTING)
    edge.redis_server.kill()
    FAILURES["answers 500"](bad)
    wait_until("the view has opened its own", lambda: view(web) == {good.name})
    wait_until("the workers have theirs", lambda: workers(edge) == {good.name})
    edge.redis_server.start()
    wait_until("it is shared", lambda: state_of(edge, bad) is OPEN)
    wait_until("it is told once", lambda: kinds(edge, bad) == ROUND[:1])
    assert circuit_of(edge, bad).generation == 1
    assert workers(edge) == view(web) == {good.name}
