"""Circuits through the edge: what fails is left alone by all workers, tried, and taken back."""

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pool import bus
from pool.bus import Happening
from pool.choices import CircuitEvent, CircuitMode, CircuitState
from pool.circuits import script
from pool.circuits.records import Circuit, Order, terms_of
from pool.snapshot import CircuitPolicy, PoolSpec, RetryPolicy, TimeoutPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, Response
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.scripts import reset
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

CLOSED, OPEN, HALF_OPEN, FORCED_OPEN = CircuitState
LASTING = CircuitPolicy(threshold=3, open_time=600.0, max_open_time=600.0)
SHORT = CircuitPolicy(threshold=3, open_time=0.5, max_open_time=1.0, successes=2)
TIMEOUTS = TimeoutPolicy(response=1.0)


def fail(call: Call) -> None:
    call.answer(b"no", status="500 Internal Server Error")


def stall(call: Call) -> None:
    call.receive()


def get(edge: Edge) -> Response:
    """One request on a connection of its own: any worker may get it."""
    with Client(edge.port) as client:
        return client.get()


def circuit_of(edge: Edge, backend: Backend) -> Circuit:
    record = edge.redis.hget(bus.CIRCUITS_KEY, str(backend.id))
    return script.read_circuit(record) if record else Circuit()  # type: ignore[arg-type]


def state_of(edge: Edge, backend: Backend) -> CircuitState:
    return circuit_of(edge, backend).state


def heard(edge: Edge, backend: Backend, generation: int) -> int:
    """How many workers have taken this generation up."""
    return len(re.findall(rf"shop/{backend.name}: .*, generation {generation},", edge.log))


def happenings(edge: Edge) -> list[Happening]:
    return [
        msgspec.json.decode(entry[bus.EVENTS_FIELD], type=Happening)
        for _, entry in edge.redis.xrange(bus.EVENTS_STREAM)
    ]


def kinds(edge: Edge, backend: Backend) -> list[str]:
    return [one.kind.value for one in happenings(edge) if one.backend_id == backend.id]


def request_until(edge: Edge, what: str, met: Callable[[], bool]) -> list[Response]:
    """Requests, one after the other, until it is so."""
    responses: list[Response] = []

    def again() -> bool:
        responses.append(get(edge))
        return met()

    wait_until(what, again)
    return responses


def order(edge: Edge, backend: Backend, event: CircuitEvent, policy: CircuitPolicy) -> None:
    """What the control plane does on an operator's word."""
    terms = terms_of(PoolSpec(id=1, name="shop", circuit=policy))
    now = float(edge.redis.time()[0])  # type: ignore[index]
    operation = Order(event=event, cause="by anna")
    run: Any = edge.redis.register_script(script.source())
    run(script.keys(terms), script.arguments(backend.id, operation, terms, now))


@pytest.fixture
def edge(start_edge: StartEdge) -> Edge:
    return start_edge("--workers", "2")


def serve(edge: Edge, *backends: Backend, policy: CircuitPolicy, **more: Any) -> None:
    policies = {"timeouts": TIMEOUTS, "circuit": policy} | more
    edge.serve(*(backend.spec() for backend in backends), workers=2, **policies)


FAILURES: dict[str, Callable[[Backend], None]] = {
    "answers 500": lambda backend: setattr(backend, "script", fail),
    "refuses": Backend.stop,
    "resets connections": lambda backend: setattr(backend, "refuses", True),
    "resets requests": lambda backend: setattr(backend, "script", reset),
    "stalls": lambda backend: setattr(backend, "script", stall),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_all_workers_leave_a_failing_backend_alone(
    edge: Edge, backend: MakeBackend, failure: str
) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=LASTING)
    FAILURES[failure](bad)
    request_until(edge, "the circuit opens", lambda: state_of(edge, bad) is OPEN)
    wait_until("both workers know", lambda: heard(edge, bad, 1) == 2)
    calls, connections = len(bad.calls), bad.connections
    assert {get(edge).backend for _ in range(20)} == {"good"}
    assert (len(bad.calls), bad.connections) == (calls, connections)
    assert kinds(edge, bad) == ["circuit_opened"]
    assert state_of(edge, good) is CLOSED


