"""Tiers, panic, stand-ins, slow start, and failover and failback, with backends that die."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from pool import bus
from pool import models as rows
from pool.bus import FailoverState, FloorChange, HealthStatus
from pool.choices import AdminState, Failback, HealthState, TierMode
from pool.connection import redis_client
from pool.health.prober import Prober
from pool.snapshot import BackendSpec, BalancingPolicy, CircuitPolicy, HealthPolicy, TierPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

ILL, WELL = HealthState.UNHEALTHY, HealthState.HEALTHY
SPILL_OVER = TierPolicy(mode=TierMode.SPILL_OVER)
WORKERS = 2


@pytest.fixture(scope="module")
def edges(start_lasting_edge: StartEdge) -> list[Edge]:
    """Two machines with two workers each, which share a Redis."""
    first = start_lasting_edge("--workers", str(WORKERS))
    return [first, start_lasting_edge("--workers", str(WORKERS), beside=first)]


@pytest.fixture
def fleet(edges: list[Edge]) -> "Fleet":
    fleet = Fleet(edges)
    fleet.set_floor(0)
    return fleet


class Fleet:
    """All edges at once."""

    def __init__(self, edges: list[Edge]) -> None:
        self.edges = edges
        self.redis = edges[0].redis

    def serve(self, *specs: BackendSpec, **policies: object) -> None:
        first, *others = self.edges
        first.number = max(edge.number for edge in self.edges)
        first.serve(*specs, workers=WORKERS, **policies)
        for edge in others:
            edge.number = first.number
            edge.wait_for(edge.number, WORKERS)

    def say(self, state: HealthState, *specs: BackendSpec) -> None:
        for spec in specs:
            self.edges[0].say_health(spec, state)

    def set_floor(self, floor: int) -> None:
        self.redis.hset(bus.FAILOVER_KEY, "1", msgspec.json.encode(FailoverState(floor=floor)))
        change = FloorChange(pool_id=1, floor=floor)
        self.redis.publish(bus.FAILOVER_CHANNEL, msgspec.json.encode(change))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Redis is away, and comes back with all that it knew."""
        self.edges[0].redis_server.kill()
        try:
            yield
        finally:
            self.edges[0].redis_server.start()

    def answers(self, count: int = 40) -> Counter[str]:
        """Who answers when each worker of an edge has its part of `count` requests."""
        found: Counter[str] = Counter()
        for edge in self.edges:
            with edge.client_of_each_worker() as clients:
                share = count // len(clients)
                answers = [client.get() for client in clients for _ in range(share)]
            found.update(answer.backend or str(answer.status) for answer in answers)
        return found

    def wait_for(self, *names: str) -> None:
        """Until just these answer, whichever worker is asked."""
        wait_until(f"{names} serve", lambda: set(self.answers()) == set(names))


def share(answers: Counter[str], name: str) -> float:
    return answers[name] / answers.total()


# --- who serves ---


