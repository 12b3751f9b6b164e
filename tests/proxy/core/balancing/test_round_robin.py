"""Round robin: each in turn, whatever its weight."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing.round_robin import RoundRobin

Backends = Callable[..., list[Backend]]


def make(count: int) -> list[Backend]:
    return [Backend(BackendSpec(id=n + 1, name=f"b{n}", url="http://h")) for n in range(count)]


@given(peers=st.integers(1, 12), requests=st.integers(0, 100), offset=st.integers(0, 40))
def test_shares_differ_by_at_most_one(peers: int, requests: int, offset: int) -> None:
    backends = make(peers)
    balancer = RoundRobin(backends, offset)
    picked = Counter(balancer.pick() for _ in range(requests))
    counts = [picked[backend] for backend in backends]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == requests


@given(
    peers=st.integers(2, 10),
    out=st.sets(st.integers(0, 9), min_size=1),
    requests=st.integers(0, 60),
)
def test_shares_stay_even_among_the_rest_while_peers_are_out(
    peers: int, out: set[int], requests: int
) -> None:
    """The next in line must not inherit the turns of one that is out."""
    backends = make(peers)
    excluded = {backends[place] for place in out if place < peers}
    balancer = RoundRobin(backends)
    picked = Counter(balancer.pick(excluded) for _ in range(requests))
    left = [backend for backend in backends if backend not in excluded]
    if not left:
        assert set(picked) <= {None}
        return
    counts = [picked[backend] for backend in left]
    assert sum(counts) == requests
    assert max(counts) - min(counts) <= 1


def test_weights_do_not_matter(backends: Backends) -> None:
    balancer = RoundRobin(backends(100, 1))
    assert Counter(balancer.pick() for _ in range(10)).most_common()[0][1] == 5


@pytest.mark.parametrize(("offset", "first"), [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (101, "c")])
def test_each_worker_starts_at_its_own_offset(backends: Backends, offset: int, first: str) -> None:
    balancer = RoundRobin([], offset)
    balancer.update(backends(1, 1, 1))
    pick = balancer.pick()
    assert pick is not None
    assert pick.spec.name == first


def test_full_peers_are_passed_over(backends: Backends) -> None:
    a, b = backends(1, 1, max_connections=1)
    balancer = RoundRobin([a, b])
    a.in_flight = 1
    assert [balancer.pick() for _ in range(3)] == [b, b, b]
    b.in_flight = 1
    assert balancer.pick() is None


def test_nobody_at_all_is_none() -> None:
    assert RoundRobin([]).pick() is None


def test_peers_that_come_and_go_do_not_break_the_turn(backends: Backends) -> None:
    a, b, c = backends(1, 1, 1)
    balancer = RoundRobin([a, b, c])
    balancer.pick()
    balancer.pick()
    balancer.update([a])
    assert balancer.pick() is a
    balancer.update([a, b, c])
    assert {balancer.pick() for _ in range(3)} == {a, b, c}


def test_a_dead_peer_is_asked_first_only_when_it_is_its_turn(backends: Backends) -> None:
    """A failed try must not use up the turn of the other one, or each request fails first."""
    dead, alive = backends(1, 1)
    balancer = RoundRobin([dead, alive])
    firsts = []
    for _ in range(6):
        firsts.append(balancer.pick())
        if firsts[-1] is dead:
            assert balancer.pick({dead}) is alive
    assert firsts == [dead, alive] * 3


def test_what_a_dead_peer_could_not_take_is_shared_by_the_others(backends: Backends) -> None:
    dead, *others = backends(1, 1, 1, 1)
    balancer = RoundRobin([dead, *others])
    served: Counter[Backend | None] = Counter()
    for _ in range(120):
        pick = balancer.pick()
        served[balancer.pick({dead}) if pick is dead else pick] += 1
    assert served == dict.fromkeys(others, 40)