@pytest.mark.parametrize("failure", FAILURES)
def test_a_backend_that_comes_back_is_tried_and_taken_back(
    edge: Edge, backend: MakeBackend, failure: str
) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=SHORT)
    FAILURES[failure](bad)
    request_until(edge, "the circuit opens", lambda: state_of(edge, bad) is OPEN)
    bad.script, bad.refuses = bad.echo, False
    if failure == "refuses":
        bad.start()
    request_until(edge, "it closes again", lambda: state_of(edge, bad) is CLOSED)
    generation = circuit_of(edge, bad).generation
    wait_until("both workers know", lambda: heard(edge, bad, generation) == 2)
    assert {get(edge).backend for _ in range(20)} == {"good", "bad"}
    told = kinds(edge, bad)
    assert told[-2:] == ["circuit_half_opened", "circuit_closed"]
    assert len(told) == generation


def test_a_backend_that_goes_on_failing_is_tried_less_and_less_often(
    edge: Edge, backend: MakeBackend
) -> None:
    bad, good = backend("bad", script=fail), backend("good")
    serve(edge, bad, good, policy=SHORT)
    request_until(edge, "it was tried", lambda: circuit_of(edge, bad).generation >= 5)
    assert circuit_of(edge, bad).wait == 1.0
    assert kinds(edge, bad)[:3] == ["circuit_opened", "circuit_half_opened", "circuit_opened"]


def test_no_more_calls_try_it_at_once_than_there_are_permits(
    edge: Edge, backend: MakeBackend
) -> None:
    policy = msgspec.structs.replace(SHORT, permits=1, successes=1)
    bad, good = backend("bad", script=fail), backend("good")
    serve(edge, bad, good, policy=policy, timeouts=TimeoutPolicy())
    request_until(edge, "the circuit opens", lambda: state_of(edge, bad) is OPEN)
    before = len(bad.calls)
    held: list[Call] = []
    bad.script = held.append
    clients = []

    def one_is_held() -> bool:
        clients.append(Client(edge.port))
        clients[-1].send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        return bool(held)

    wait_until("a call tries it", one_is_held)
    assert {get(edge).backend for _ in range(20)} == {"good"}
    assert len(bad.calls) == before + 1
    held[0].answer(b"ok")
    wait_until("it is closed", lambda: state_of(edge, bad) is CLOSED)
    for client in clients:
        client.close()


def test_the_only_backend_is_not_tried_before_its_time(edge: Edge, backend: MakeBackend) -> None:
    only = backend("only", script=fail)
    serve(edge, only, policy=LASTING)
    request_until(edge, "the circuit opens", lambda: state_of(edge, only) is OPEN)
    wait_until("both workers know", lambda: heard(edge, only, 1) == 2)
    calls = len(only.calls)
    assert {get(edge).status for _ in range(10)} == {503}
    assert len(only.calls) == calls


def test_successes_of_another_worker_end_the_row(edge: Edge, backend: MakeBackend) -> None:
    """Every other request fails, whichever worker it goes to: never three in a row."""
    only = backend(
        "only", script=lambda call: fail(call) if len(only.calls) % 2 else only.echo(call)
    )
    serve(edge, only, policy=LASTING, retry=RetryPolicy(attempts=1))
    for turn in range(40):
        failed = turn % 2 == 0
        assert get(edge).status == (500 if failed else 200)
        wait_until("it is told", lambda n=failed: circuit_of(edge, only).failures == n)
    assert state_of(edge, only) is CLOSED


def test_a_failing_pool_keeps_as_many_backends_as_its_limit_says(
    edge: Edge, backend: MakeBackend
) -> None:
    """Of four at most half: the others go on, whatever they answer, and the timeline tells."""
    all_bad = [backend(name, script=fail) for name in "abcd"]
    serve(edge, *all_bad, policy=LASTING)
    request_until(
        edge,
        "two are open, and the others are held",
        lambda: sum("circuit_held" in kinds(edge, one) for one in all_bad) == 2,
    )
    states = sorted(state_of(edge, one) for one in all_bad)
    assert states == [CLOSED, CLOSED, OPEN, OPEN]
    assert get(edge).status == 500


