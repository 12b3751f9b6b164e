"""Whether a configuration is taken up in steps or at once: it ends the same."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pool.bus import HealthStatus
from pool.choices import AdminState, CircuitMode, CircuitState, HealthState, StickyMode
from pool.circuits.records import Circuit, CircuitChange
from pool.snapshot import (
    BackendSpec,
    CircuitPolicy,
    LimitPolicy,
    OutlierPolicy,
    PoolSpec,
    RouteSpec,
    Snapshot,
    StickyPolicy,
    TlsPolicy,
    build,
)
from proxy.core.steps import at_once
from proxy.engine.counters import Counters
from proxy.engine.edge import Edge
from proxy.engine.live import LiveBoard
from proxy.engine.settings import EdgeSettings

IDS = range(1, 8)

backend_specs = st.builds(
    BackendSpec,
    id=st.sampled_from(IDS),
    name=st.just("b"),
    url=st.sampled_from(["http://one", "http://two"]),
    weight=st.integers(0, 3),
    tier=st.integers(0, 1),
    max_connections=st.sampled_from([0, 5]),
    admin_state=st.sampled_from(AdminState),
)
pool_specs = st.builds(
    PoolSpec,
    id=st.integers(1, 3),
    name=st.just("p"),
    algorithm=st.sampled_from(["weighted_round_robin", "least_connections"]),
    circuit=st.builds(
        CircuitPolicy,
        mode=st.sampled_from([CircuitMode.OFF, CircuitMode.CONSECUTIVE]),
        threshold=st.integers(1, 2),
    ),
    outlier=st.builds(OutlierPolicy, enabled=st.booleans()),
    limits=st.builds(LimitPolicy, max_in_flight=st.sampled_from([0, 10])),
    sticky=st.builds(StickyPolicy, mode=st.sampled_from([StickyMode.OFF, StickyMode.COOKIE])),
    tls=st.builds(TlsPolicy, server_name=st.sampled_from(["", "n"])),
    backends=st.lists(backend_specs, max_size=5).map(tuple),
)


@st.composite
def snapshots(draw: st.DrawFn, number: int) -> Snapshot:
    pools, seen = {}, set[int]()
    for pool in draw(st.lists(pool_specs, max_size=3, unique_by=lambda pool: pool.id)):
        backends = {one.id: one for one in pool.backends if one.id not in seen}
        seen |= backends.keys()
        spec = msgspec.structs.replace(pool, backends=tuple(backends.values()))
        pools[pool.id] = spec
    routes = tuple(RouteSpec(id=one, pool_id=one, host=f"p{one}") for one in pools)
    return build(number, tuple(pools.values()), routes)


class News(NamedTuple):
    """What Redis has after the changeover, of which each may be announced during it."""

    health: dict[int, HealthStatus]
    circuits: dict[int, Circuit]

    def announce(self, edge: Edge, number: int) -> None:
        if number in self.health:
            edge.update_health({number: self.health[number]})
        if number in self.circuits:
            change = CircuitChange(backend_id=number, circuit=self.circuits[number])
            edge.circuits.hear(msgspec.json.encode(change))

    def read(self, edge: Edge) -> None:
        at_once(edge.set_all_health(self.health))
        records = {str(one).encode(): msgspec.json.encode(c) for one, c in self.circuits.items()}
        at_once(edge.circuits.take_all(records))


healths = st.builds(HealthStatus, state=st.sampled_from(HealthState), since=st.just(1.0))
circuits = st.builds(
    Circuit, state=st.sampled_from([CircuitState.OPEN, CircuitState.CLOSED]), generation=st.just(3)
)
news = st.builds(
    News,
    health=st.dictionaries(st.sampled_from(IDS), healths),
    circuits=st.dictionaries(st.sampled_from(IDS), circuits),
)


def make_edge(loop: asyncio.AbstractEventLoop, folder: Path) -> Edge:
    folder.mkdir()
    live = LiveBoard(folder / "worker.live")
    return Edge(loop, Counters(folder / "worker.board"), EdgeSettings(secret_key="s" * 50), live)


def state(edge: Edge) -> dict[str, Any]:
    """All that a changeover changes, in words that do not depend on which objects it is in."""
    configuration = edge.configuration
    return {
        "number": configuration.snapshot.number,
        "sticky": {
            number: [sticky._marks.of(one) for one in configuration.pools[number].backends.values()]
            for number, sticky in configuration.sticky.items()
        },
        "routes": [(route.spec, route.pool.spec) for route in configuration.routes],
        "connections": {one.id: each.tls for one, each in edge.connections.items()},
        "waiting": len(edge.waiting),
        "shown": set(edge._live._backends),
        "watched": set(edge.outliers._watches),
        "pools": {
            number: {
                "spec": pool.spec,
                "shares": pool.shares,
                "tiers": {
                    key: [(one.id, one.weight) for one in tier.balancer.backends]
                    for key, tier in pool.tiers.items()
                    if tier.balancer.backends
                },
                "order": [
                    [one.id for one in tier.balancer.backends] for tier in pool.line_up.order
                ],
                "backends": {
                    one.id: (
                        one.spec,
                        one.health,
                        one.available(),
                        one.breaker and (one.breaker.terms, one.breaker.circuit),
                        one.monitor and one.monitor._policy,
                        edge._live._words[one.place] == one.in_flight,
                    )
                    for one in pool.backends.values()
                },
            }
            for number, pool in configuration.pools.items()
        },
    }


@settings(max_examples=150, deadline=None)
@given(
    first=snapshots(1),
    second=snapshots(2),
    before=news,
    after=news,
    announced=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(IDS)), max_size=6),
)
def test_it_ends_as_if_it_had_been_done_at_once(
    first: Snapshot,
    second: Snapshot,
    before: News,
    after: News,
    announced: Sequence[tuple[int, int]],
) -> None:
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder:
        edges = [make_edge(loop, Path(folder) / name) for name in ("steps", "once")]
        for edge in edges:
            edge.apply(first)
            before.read(edge)
        in_steps, once = edges
        for step, _ in enumerate(in_steps.steps(second)):
            for pool in in_steps.configuration.pools.values():
                pool.choose()
            for at, number in announced:
                if at == step:
                    after.announce(in_steps, number)
        once.apply(second)
        for edge in edges:
            after.read(edge)
            assert edge.configuration._previous is None
        assert state(in_steps) == state(once)
    loop.close()
