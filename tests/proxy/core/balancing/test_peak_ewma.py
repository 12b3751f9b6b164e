"""Peak EWMA: Finagle's costs, and what they are good for."""

from collections import Counter
from math import exp
from random import Random as Rng

import pytest

from proxy.core.balancing.peak_ewma import PENALTY, PeakEwma
from proxy.core.clock import Clock
from proxy.core.latency import TAU
from proxy.testing.balancers import make_backends


def test_the_cost_is_the_peak_times_who_waits_for_the_weight() -> None:
    (peer,) = make_backends(2)
    clock = Clock(0)
    balancer = PeakEwma([peer], clock=clock)
    peer.latency.observe(1000, 0)
    peer.in_flight = 3
    assert balancer.score(peer) == 1000 * 4 / 2
    clock.now = TAU
    assert balancer.score(peer) == pytest.approx(exp(-1) * 1000 * 4 / 2)


def test_one_without_a_history_is_tried_with_one_request_only() -> None:
    fresh, slow = make_backends(1, 1)
    slow.latency.observe(30e6, 0)
    slow.in_flight = 100
    balancer = PeakEwma([fresh, slow], clock=Clock(0), rng=Rng(1))
    assert balancer.pick() is fresh
    fresh.take()
    assert balancer.score(fresh) == PENALTY + 1
    assert {balancer.pick() for _ in range(20)} == {slow}


def test_a_history_that_has_faded_is_none() -> None:
    """Or one that was idle for minutes would take all until its first answer comes."""
    idle, busy = make_backends(1, 1)
    clock = Clock(0)
    idle.latency.observe(100_000, 0)
    clock.now = 20 * TAU
    busy.latency.observe(1000, clock.now)
    balancer = PeakEwma([idle, busy], clock=clock, rng=Rng(1))
    picked = Counter()
    for _ in range(20):
        pick = balancer.pick()
        assert pick is not None
        pick.take()
        picked[pick] += 1
    assert picked == {idle: 1, busy: 19}


def test_one_slow_answer_is_enough_to_be_avoided_and_time_to_come_back() -> None:
    a, b = make_backends(1, 1)
    clock = Clock(0)
    for peer in (a, b):
        peer.latency.observe(1000, 0)
    balancer = PeakEwma([a, b], clock=clock, rng=Rng(1))
    a.latency.observe(500_000, 0)
    assert {balancer.pick() for _ in range(20)} == {b}
    clock.now = 8 * TAU
    b.latency.observe(1000, clock.now)
    assert {balancer.pick() for _ in range(20)} == {a}