def test_an_operators_word_reaches_every_worker(edge: Edge, backend: MakeBackend) -> None:
    one, other = backend("one"), backend("other")
    serve(edge, one, other, policy=SHORT)
    order(edge, one, CircuitEvent.OPEN, SHORT)
    wait_until("both workers know", lambda: heard(edge, one, 1) == 2)
    assert {get(edge).backend for _ in range(20)} == {"other"}
    order(edge, one, CircuitEvent.RELEASE, SHORT)
    request_until(edge, "it is closed", lambda: state_of(edge, one) is CLOSED)
    assert kinds(edge, one) == ["circuit_opened", "circuit_half_opened", "circuit_closed"]


def test_a_share_of_failures_is_one_of_all_workers_calls(edge: Edge, backend: MakeBackend) -> None:
    policy = msgspec.structs.replace(
        LASTING, mode=CircuitMode.FAILURE_RATIO, minimum_calls=40, ratio=40, window=60.0
    )
    only = backend("only")
    serve(edge, only, policy=policy, retry=RetryPolicy(attempts=1))
    assert [get(edge).status for _ in range(24)] == [200] * 24
    only.script = fail

    def is_told() -> bool:
        circuit = circuit_of(edge, only)
        calls = sum(total for total, _, _ in circuit.window.values())
        return circuit.state is OPEN or calls == len(only.calls)

    while state_of(edge, only) is not OPEN:
        assert get(edge).status == 500
        wait_until("each of both workers' calls is told", is_told)
    told = happenings(edge)[0]
    assert told.data["calls"] == len(only.calls) >= 40
    assert told.data["failures"] == len(only.calls) - 24


def test_slow_calls_open(edge: Edge, backend: MakeBackend) -> None:
    policy = msgspec.structs.replace(
        LASTING, mode=CircuitMode.SLOW_RATIO, minimum_calls=5, ratio=50, slow_call=0.05
    )

    def slow(call: Call) -> None:
        call._sock.settimeout(0.1)  # waits for what does not come
        try:
            call.receive()
        except TimeoutError:
            call._sock.settimeout(None)
            bad.echo(call)

    bad, good = backend("bad", script=slow), backend("good")
    serve(edge, bad, good, policy=policy, timeouts=TimeoutPolicy())
    request_until(edge, "the circuit opens", lambda: state_of(edge, bad) is OPEN)
    assert "were slow or failed" in happenings(edge)[0].message


def test_two_edges_share_circuits(start_edge: StartEdge, backend: MakeBackend) -> None:
    first = start_edge("--workers", "2")
    second = start_edge("--workers", "2", beside=first)
    bad, good = backend("bad", script=fail), backend("good")
    serve(first, bad, good, policy=LASTING)
    second.wait_for(first.number, workers=2)
    request_until(first, "the circuit opens", lambda: state_of(first, bad) is OPEN)
    wait_until("all know", lambda: heard(first, bad, 1) + heard(second, bad, 1) == 4)
    assert {get(second).backend for _ in range(20)} == {"good"}
    assert kinds(first, bad) == ["circuit_opened"]


def test_a_clients_abort_says_nothing_of_the_backend(edge: Edge, backend: MakeBackend) -> None:
    held: list[Call] = []
    only = backend("only", script=held.append)
    serve(edge, only, policy=LASTING, timeouts=TimeoutPolicy())
    for number in range(1, 7):
        client = Client(edge.port)
        client.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        wait_until("it is at the backend", lambda n=number: len(held) == n)
        client.reset()
        wait_until("the edge has let go", lambda: only.open_connections == 0)
    only.script = only.echo
    assert get(edge).status == 200
    assert circuit_of(edge, only) == Circuit()


def test_without_redis_each_worker_decides_alone_and_they_agree_when_it_is_back(
    edge: Edge, backend: MakeBackend
) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=LASTING)
    edge.redis_server.kill()
    bad.script = fail
    request_until(edge, "a worker opens its own", lambda: heard(edge, bad, 1) >= 1)
    edge.redis_server.start()
    wait_until("Redis knows", lambda: state_of(edge, bad) is OPEN)
    wait_until("both workers know", lambda: heard(edge, bad, 1) == 2)
    wait_until("the timeline is told", lambda: kinds(edge, bad) == ["circuit_opened"])
    assert {get(edge).backend for _ in range(20)} == {"good"}


