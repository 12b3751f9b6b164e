"""A configuration is taken up in steps, and whatever comes between two of them sees it whole."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pool.bus import Happening, HealthStatus
from pool.choices import CircuitMode, CircuitState, HealthState
from pool.circuits.records import Circuit, CircuitChange
from pool.outliers.records import Ejections
from pool.snapshot import (
    BackendSpec,
    CircuitPolicy,
    LimitPolicy,
    OutlierPolicy,
    PoolSpec,
    RateLimitPolicy,
    RouteSpec,
    Snapshot,
    TlsPolicy,
    build,
)
from proxy.core.backend import Backend
from proxy.core.balancing import UnknownAlgorithm
from proxy.core.exchange import Exchange
from proxy.core.pool import Pool
from proxy.engine.connections import ConnectionPool
from proxy.engine.counters import Counters
from proxy.engine.edge import Edge
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings
from proxy.engine.upstream import UpstreamConnection
from tests.proxy.engine.stage import Transport

COUNT = 60  # backends of a pool: more than are dealt with in one step
LEAVES, MOVES, STAYS, COMES = 1, 2, 3, COUNT + 1
DOWN = HealthStatus(state=HealthState.UNHEALTHY, since=1.0)
UP = HealthStatus(state=HealthState.UNKNOWN, since=2.0)
OPEN = Circuit(state=CircuitState.OPEN, generation=1, since=1.0, until=1e12, wait=1e12)
OUTLIERS = OutlierPolicy(enabled=True, consecutive_5xx=2, max_ejected=50)


def backend_spec(number: int, host: str = "old", **fields: Any) -> BackendSpec:
    name = f"b{number}"
    return BackendSpec(**{"id": number, "name": name, "url": f"http://{host}:{number}", **fields})


def snapshot(number: int, first: list[BackendSpec], second: list[BackendSpec]) -> Snapshot:
    """Two pools, and what goes with a backend's pool is different in each snapshot."""
    pools = tuple(
        PoolSpec(
            id=pool_id,
            name=f"p{pool_id}",
            backends=tuple(backends),
            outlier=OUTLIERS,
            limits=LimitPolicy(max_in_flight=100 + number),
            tls=TlsPolicy(server_name=f"n{number}"),
        )
        for pool_id, backends in ((1, first), (2, second))
    )
    limit = RateLimitPolicy(requests=1000 * number)
    routes = tuple(
        RouteSpec(id=one, pool_id=one, host=f"p{one}", rate_limit=limit) for one in (1, 2)
    )
    return build(number, pools, tuple(routes))


