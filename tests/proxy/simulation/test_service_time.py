"""How long simulated backends take, and how that is written."""

from math import exp
from random import Random
from statistics import fmean, median

import pytest

from proxy.simulation.service_time import Measured, parse_duration, parse_service_time

MS = 1e6


def draws(text: str) -> list[float]:
    rng = Random(1)
    return [parse_service_time(text).draw(rng) for _ in range(20_000)]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("10ms", 10e6), ("250us", 250e3), ("250µs", 250e3), ("1.5s", 1.5e9), ("2m", 120e9), ("0s", 0)],
)
def test_durations_are_read(text: str, nanoseconds: float) -> None:
    assert parse_duration(text) == nanoseconds


def test_a_plain_duration_never_varies() -> None:
    assert set(draws("10ms")) == {10 * MS}


def test_uniform_goes_up_to_its_most() -> None:
    times = draws("uniform:100ms")
    assert 0 <= min(times) < max(times) <= 100 * MS
    assert fmean(times) == pytest.approx(50 * MS, rel=0.03)


def test_exponential_has_the_mean_that_is_given() -> None:
    times = draws("exponential:20ms")
    assert fmean(times) == pytest.approx(20 * MS, rel=0.03)
    assert median(times) == pytest.approx(20 * MS * 0.693, rel=0.05)


def test_lognormal_has_the_median_and_the_tail_that_are_given() -> None:
    times = sorted(draws("lognormal:20ms:0.5"))
    assert median(times) == pytest.approx(20 * MS, rel=0.03)
    assert times[int(0.99 * len(times))] == pytest.approx(20 * MS * exp(2.326 * 0.5), rel=0.06)


def test_measured_times_come_back_in_their_proportions() -> None:
    measured = Measured([1.0, 1.0, 1.0, 9.0])
    rng = Random(1)
    assert fmean(measured.draw(rng) for _ in range(20_000)) == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10", "'10' is no duration: write a number and us, ms, s or m"),
        ("-1ms", "'-1ms' is no duration"),
        ("2000m", "too long"),
        ("gauss:10ms", "write 10ms, uniform:MAX"),
        ("uniform", "'uniform' is no duration"),
        ("uniform:1ms:2", "is no latency"),
        ("lognormal:20ms", "is no latency"),
        ("lognormal:20ms:x", "'x' is no sigma"),
        ("lognormal:20ms:9", "from 0 to 5"),
        ("lognormal:0ms:1", "must be more than 0"),
    ],
)
def test_what_is_malformed_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_service_time(text)