def test_all_that_happened_without_redis_is_told_later_and_once(
    edge: Edge, backend: MakeBackend
) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=SHORT)
    edge.redis_server.kill()
    bad.script = fail
    request_until(edge, "a worker opens its own", lambda: heard(edge, bad, 1) >= 1)
    bad.script = bad.echo
    request_until(edge, "and closes it again", lambda: "shop/bad: closed" in edge.log)
    edge.redis_server.start()
    wait_until("the timeline is told", lambda: kinds(edge, bad)[2:] == ["circuit_closed"])
    assert kinds(edge, bad)[:2] == ["circuit_opened", "circuit_half_opened"]
    request_until(edge, "it is closed for all", lambda: state_of(edge, bad) is CLOSED)
    wait_until(
        "each is told once",
        lambda: len(kinds(edge, bad)) == circuit_of(edge, bad).generation,
    )


def test_what_redis_has_lost_comes_back_from_the_workers(edge: Edge, backend: MakeBackend) -> None:
    bad, good = backend("bad", script=fail), backend("good")
    serve(edge, bad, good, policy=LASTING)
    request_until(edge, "the circuit opens", lambda: state_of(edge, bad) is OPEN)
    wait_until("both workers know", lambda: heard(edge, bad, 1) == 2)
    edge.redis.delete(bus.CIRCUITS_KEY, bus.OUT_CIRCUITS_KEY % 1, bus.EVENTS_STREAM)
    wait_until("Redis knows again", lambda: state_of(edge, bad) is OPEN)
    assert kinds(edge, bad) == []


def test_workers_decide_alone_while_redis_hangs(edge: Edge, backend: MakeBackend) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=LASTING)
    edge.redis_server.process.send_signal(signal.SIGSTOP)
    bad.script = fail
    request_until(edge, "both workers open theirs", lambda: heard(edge, bad, 1) == 2)
    edge.redis_server.process.send_signal(signal.SIGCONT)
    wait_until("the timeline is told once", lambda: kinds(edge, bad) == ["circuit_opened"])
    assert circuit_of(edge, bad).generation == 1


def test_a_new_worker_knows_what_is_open_before_it_serves(edge: Edge, backend: MakeBackend) -> None:
    bad, good = backend("bad"), backend("good")
    serve(edge, bad, good, policy=LASTING)
    order(edge, bad, CircuitEvent.OPEN, LASTING)
    wait_until("both workers know", lambda: heard(edge, bad, 1) == 2)
    for pid in edge.workers:
        os.kill(pid, signal.SIGKILL)
    wait_until("there are others", lambda: edge.health() == edge.number)
    assert {get(edge).backend for _ in range(20)} == {"good"}
    assert not bad.calls


def test_a_pool_that_turns_its_circuits_off_uses_all_its_backends(
    edge: Edge, backend: MakeBackend
) -> None:
    one, other = backend("one"), backend("other")
    serve(edge, one, other, policy=LASTING)
    order(edge, one, CircuitEvent.OPEN, LASTING)
    wait_until("both workers know", lambda: heard(edge, one, 1) == 2)
    serve(edge, one, other, policy=CircuitPolicy(mode=CircuitMode.OFF))
    assert {get(edge).backend for _ in range(20)} == {"one", "other"}


def test_the_only_backend_is_tried_by_the_first_request_after_its_time(
    edge: Edge, backend: MakeBackend
) -> None:
    """Permits are there before requests are: none of them is refused for finding out."""
    only = backend("only", script=fail)
    policy = msgspec.structs.replace(SHORT, max_open_time=0.5)
    serve(edge, only, policy=policy, retry=RetryPolicy(attempts=1))
    request_until(edge, "the circuit opens", lambda: state_of(edge, only) is OPEN)
    only.script = only.echo
    wait_until("both workers may try it", lambda: len(circuit_of(edge, only).permits) == 4)
    assert {get(edge).status for _ in range(10)} == {200}