OLD = snapshot(
    1,
    [backend_spec(number) for number in range(1, COUNT + 1)],
    [backend_spec(number) for number in range(500, 505)],
)
NEW = snapshot(
    2,
    [
        backend_spec(MOVES, "new"),
        *(backend_spec(number, weight=2) for number in range(STAYS, COUNT + 1)),
        backend_spec(COMES),
    ],
    [backend_spec(500), backend_spec(501, "new"), backend_spec(600)],
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def make_edge(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Callable[[], Edge]:
    """An edge that runs OLD."""

    def make() -> Edge:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        live = LiveBoard(folder / "worker.live")
        edge = Edge(loop, Counters(folder / "worker.board"), EdgeSettings(), live)
        edge.apply(OLD)
        return edge

    return make


@pytest.fixture
def edge(make_edge: Callable[[], Edge]) -> Edge:
    return make_edge()


def pool_of(edge: Edge, number: int = 1) -> Pool:
    """As a request finds it."""
    route = edge.configuration.route(b"p%d" % number, b"/")
    assert route is not None
    return route.pool


def chosen(edge: Edge, number: int = 1) -> set[int]:
    pool = pool_of(edge, number)
    return {backend.id for _ in range(2 * COUNT + 10) if (backend := pool.choose()) is not None}


def ids_in(snapshot: Snapshot, number: int = 1) -> set[int]:
    return {spec.id for spec in snapshot.pools[number - 1].backends}


def open_circuit(edge: Edge, number: int) -> None:
    edge.circuits.hear(msgspec.json.encode(CircuitChange(backend_id=number, circuit=OPEN)))


def check_whole(edge: Edge, pools: Sequence[int] = (1, 2)) -> int:
    """That requests to these go by one snapshot in all respects; its number."""
    running = edge.configuration.snapshot
    for number in pools:
        pool, (spec,) = pool_of(edge, number), [s for s in running.pools if s.id == number]
        assert pool.spec == spec
        assert chosen(edge, number) == ids_in(running, number)
        for backend in pool.backends.values():
            assert backend.spec in spec.backends
            assert backend.weight == backend.spec.weight
            assert backend.breaker is not None
            assert edge.connections[backend].tls == spec.tls
        assert pool.queue in edge.waiting
        route = edge.configuration.routes[number - 1]
        assert route.limit is not None
        assert route.limit.policy == route.spec.rate_limit
    return running.number


@pytest.mark.parametrize("pools", [(1, 2), (2, 1), (1,), (2,)])
def test_between_any_two_steps_requests_go_by_one_of_the_two(
    edge: Edge, pools: Sequence[int]
) -> None:
    running = [check_whole(edge, pools)]
    running += [check_whole(edge, pools) for _ in edge.steps(NEW)]
    running += [check_whole(edge)]
    assert running == sorted(running)
    assert running[0] == 1
    assert running[-1] == 2
    assert len(running) > 10


def test_no_step_is_longer_for_there_being_more_pools(edge: Edge) -> None:
    """They go over one by one, after the step with which requests do."""
    pools = tuple(
        PoolSpec(id=number, name=f"p{number}", backends=(backend_spec(number),))
        for number in range(1, 40)
    )
    routes = tuple(RouteSpec(id=one.id, pool_id=one.id, host=one.name) for one in pools)
    edge.apply(build(3, pools, routes))
    heavier = tuple(
        msgspec.structs.replace(pool, backends=(backend_spec(pool.id, weight=2),)) for pool in pools
    )
    ready = [
        sum(pool.pending is None for pool in edge.configuration.pools.values())
        for _ in edge.steps(build(4, heavier, routes))
        if edge.configuration.snapshot.number == 4
    ]
    assert max(after - before for before, after in pairwise([0, *ready])) == 1
    assert ready[-1] == len(pools)


def test_a_request_takes_its_pool_over_and_no_other(edge: Edge) -> None:
    for _ in edge.steps(NEW):
        if edge.configuration.snapshot.number == 2:
            break
    first, second = edge.configuration.pools.values()
    assert first.pending
    assert check_whole(edge, [2]) == 2
    assert not second.pending
    assert first.pending


def test_a_request_by_the_old_configuration_is_tried_on_whoever_serves_in_the_new_one(
    edge: Edge,
) -> None:
    old = pool_of(edge)
    for _ in edge.steps(NEW):
        known = ids_in(NEW) if edge.configuration.pools[1].pending is None else ids_in(OLD)
        if edge.configuration.snapshot.number == 2:
            picked = {backend.id for _ in range(2 * COUNT + 10) if (backend := old.choose())}
            assert picked == known


def test_what_it_replaces_is_let_go_of_though_somebody_still_has_its_configuration(
    edge: Edge,
) -> None:
    """As clients have that are connected and ask for nothing."""

    class Dice:
        def __call__(self) -> float:
            return 0.5

    old = edge.configuration
    pool_of(edge).chance = Dice()  # which nobody else has
    of_pool = weakref.ref(pool_of(edge).chance)
    edge.apply(NEW)
    gc.collect()
    assert of_pool() is None
    assert old.snapshot.number == 1


def test_a_snapshot_with_an_unknown_algorithm_changes_nothing(edge: Edge) -> None:
    first, second = NEW.pools
    unfit = msgspec.structs.replace(second, algorithm="astrology")
    with pytest.raises(UnknownAlgorithm):
        next(edge.steps(build(2, (first, unfit), NEW.routes)))
    assert check_whole(edge) == 1


def test_it_may_be_given_up_before_requests_have_gone_over(
    edge: Edge, make_edge: Callable[[], Edge]
) -> None:
    """Then the old one runs on as if nothing had been, and another one can be taken up."""
    for steps in range(1, _steps_until_over(make_edge())):
        changeover = edge.steps(NEW)
        for _ in range(steps):
            next(changeover)
        changeover.close()
        assert check_whole(edge) == 1
    edge.apply(NEW)
    assert check_whole(edge) == 2


def _steps_until_over(edge: Edge) -> int:
    return sum(1 for _ in edge.steps(NEW) if edge.configuration.snapshot.number == 1) + 1


def _at_each_step(make_edge: Callable[[], Edge], event: Callable[[Edge], Any]) -> Iterator[Edge]:
    """An edge for each step, in which `event` has happened after it."""
    for at in range(1 + sum(1 for _ in make_edge().steps(NEW))):
        edge = make_edge()
        if at == 0:
            event(edge)
        for number, _ in enumerate(edge.steps(NEW), 1):
            if number == at:
                event(edge)
        yield edge


def test_health_that_changes_meanwhile_holds(make_edge: Callable[[], Edge]) -> None:
    for edge in _at_each_step(make_edge, lambda edge: edge.update_health({STAYS: DOWN})):
        assert chosen(edge) == ids_in(NEW) - {STAYS}


def test_health_of_one_whom_the_new_configuration_lets_in_holds(edge: Edge) -> None:
    """It may not serve before or after its verdict, as long as the old one is asked."""
    left_out = snapshot(1, [backend_spec(STAYS, weight=0), backend_spec(LEAVES)], [])
    edge.apply(left_out)
    steps = sum(1 for _ in edge.steps(NEW))
    for at in range(steps):
        edge.apply(left_out)
        edge.update_health({STAYS: DOWN})
        for number, _ in enumerate(edge.steps(NEW)):
            if number == at:
                edge.update_health({STAYS: UP})
        assert chosen(edge) == ids_in(NEW)


def test_a_circuit_that_opens_meanwhile_is_open(make_edge: Callable[[], Edge]) -> None:
    for edge in _at_each_step(make_edge, lambda edge: open_circuit(edge, STAYS)):
        assert chosen(edge) == ids_in(NEW) - {STAYS}
        assert pool_of(edge).backends[STAYS].out


def test_the_circuit_of_a_server_that_moves_is_left_behind(make_edge: Callable[[], Edge]) -> None:
    def open_while_old(edge: Edge) -> None:
        if edge.configuration.snapshot.number == 1:
            open_circuit(edge, MOVES)

    for edge in _at_each_step(make_edge, open_while_old):
        assert chosen(edge) == ids_in(NEW)


def test_who_has_an_open_circuit_is_back_when_the_pool_goes_without(edge: Edge) -> None:
    open_circuit(edge, STAYS)
    first, second = NEW.pools
    without = msgspec.structs.replace(first, circuit=CircuitPolicy(mode=CircuitMode.OFF))
    edge.apply(build(2, (without, second), NEW.routes))
    assert chosen(edge) == ids_in(NEW)


def test_an_open_circuit_goes_along_to_another_pool(edge: Edge) -> None:
    first, second = OLD.pools
    *others, last = first.backends
    open_circuit(edge, last.id)
    pools = (
        msgspec.structs.replace(first, backends=tuple(others)),
        msgspec.structs.replace(second, backends=(*second.backends, last)),
    )
    for _ in edge.steps(build(2, pools, OLD.routes)):
        (share,) = pool_of(edge, 2).shares
        assert share.healthy == len(second.backends)
        assert last.id not in chosen(edge, 2)
    assert last.id in pool_of(edge, 2).backends


class Agreeable:
    async def replace(
        self, pool: int, before: bytes, after: Ejections, told: list[Happening]
    ) -> None:
        """Redis' part: nobody else has said anything."""


def test_who_fails_meanwhile_is_suspected(make_edge: Callable[[], Edge]) -> None:
    def fail(edge: Edge) -> None:
        monitor = pool_of(edge).backends[STAYS].monitor
        assert monitor is not None
        for _ in range(OUTLIERS.consecutive_5xx):
            monitor.failed(500)

    shared: Any = Agreeable()
    for edge in _at_each_step(make_edge, fail):
        asyncio.run(edge.outliers.agree(shared))
        assert chosen(edge) == ids_in(NEW) - {STAYS}


def test_failures_of_a_server_that_has_left_speak_against_nobody(edge: Edge) -> None:
    """Requests under way end badly at an old URL, and at one that is no member any more."""
    exchanges = []
    for number in (MOVES, LEAVES):
        for _ in range(OUTLIERS.consecutive_5xx):
            exchange = Exchange(pool_of(edge), True)
            exchange.preferred = pool_of(edge).backends[number]
            exchange.choose()
            exchange.responded(500)
            exchanges.append(exchange)
    edge.apply(NEW)
    for exchange in exchanges:
        exchange.finish(500)
    shared: Any = Agreeable()
    asyncio.run(edge.outliers.agree(shared))
    assert edge.outliers._watches[1].state.by_id.keys() <= {MOVES}
    assert chosen(edge) == ids_in(NEW)


def test_who_is_ejected_meanwhile_is_out(make_edge: Callable[[], Edge]) -> None:
    shared: Any = Agreeable()

    def eject(edge: Edge) -> None:
        monitor = pool_of(edge).backends[STAYS].monitor
        assert monitor is not None
        for _ in range(OUTLIERS.consecutive_5xx):
            monitor.failed(500)
        asyncio.run(edge.outliers.agree(shared))

    for edge in _at_each_step(make_edge, eject):
        assert chosen(edge) == ids_in(NEW) - {STAYS}


def test_requests_under_way_are_counted_where_they_are(make_edge: Callable[[], Edge]) -> None:
    taken: list[Backend] = []

    def take(edge: Edge) -> None:
        taken[:] = pool_of(edge).backends[STAYS], pool_of(edge).backends[MOVES]
        for backend in taken:
            backend.take()

    for edge in _at_each_step(make_edge, take):
        stays, moves = (pool_of(edge).backends[number] for number in (STAYS, MOVES))
        assert stays.in_flight == stays.cell[stays.place] == 1
        assert moves.cell[moves.place] == moves.in_flight == int(taken[1] is moves)
        for backend in taken:
            backend.give_back()
            assert backend.cell[backend.place] == 0


def connection_over(transport: Transport, pool: ConnectionPool) -> UpstreamConnection:
    connection = UpstreamConnection(pool)
    connection.connection_made(transport)
    return connection


def test_connections_that_nobody_may_use_any_more_are_closed(edge: Edge) -> None:
    """The pool's TLS policy is another one: also where the backend stays."""
    connections = [edge.connections[pool_of(edge).backends[id_]] for id_ in (LEAVES, MOVES, STAYS)]
    idle, under_way = ([Transport() for _ in connections] for _ in range(2))
    for pool, transport in zip(connections, idle, strict=True):
        pool.give_back(connection_over(transport, pool))
    for _ in edge.steps(NEW):
        over = edge.configuration.snapshot.number == 2
        assert over or not any(transport.closed for transport in idle)
    assert all(transport.closed for transport in idle)
    for pool, transport in zip(connections, under_way, strict=True):
        pool.give_back(connection_over(transport, pool))
    assert all(transport.closed for transport in under_way)
    assert len(edge.connections) == len(ids_in(NEW)) + len(ids_in(NEW, 2))
