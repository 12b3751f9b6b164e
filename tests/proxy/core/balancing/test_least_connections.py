"""Least connections: fewest requests for the weight, on the whole machine."""

from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing.least_connections import LeastConnections

Backends = Callable[..., list[Backend]]


def test_the_least_loaded_is_taken(backends: Backends) -> None:
    a, b, c = backends(1, 1, 1)
    a.in_flight, b.in_flight, c.in_flight = 3, 1, 2
    assert LeastConnections([a, b, c]).pick() is b


def test_load_counts_for_the_weight(backends: Backends) -> None:
    a, b = backends(10, 1)
    a.in_flight, b.in_flight = 9, 1
    assert LeastConnections([a, b]).pick() is a


def test_equals_take_turns_by_weight_instead_of_the_first_taking_all(backends: Backends) -> None:
    """A quiet service has nothing in flight at nearly every pick."""
    peers = backends(5, 1, 1)
    balancer = LeastConnections(peers)
    picks = "".join(pick.spec.name for _ in range(14) if (pick := balancer.pick()))
    assert picks == "aabacaa" * 2


def test_what_other_workers_have_in_flight_counts(backends: Backends) -> None:
    a, b = backends(1, 1)
    a.elsewhere = [[2], [1]]
    b.in_flight = 1
    assert LeastConnections([a, b]).pick() is b


def test_full_and_excluded_backends_are_passed_over(backends: Backends) -> None:
    a, b, c = backends(1, 1, 1, max_connections=1)
    a.elsewhere = [[1]]  # full because of another worker
    balancer = LeastConnections([a, b, c])
    assert balancer.pick(frozenset([b])) is c
    c.in_flight = 1
    assert balancer.pick(frozenset([b])) is None


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(20, 200))
def test_held_requests_spread_in_proportion_to_weight(weights: list[int], held: int) -> None:
    """Nobody is more than one request over or under what its weight entitles it to."""
    peers = [
        Backend(BackendSpec(id=place, name=f"b{place}", url="http://10.0.0.1", weight=weight))
        for place, weight in enumerate(weights)
    ]
    balancer = LeastConnections(peers)
    taken: Counter[int] = Counter()
    for _ in range(held):
        pick = balancer.pick()
        assert pick is not None
        pick.take()
        taken[pick.id] += 1
    for place, weight in enumerate(weights):
        assert abs(taken[place] - held * weight / sum(weights)) <= len(weights)
