"""Which backend a request goes to, seen from outside."""

import threading
import time
from collections.abc import Callable

import pytest

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.snapshot import PoolSpec, RouteSpec
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, request_bytes
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]


def answers(edge: Edge, count: int) -> str:
    """Who answers so many requests in a row, by name."""
    with Client(edge.port) as client:
        return "".join(client.get().backend for _ in range(count))


def test_round_robin_takes_each_in_turn(edge: Edge, backend: MakeBackend) -> None:
    edge.serve(*(backend(name).spec() for name in "abc"), algorithm="round_robin")
    assert answers(edge, 9) in ("abc" * 3, "bca" * 3, "cab" * 3)


def test_weights_5_1_1_are_interleaved_smoothly(edge: Edge, backend: MakeBackend) -> None:
    weights = {"a": 5, "b": 1, "c": 1}
    edge.serve(*(backend(name).spec(weight=weight) for name, weight in weights.items()))
    assert answers(edge, 14) in "aabacaa" * 4


def test_every_client_is_balanced_not_only_every_connection(
    edge: Edge, backend: MakeBackend
) -> None:
    edge.serve(*(backend(name).spec() for name in "abc"), algorithm="round_robin")
    assert sorted(answers(edge, 1) for _ in range(9)) == list("aaabbbccc")


def test_a_snapshot_holds_from_the_next_request_of_an_open_connection(
    edge: Edge, backend: MakeBackend
) -> None:
    old, new = backend("old"), backend("new")
    edge.serve(old.spec())
    with Client(edge.port) as client:
        assert client.get().backend == "old"
        edge.serve(new.spec())
        assert client.get().backend == "new"


def test_a_request_on_a_removed_backend_is_finished(edge: Edge, backend: MakeBackend) -> None:
    go_on = threading.Event()

    def slow(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Backend: old\r\n\r\nhalf")
        go_on.wait(20)
        call.send(b"half")

    old, new = backend("old", slow), backend("new")
    edge.serve(old.spec())
    with Client(edge.port) as client:
        client.send(request_bytes("GET"))
        assert client.head()[0] == 200
        edge.serve(new.spec())
        with Client(edge.port) as other:
            assert other.get().backend == "new"
        go_on.set()
        assert client.stream.read(8) == b"halfhalf"
        assert client.get().backend == "new"


@pytest.mark.parametrize("state", [AdminState.DRAINING, AdminState.MAINTENANCE])
def test_a_backend_out_of_service_gets_nothing_new(
    edge: Edge, backend: MakeBackend, state: AdminState
) -> None:
    a, b = backend("a"), backend("b")
    edge.serve(a.spec(admin_state=state), b.spec())
    assert answers(edge, 6) == "bbbbbb"
    edge.serve(a.spec(), b.spec())
    assert sorted(answers(edge, 6)) == list("aaabbb")


def test_a_health_announcement_takes_a_backend_out_and_back_at_once(
    edge: Edge, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    edge.serve(a.spec(), b.spec())

    def told(state: HealthState) -> str:
        """Who answers then. It is not kept: the edge cannot have read it in its own time."""
        edge.announce_health(a.spec(), HealthStatus(state=state, since=time.time()))
        return answers(edge, 8)

    wait_until("it is out", lambda: told(HealthState.UNHEALTHY) == "b" * 8)
    edge.say_health(a.spec(), HealthState.UNHEALTHY)
    wait_until("it is back", lambda: set(told(HealthState.HEALTHY)) == {"a", "b"})


def test_health_outlasts_a_new_snapshot(edge: Edge, backend: MakeBackend) -> None:
    a, b = backend("a"), backend("b")
    edge.serve(a.spec(), b.spec())
    edge.say_health(a.spec(), HealthState.UNHEALTHY)
    wait_until("it is out", lambda: answers(edge, 8) == "b" * 8)
    edge.serve(a.spec(weight=3), b.spec())
    assert answers(edge, 8) == "b" * 8


def test_a_backup_tier_serves_only_when_the_primary_cannot(
    edge: Edge, backend: MakeBackend
) -> None:
    primary, backup = backend("p"), backend("b")
    edge.serve(primary.spec(), backup.spec(tier=1))
    assert answers(edge, 4) == "pppp"
    edge.say_health(primary.spec(), HealthState.UNHEALTHY)
    wait_until("the backup serves", lambda: answers(edge, 4) == "bbbb")


def test_host_and_path_choose_the_pool(edge: Edge, backend: MakeBackend) -> None:
    shop, api = backend("shop"), backend("api")
    edge.publish(
        (
            PoolSpec(id=1, name="shop", backends=(shop.spec(),)),
            PoolSpec(id=2, name="api", backends=(api.spec(),)),
        ),
        (
            RouteSpec(id=1, pool_id=1, host="*.test"),
            RouteSpec(id=2, pool_id=2, path_prefix="/api", strip_prefix=True, priority=1),
        ),
    )
    with Client(edge.port) as client:
        assert client.get("/x").backend == "shop"
        answer = client.get("/api/users?page=2")
        assert (answer.backend, answer.json()["target"]) == ("api", "/users?page=2")
        assert client.get("/apix").backend == "shop"
