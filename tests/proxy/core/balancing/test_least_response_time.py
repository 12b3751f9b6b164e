"""Least response time: the mean time to the first byte, with what is under way."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.backend import Backend
from proxy.core.balancing.least_response_time import LeastResponseTime
from proxy.core.clock import Clock
from proxy.core.latency import FORGET
from proxy.testing.balancers import make_backends


def picks(balancer: LeastResponseTime, count: int, *, held: bool = False) -> Counter[int]:
    counted: Counter[int] = Counter()
    for _ in range(count):
        pick = balancer.pick()
        assert pick is not None
        counted[pick.id] += 1
        if held:
            pick.take()
    return counted


def measured(times: Sequence[float], weights: Sequence[float] = ()) -> list[Backend]:
    peers = make_backends(*(weights or [1] * len(times)))
    for peer, time in zip(peers, times, strict=True):
        peer.latency.observe(time, 0)
    return peers


def test_the_fastest_is_taken_until_it_is_busy() -> None:
    peers = measured([1000, 2500])
    counted = picks(LeastResponseTime(peers, clock=Clock(0)), 3, held=True)
    assert counted == {1: 2, 2: 1}  # 1000, 2000, and then 3000 > 2500


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 9), st.integers(1, 9)), min_size=1))
def test_nobody_scores_less_than_the_one_that_is_taken(state: list[tuple[int, int, int]]) -> None:
    peers = measured([time for time, _, _ in state], [weight for _, _, weight in state])
    for peer, (_, in_flight, _) in zip(peers, state, strict=True):
        peer.in_flight = in_flight
    balancer = LeastResponseTime(peers, clock=Clock(0))
    pick = balancer.pick()
    assert pick is not None
    assert balancer.score(pick) == min(
        time * (1 + in_flight) / weight for time, in_flight, weight in state
    )


def test_equals_take_turns_by_weight() -> None:
    peers = measured([5000, 1000, 1000], [5, 1, 1])
    balancer = LeastResponseTime(peers, clock=Clock(0))
    assert picks(balancer, 14) == {1: 10, 2: 2, 3: 2}


def test_a_new_backend_does_not_take_all_before_it_has_answered() -> None:
    """Traefik scores it 0: whatever a new server cannot take yet is sent to it at once."""
    peers = [*measured([1000, 1000, 1000]), *make_backends(1, 1, 1, 1)[3:]]
    balancer = LeastResponseTime(peers, clock=Clock(0))
    assert picks(balancer, 400)[4] <= 100
    assert picks(balancer, 400, held=True)[4] <= 100 + 1


def test_a_new_backend_is_tried_though_the_others_are_fast() -> None:
    peers = [*measured([10, 10, 10]), *make_backends(1, 1, 1, 1)[3:]]
    assert picks(LeastResponseTime(peers, clock=Clock(0)), 40)[4] == 10


def test_nothing_is_known_of_anybody_at_the_start_so_weights_decide() -> None:
    balancer = LeastResponseTime(make_backends(5, 1, 1), clock=Clock(0))
    assert picks(balancer, 70) == {1: 50, 2: 10, 3: 10}


def test_one_slow_answer_does_not_shut_a_backend_out_for_ever() -> None:
    """Nothing would ever correct it: who gets no request gives no answer."""
    fast, slow = peers = measured([1000, 9_000_000])
    clock = Clock(0)
    balancer = LeastResponseTime(peers, clock=clock)
    assert picks(balancer, 50) == {fast.id: 50}
    clock.now = FORGET + 1
    fast.latency.observe(1000, clock.now)
    assert picks(balancer, 50)[slow.id] == 25
    slow.latency.observe(1100, clock.now)
    assert slow.latency.mean < 30_000


def test_what_other_workers_have_measured_counts_for_one_that_has_not() -> None:
    a, b = make_backends(1, 1)
    a.latency.elsewhere, b.latency.elsewhere = 9000.0, 1000.0
    assert picks(LeastResponseTime([a, b], clock=Clock(0)), 20) == {b.id: 20}


def test_an_explanation_shows_the_scores_that_were_compared() -> None:
    known, unknown = peers = [measured([800])[0], make_backends(1, 2)[1]]
    known.in_flight = 1
    balancer = LeastResponseTime(peers, clock=Clock(0))
    assert [balancer.score(peer) for peer in peers] == [1600, pytest.approx(400)]
    assert unknown.latency.known_mean(0) == 0