def test_strict_backups_serve_when_no_primary_is_left_and_only_then(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b, backup = (backend(name) for name in ("a", "b", "backup"))
    fleet.serve(a.spec(), b.spec(), backup.spec(tier=1))
    fleet.wait_for("a", "b")
    fleet.say(ILL, a.spec())
    fleet.wait_for("b")
    fleet.say(ILL, b.spec())
    fleet.wait_for("backup")
    fleet.say(WELL, a.spec(), b.spec())
    fleet.wait_for("a", "b")


def test_before_any_probe_has_seen_it_a_dead_tier_costs_no_request(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b, backup = (backend(name) for name in ("a", "b", "backup"))
    fleet.serve(a.spec(), b.spec(), backup.spec(tier=1))
    a.stop()
    b.stop()
    assert set(fleet.answers()) == {"backup"}


def test_spill_over_shifts_what_the_primaries_lack(fleet: Fleet, backend: MakeBackend) -> None:
    primaries = [backend(name).spec() for name in ("a", "b")]
    backup = backend("backup").spec(tier=1)
    fleet.serve(*primaries, backup, tiers=SPILL_OVER)
    fleet.wait_for("a", "b")
    fleet.say(ILL, primaries[0])
    fleet.wait_for("b", "backup")
    answers = fleet.answers(1200)
    assert set(answers) == {"b", "backup"}
    assert share(answers, "backup") == pytest.approx(0.3, abs=0.06)
    fleet.say(WELL, primaries[0])
    fleet.wait_for("a", "b")


def test_a_stand_in_takes_exactly_the_share_of_its_backend(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b, spare = (backend(name) for name in ("a", "b", "spare"))
    specs = [a.spec(weight=3), b.spec(), spare.spec(backup_of=a.id, tier=4)]
    fleet.serve(*specs)
    fleet.wait_for("a", "b")
    fleet.say(ILL, a.spec())
    fleet.wait_for("spare", "b")
    assert share(fleet.answers(160), "spare") == pytest.approx(0.75, abs=0.05)
    fleet.say(WELL, a.spec())
    fleet.wait_for("a", "b")
    fleet.serve(a.spec(weight=3, admin_state=AdminState.DRAINING), *specs[1:])
    fleet.wait_for("spare", "b")


# --- panic ---


def test_in_panic_the_ill_are_asked_too_and_requests_find_those_that_are_not(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b, c = (backend(name) for name in "abc")
    fleet.serve(a.spec(), b.spec(), c.spec())
    fleet.say(ILL, a.spec())
    fleet.wait_for("b", "c")
    fleet.say(ILL, b.spec())
    fleet.wait_for("a", "b", "c")
    a.stop()
    b.stop()
    assert set(fleet.answers()) == {"c"}


def test_with_all_dead_clients_are_told_when_to_come_again(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, backup = backend("a"), backend("backup")
    fleet.serve(a.spec(), backup.spec(tier=1))
    fleet.say(ILL, a.spec(), backup.spec())
    a.stop()
    backup.stop()
    fleet.wait_for("503")
    with Client(fleet.edges[0].port) as client:
        assert int(client.get().headers["retry-after"]) > 0
        a.start()  # nobody has probed it yet, and it is found nevertheless
        assert client.get().backend == "a"


# --- slow start ---


def test_a_backend_that_has_become_healthy_starts_with_little(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    slow = BalancingPolicy(slow_start=3600.0)
    fleet.serve(a.spec(), b.spec(), balancing=slow)
    assert share(fleet.answers(80), "a") == pytest.approx(0.5, abs=0.1)  # not at the start
    fleet.say(ILL, a.spec())
    fleet.wait_for("b")
    fleet.say(WELL, a.spec())
    wait_until("a is back", lambda: fleet.answers()["a"])
    assert share(fleet.answers(400), "a") == pytest.approx(1 / 11, abs=0.05)


def test_it_grows_to_its_whole_share(fleet: Fleet, backend: MakeBackend) -> None:
    a, b = backend("a"), backend("b")
    fleet.serve(a.spec(), b.spec(), balancing=BalancingPolicy(slow_start=2.0))
    fleet.say(ILL, a.spec())
    fleet.wait_for("b")
    fleet.say(WELL, a.spec())
    wait_until("it has grown", lambda: share(fleet.answers(160), "a") > 0.45)


# --- the floor ---


def test_below_the_floor_nobody_serves_while_anybody_above_can(
    fleet: Fleet, backend: MakeBackend
) -> None:
    a, backup = backend("a"), backend("backup")
    fleet.serve(a.spec(), backup.spec(tier=1))
    fleet.wait_for("a")
    fleet.set_floor(1)
    fleet.wait_for("backup")
    fleet.say(ILL, backup.spec())
    fleet.wait_for("a")
    fleet.say(WELL, backup.spec())
    fleet.set_floor(0)
    fleet.wait_for("a")


def test_a_worker_that_starts_knows_the_floor(start_edge: StartEdge, backend: MakeBackend) -> None:
    fleet = Fleet([start_edge()])
    (edge,) = fleet.edges
    edge.serve(backend("a").spec(), backend("backup").spec(tier=1))
    fleet.set_floor(1)
    fleet.wait_for("backup")
    edge.stop()
    edge.start()
    edge.wait_for(edge.number)
    assert set(fleet.answers()) == {"backup"}


# --- with the control plane ---


@pytest.fixture
def control_plane(fleet: Fleet, db: None, settings: object) -> Iterator["ControlPlane"]:
    settings.LB_REDIS_URL = fleet.edges[0].redis_server.url  # type: ignore[attr-defined]
    redis_client.cache_clear()
    plane = ControlPlane(fleet)
    yield plane
    plane.prober.close()
    redis_client.cache_clear()


class ControlPlane:
    """The prober that Celery runs, ticked while the test waits, and the database."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.prober = Prober(fleet.redis, 8)
        fleet.redis.delete(bus.FAILOVER_KEY, bus.FAILOVER_MOVES)

    def serve(
        self, *specs: BackendSpec, circuit: CircuitPolicy | None = None, **policy: object
    ) -> rows.Pool:
        pool = rows.Pool.objects.create(
            pk=1,
            name="shop",
            **{name: getattr(value, "value", value) for name, value in policy.items()},
        )
        for spec in specs:
            rows.Backend.objects.create(
                pk=spec.id, pool=pool, name=spec.name, url=spec.url, tier=spec.tier
            )
        health = HealthPolicy(
            interval=1.0, timeout=1.0, fast_interval=0.2, down_interval=0.2, rise=1, fall=2
        )
        circuit = circuit or pool.compile().circuit
        self.fleet.serve(*specs, tiers=pool.compile().tiers, health=health, circuit=circuit)
        self.until("a state", lambda: self.fleet.redis.hlen(bus.FAILOVER_KEY))
        return pool

    def until(self, what: str, met: Callable[[], object]) -> None:
        def tick() -> object:
            self.prober.tick()
            return met()

        wait_until(what, tick, patience=30)

    def until_probes_say(self, state: HealthState, backend: Backend) -> None:
        def said() -> bool:
            raw = self.fleet.redis.hget(bus.HEALTH_KEY, str(backend.id))
            return raw is not None and msgspec.json.decode(raw, type=HealthStatus).state is state

        self.until(f"{backend.name} is {state}", said)

    def until_they_serve(self, *names: str) -> None:
        self.until(f"{names} serve", lambda: set(self.fleet.answers()) == set(names))

    def until_told(self, *moves: tuple[str, list[int], list[int]]) -> None:
        """Until the timeline tells just these moves of traffic."""
        self.until(f"{moves} are told", lambda: len(self.told()) >= len(moves))
        assert self.told() == list(moves)

    def told(self) -> list[tuple[str, list[int], list[int]]]:
        events = rows.Event.objects.filter(kind__in=["failover", "failback"]).order_by("at")
        return [(event.kind, event.data["from"], event.data["to"]) for event in events]


OVER, BACK = ("failover", [0], [1]), ("failback", [1], [0])


def test_traffic_goes_with_the_primaries_and_returns_with_them(
    control_plane: ControlPlane, backend: MakeBackend
) -> None:
    a, b, backup = (backend(name) for name in ("a", "b", "backup"))
    control_plane.serve(a.spec(), b.spec(), backup.spec(tier=1))
    control_plane.until_they_serve("a", "b")
    a.stop()
    b.stop()
    control_plane.until_told(OVER)
    control_plane.until_they_serve("backup")
    a.start()
    control_plane.until_they_serve("a")
    control_plane.until_told(OVER, BACK)


def test_with_manual_failback_traffic_waits_for_an_operator_on_every_edge(
    control_plane: ControlPlane, backend: MakeBackend
) -> None:
    a, backup = backend("a"), backend("backup")
    pool = control_plane.serve(a.spec(), backup.spec(tier=1), failback=Failback.MANUAL)
    a.stop()
    control_plane.until_told(OVER)
    control_plane.until_they_serve("backup")
    a.start()
    control_plane.until_probes_say(WELL, a)
    assert set(control_plane.fleet.answers()) == {"backup"}
    pool.fail_back(by="olga")
    control_plane.until_they_serve("a")
    control_plane.until_told(OVER, BACK)
    assert rows.Event.objects.get(kind="failback").actor == "olga"


def test_traffic_moved_by_hand_moves_on_every_edge_and_stays(
    control_plane: ControlPlane, backend: MakeBackend
) -> None:
    a, backup = backend("a"), backend("backup")
    pool = control_plane.serve(a.spec(), backup.spec(tier=1))
    pool.fail_over(1)
    control_plane.until_they_serve("backup")
    backup.stop()
    control_plane.until_they_serve("a")  # better than nobody
    control_plane.until_probes_say(ILL, backup)
    backup.start()
    control_plane.until_they_serve("backup")
    pool.fail_back()
    control_plane.until_they_serve("a")


def test_failback_waits_for_its_delay(control_plane: ControlPlane, backend: MakeBackend) -> None:
    a, backup = backend("a"), backend("backup")
    control_plane.serve(a.spec(), backup.spec(tier=1), failback_delay=2.0)
    a.stop()
    control_plane.until_told(OVER)
    a.start()
    control_plane.until_told(OVER, BACK)
    back = rows.Event.objects.get(kind="failback")
    well = rows.Event.objects.filter(kind="health_changed", backend_id=a.id).latest("at")
    assert (back.at - well.at).total_seconds() >= 2.0
    control_plane.until_they_serve("a")


def test_failovers_that_were_over_before_redis_was_back_are_told_with_their_times(
    control_plane: ControlPlane, backend: MakeBackend
) -> None:
    def fail(call: Call) -> None:
        call.answer(b"no", status="500 Internal Server Error")

    a, backup, fleet = backend("a"), backend("backup"), control_plane.fleet
    circuit = CircuitPolicy(threshold=3, open_time=0.5, max_open_time=0.5, successes=1)
    control_plane.serve(a.spec(), backup.spec(tier=1), circuit=circuit)
    control_plane.until_they_serve("a")
    with fleet.alone():
        a.script = fail
        fleet.wait_for("backup")
        a.script = a.echo
        fleet.wait_for("a")
        over_at = datetime.now(UTC)
    control_plane.until("they are told", lambda: BACK in control_plane.told())
    told = control_plane.told()
    assert told[::2] == [OVER] * (len(told) // 2)  # another one for each trial that failed
    assert told[1::2] == [BACK] * (len(told) // 2)
    moves = rows.Event.objects.filter(kind__in=["failover", "failback"])
    assert all(move.at < over_at and "without Redis" in move.message for move in moves)
    assert set(fleet.answers()) == {"a"}
