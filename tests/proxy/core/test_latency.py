"""What is remembered of the times to the first byte."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.latency import FORGET, TAU, Latency

samples = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 5 * TAU)), max_size=30)


def followed() -> Latency:
    latency = Latency()
    latency.follow_peak()
    return latency


def observed(*times: tuple[float, int]) -> Latency:
    latency = followed()
    for microseconds, now in times:
        latency.observe(microseconds, now)
    return latency


def test_the_first_sample_is_all_that_is_known() -> None:
    latency = observed((250.0, TAU))
    assert (latency.mean, latency.peak(TAU)) == (250.0, 250.0)


def test_the_past_fades_with_time_and_not_with_the_number_of_requests() -> None:
    """A burst of a thousand equal samples says no more than one."""
    one = observed((1000.0, 0), (100.0, TAU))
    burst = observed((1000.0, 0), (100.0, TAU), *[(100.0, TAU)] * 1000)
    assert one.mean == pytest.approx(100 + 900 * exp(-1))
    assert burst.mean == pytest.approx(one.mean)


def test_the_peak_jumps_up_at_once_and_comes_down_slowly() -> None:
    latency = observed((100.0, 0), (5000.0, TAU))
    assert latency.peak(TAU) == 5000.0
    latency.observe(100.0, 2 * TAU)
    assert latency.peak(2 * TAU) == pytest.approx(5000 * exp(-1) + 100 * (1 - exp(-1)))


def test_reading_the_peak_is_a_sample_of_nothing() -> None:
    """Finagle's `observe(0)`: what comes next is compared with what is left by then."""
    latency = observed((1000.0, 0))
    assert latency.peak(TAU) == pytest.approx(1000 * exp(-1))
    latency.observe(500.0, TAU)
    assert latency.peak(TAU) == 500.0


def test_a_peak_that_is_wanted_later_begins_with_the_mean() -> None:
    latency = Latency()
    latency.observe(100.0, 0)
    latency.observe(300.0, TAU)
    mean = latency.mean
    latency.follow_peak()
    latency.follow_peak()
    assert latency.peak(TAU) == mean
    latency.observe(900.0, TAU)
    assert latency.peak(TAU) == 900.0


@given(samples)
def test_a_mean_lies_between_the_least_and_the_worst_sample(gaps: list[tuple[int, int]]) -> None:
    latency, now, seen = followed(), 0, []
    for microseconds, gap in gaps:
        now += gap
        seen.append(microseconds)
        latency.observe(microseconds, now)
        assert min(seen) - 1e-6 <= latency.mean <= max(seen) + 1e-6
        assert latency.peak(now) >= microseconds - 1e-6


def test_a_mean_is_forgotten_after_a_while_without_samples() -> None:
    latency = observed((100.0, 0))
    assert latency.known_mean(FORGET) == 100.0
    assert latency.known_mean(FORGET + 1) == 0.0


def test_others_figures_stand_in_until_there_are_own_ones() -> None:
    latency = followed()
    latency.elsewhere = 700.0
    assert (latency.known_mean(0), latency.peak(0)) == (700.0, 700.0)
    assert latency.own_mean(0) == 0.0, "what others have measured is not shown as one's own"
    latency.observe(90.0, 0)
    assert (latency.known_mean(0), latency.peak(0)) == (90.0, 90.0)


def test_a_failure_counts_only_where_it_shows_the_backend_to_be_slower() -> None:
    """One that refuses everything in a millisecond must not become the fastest."""
    latency = Latency()
    latency.observe_at_least(1.0, 0)
    assert latency.known_mean(0) == 0.0
    latency.observe(1000.0, 0)
    latency.observe_at_least(1.0, TAU)
    assert (latency.mean, latency.at) == (1000.0, 0)
    latency.observe_at_least(60e6, TAU)
    assert latency.mean > 30e6
