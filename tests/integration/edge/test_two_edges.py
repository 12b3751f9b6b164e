"""Two edges of two workers on one Redis: each algorithm, and changes in the middle of traffic."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from pool import bus
from pool.bus import FailoverState, FloorChange, HealthStatus
from pool.choices import AdminState, CircuitMode, HealthState, StickyMode, TierMode, algorithm_names
from pool.snapshot import (
    BackendSpec,
    BalancingPolicy,
    CircuitPolicy,
    PoolSpec,
    RouteSpec,
    StickyPolicy,
    TierPolicy,
    build,
)
from tests.integration.edge.harness.backend import Backend, Call, ids
from tests.integration.edge.harness.client import Response
from tests.integration.edge.harness.constant_load import ConstantLoad
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

ILL, WELL = HealthState.UNHEALTHY, HealthState.HEALTHY
WORKERS = 2
SECRET = {"LB_SECRET_KEY": "the same for every edge of the installation"}
BY_PATH = BalancingPolicy(hash_key="path")
UNWATCHED = CircuitPolicy(mode=CircuitMode.OFF)


@pytest.fixture(scope="module")
def edges(start_lasting_edge: StartEdge) -> list[Edge]:
    first = start_lasting_edge("--workers", str(WORKERS), **SECRET)
    return [first, start_lasting_edge("--workers", str(WORKERS), beside=first, **SECRET)]


@pytest.fixture
def fleet(edges: list[Edge]) -> Iterator["Fleet"]:
    fleet = Fleet(edges)
    fleet.set_floor(0)
    yield fleet
    fleet.redis.delete(bus.HEALTH_KEY)


class Fleet:
    def __init__(self, edges: list[Edge]) -> None:
        self.edges = edges
        self.redis = edges[0].redis
        self._paths = count()

    def serve(self, *specs: BackendSpec, **policies: Any) -> None:
        pool = PoolSpec(id=1, name="shop", backends=specs, **policies)
        number = self.edges[0].number + 1
        self.edges[0].announce(build(number, (pool,), (RouteSpec(id=1, pool_id=1),)))
        for edge in self.edges:
            edge.number = number
            edge.wait_for(number, WORKERS)

    def say(self, state: HealthState, *specs: BackendSpec) -> None:
        for spec in specs:
            self.edges[0].say_health(spec, state)

    def set_floor(self, floor: int) -> None:
        self.redis.hset(bus.FAILOVER_KEY, "1", msgspec.json.encode(FailoverState(floor=floor)))
        change = FloorChange(pool_id=1, floor=floor)
        self.redis.publish(bus.FAILOVER_CHANNEL, msgspec.json.encode(change))

    def ask(self, requests: int = 24, **fields: str) -> list[Response]:
        """Each worker of each edge for its part of them."""
        answers: list[Response] = []
        for edge in self.edges:
            with edge.client_of_each_worker() as clients:
                share = requests // (len(self.edges) * len(clients))
                for client in clients:
                    answers += [client.get(f"/{next(self._paths)}", **fields) for _ in range(share)]
        return answers

    def served_by(self, requests: int = 24, **fields: str) -> set[str]:
        return {one.backend or str(one.status) for one in self.ask(requests, **fields)}

    def share(self, name: str, requests: int = 400) -> float:
        answers = self.ask(requests)
        return sum(one.backend == name for one in answers) / len(answers)


@pytest.mark.parametrize("algorithm", algorithm_names())
def test_all_workers_go_around_one_that_is_ill_and_take_it_back(
    fleet: Fleet, backend: MakeBackend, algorithm: str
) -> None:
    specs = [backend(name).spec() for name in "abc"]
    fleet.serve(*specs, algorithm=algorithm, balancing=BY_PATH)
    wait_until("a serves", lambda: "a" in fleet.served_by())
    fleet.say(ILL, specs[0])
    wait_until("a is left alone", lambda: "a" not in fleet.served_by(48))
    fleet.say(WELL, specs[0])
    wait_until("a is back", lambda: "a" in fleet.served_by())
    assert {one.status for one in fleet.ask(48)} == {200}


@pytest.mark.parametrize("algorithm", algorithm_names())
def test_all_backends_go_at_once_and_come_back(
    fleet: Fleet, backend: MakeBackend, algorithm: str
) -> None:
    backends = [backend(name) for name in "abc"]
    specs = [one.spec() for one in backends]
    fleet.serve(*specs, algorithm=algorithm, balancing=BY_PATH, circuit=UNWATCHED)
    for one in backends:
        one.stop()
    assert {one.status for one in fleet.ask()} <= {502, 503}
    fleet.say(ILL, *specs)
    wait_until("all are told so", lambda: {one.status for one in fleet.ask()} == {503})
    for one in backends:
        one.start()
    assert {one.status for one in fleet.ask()} == {200}, "in panic, before any probe has spoken"
    fleet.say(WELL, *specs)
    assert {one.status for one in fleet.ask()} == {200}


@pytest.mark.parametrize("algorithm", algorithm_names())
def test_a_thousand_backends_serve(fleet: Fleet, backend: MakeBackend, algorithm: str) -> None:
    urls = [backend(name).url for name in "ab"]
    specs = [
        BackendSpec(id=next(ids), name=f"b{number}", url=urls[number % 2], weight=1 + number % 3)
        for number in range(1000)
    ]
    fleet.serve(*specs, algorithm=algorithm, balancing=BY_PATH)
    assert {one.status for one in fleet.ask(80)} == {200}
    fleet.say(ILL, *specs[:500])
    assert {one.status for one in fleet.ask(80)} == {200}


Specs = tuple[BackendSpec, ...]


def configurations(a: Backend, b: Backend, c: Backend) -> Iterator[tuple[Specs, dict[str, Any]]]:
    """Backends and policies that serve, each in another way."""
    three = (a.spec(), b.spec(), c.spec())
    for algorithm in algorithm_names():
        yield three, {"algorithm": algorithm, "balancing": BY_PATH}
    for key in ("client_ip", "header:Host", "cookie:none", "query:none"):
        yield three, {"algorithm": "maglev", "balancing": BalancingPolicy(hash_key=key)}
    for tier_mode in TierMode:
        tiers = TierPolicy(mode=tier_mode)
        yield (a.spec(tier=1), b.spec(), c.spec(tier=2)), {"tiers": tiers}
        yield (a.spec(), b.spec(tier=3), c.spec(backup_of=a.id)), {"tiers": tiers}
    yield (a.spec(weight=0), b.spec(weight=1000), c.spec()), {}
    yield (a.spec(admin_state=AdminState.MAINTENANCE), c.spec(backup_of=a.id)), {}
    yield (b.spec(), a.spec(admin_state=AdminState.DRAINING)), {}
    for sticky_mode in StickyMode:
        yield three, {"sticky": StickyPolicy(mode=sticky_mode, name="X-Session")}


def test_no_request_is_lost_while_policies_change_under_load(
    fleet: Fleet, backend: MakeBackend
) -> None:
    changes = list(configurations(*(backend(name) for name in "abc")))
    fleet.serve(*changes[0][0])
    with ConstantLoad(fleet.edges[0].port, 300) as load:
        for specs, policies in (*changes, *reversed(changes)) * 3:
            fleet.serve(*specs, **policies)
    assert load.seen.failures == []
    assert load.seen.answered == load.seen.sent
    assert load.seen.sent["post"] > 0


def test_a_weight_of_1000_beside_1_takes_nearly_all_and_0_nothing(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b, c = (backend(name) for name in "abc")
    for algorithm in ("weighted_round_robin", "random", "least_connections"):
        fleet.serve(a.spec(weight=1000), b.spec(), c.spec(weight=0), algorithm=algorithm)
        assert fleet.share("a", 200) > 0.95
        assert "c" not in fleet.served_by(100)


def test_a_new_snapshot_in_the_middle_of_a_slow_start_does_not_end_it(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    slow = BalancingPolicy(slow_start=3600.0)
    fleet.serve(a.spec(), b.spec(), balancing=slow)
    fleet.say(ILL, a.spec())
    wait_until("a is out", lambda: fleet.served_by() == {"b"})
    fleet.say(WELL, a.spec())
    wait_until("a is back", lambda: "a" in fleet.served_by(80))
    fleet.serve(a.spec(), b.spec(max_connections=50), balancing=slow)
    assert 0 < fleet.share("a") < 0.2


def test_an_edge_that_has_missed_an_announcement_agrees_with_the_others_soon(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b = (backend(name).spec() for name in "ab")
    fleet.serve(a, b)
    wait_until("both serve", lambda: fleet.served_by() == {"a", "b"})
    ill = msgspec.json.encode(HealthStatus(state=ILL, since=1.0))
    fleet.redis.hset(bus.HEALTH_KEY, str(a.id), ill)  # and nobody is told
    wait_until("all have read it again", lambda: fleet.served_by(48) == {"b"})


def test_a_client_that_failed_over_with_its_tier_stays_with_the_backup(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, backup = backend("a").spec(), backend("backup").spec(tier=1)
    fleet.serve(a, backup, sticky=StickyPolicy(mode=StickyMode.COOKIE))
    cookie = fleet.ask(4)[0].headers["set-cookie"].partition(";")[0]
    assert fleet.served_by(cookie=cookie) == {"a"}
    fleet.say(ILL, a)
    wait_until("the backup serves", lambda: fleet.served_by(cookie=cookie) == {"backup"})
    moved = fleet.ask(4, cookie=cookie)[0].headers["set-cookie"].partition(";")[0]
    fleet.say(WELL, a)
    wait_until("new clients are back", lambda: fleet.served_by() == {"a"})
    assert fleet.served_by(cookie=moved) == {"backup"}, "where its session is by now"
    fleet.say(ILL, backup)
    wait_until("it returns", lambda: fleet.served_by(cookie=moved) == {"a"})


def test_a_failover_by_hand_leaves_sticky_clients_where_they_are_until_maintenance(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, backup = backend("a"), backend("backup")
    sticky = StickyPolicy(mode=StickyMode.COOKIE)
    fleet.serve(a.spec(), backup.spec(tier=1), sticky=sticky)
    cookie = fleet.ask(4)[0].headers["set-cookie"].partition(";")[0]
    fleet.set_floor(1)
    wait_until("new clients have moved", lambda: fleet.served_by() == {"backup"})
    assert fleet.served_by(cookie=cookie) == {"a"}
    fleet.serve(a.spec(admin_state=AdminState.MAINTENANCE), backup.spec(tier=1), sticky=sticky)
    assert fleet.served_by(cookie=cookie) == {"backup"}


def test_in_panic_an_open_circuit_still_keeps_requests_away(
    fleet: Fleet, backend: MakeBackend
) -> None:
    def broken(call: Call) -> None:
        call.answer(b"", status="500 Oops", fields="X-Backend: broken\r\n")

    bad, a, b = backend("broken", broken), backend("a"), backend("b")
    specs = [bad.spec(), a.spec(), b.spec()]
    circuit = CircuitPolicy(threshold=3, open_time=300.0)
    fleet.serve(*specs, circuit=circuit, tiers=TierPolicy(panic_threshold=30))
    wait_until("its circuit is open everywhere", lambda: "broken" not in fleet.served_by(96))
    fleet.say(ILL, specs[1])
    wait_until("b is left alone with it", lambda: fleet.served_by(48) == {"b"})
    fleet.say(ILL, specs[2])
    wait_until("the ill are used again", lambda: fleet.served_by(48) == {"a", "b"})
    assert "broken" not in fleet.served_by(96)
