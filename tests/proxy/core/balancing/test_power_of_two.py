"""Power of two choices."""

from collections import Counter
from random import Random as Rng

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.core.balancing.power_of_two import PowerOfTwo
from proxy.core.balancing.random import Random
from proxy.testing.balancers import make_backends
from proxy.testing.traffic import Traffic


def test_of_two_the_less_loaded_is_taken() -> None:
    a, b = make_backends(1, 1)
    a.in_flight = 1
    balancer = PowerOfTwo([a, b], rng=Rng(1))
    assert {balancer.pick() for _ in range(50)} == {b}


def test_load_counts_for_the_weight_with_the_request_to_be_placed() -> None:
    """(1 + 1) / 4 is less than (0 + 1) / 1: traefik's ignores weights and takes the idle one."""
    heavy, light = make_backends(4, 1)
    heavy.in_flight = 1
    balancer = PowerOfTwo([heavy, light], rng=Rng(1))
    assert {balancer.pick() for _ in range(50)} == {heavy}
    heavy.in_flight = 4
    assert {balancer.pick() for _ in range(50)} == {light}


@given(st.lists(st.integers(0, 20), min_size=2, max_size=8), st.integers(0, 2**32))
def test_the_most_loaded_of_equals_in_weight_is_never_taken(loads: list[int], seed: int) -> None:
    assume(loads.count(max(loads)) == 1)
    peers = make_backends(*[1] * len(loads))
    for peer, load in zip(peers, loads, strict=True):
        peer.in_flight = load
    balancer = PowerOfTwo(peers, rng=Rng(seed))
    worst = peers[loads.index(max(loads))]
    assert worst not in {balancer.pick() for _ in range(60)}


def test_it_spreads_far_more_evenly_than_chance_alone() -> None:
    spread = {}
    for algorithm in (Random, PowerOfTwo):
        peers = make_backends(*[1] * 50)
        traffic = Traffic(algorithm, peers, seed=6)
        Counter(traffic.run(2000, held=500))
        spread[algorithm] = max(peer.in_flight for peer in peers)
    assert spread[PowerOfTwo] <= 13 < spread[Random]


def test_the_only_one_left_is_taken_however_loaded() -> None:
    a, b = make_backends(1, 1)
    a.in_flight = 100
    assert PowerOfTwo([a, b], rng=Rng(1)).pick({b}) is a
