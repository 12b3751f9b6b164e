"""Time in each state, from probes: to the second, and nothing claimed that nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.history.tally import Probe, Tally, fold, total

UP, DEGRADED, DOWN, UNKNOWN = "healthy", "degraded", "unhealthy", "unknown"
HOUR = 3600.0


def probe(at, state=UP, **fields):
    return Probe(at, state, **{"passed": state != DOWN, **fields})


def one(probes, start=0.0, end=HOUR, allowance=60.0):
    [tally] = fold(probes, start, end, allowance)
    return tally


def seconds(tally):
    return tally.up, tally.degraded, tally.down, tally.unknown


def test_without_probes_nothing_is_known():
    assert seconds(one([])) == (0, 0, 0, HOUR)
    assert one([]).uptime is None


def test_a_state_holds_until_the_next_probe():
    tally = one([probe(0), probe(50, DOWN), probe(90)], end=100)
    assert seconds(tally) == (60, 0, 40, 0)
    assert tally.uptime == pytest.approx(60)


def test_a_state_holds_no_longer_than_its_allowance():
    assert seconds(one([probe(0), probe(1000)], end=1010)) == (70, 0, 0, 940)


def test_a_degraded_backend_is_up():
    assert one([probe(0, DEGRADED)], end=60).uptime == 100


def test_a_state_that_is_not_known_is_no_downtime():
    assert seconds(one([probe(0, UNKNOWN), probe(30)], end=60)) == (30, 0, 0, 30)


def test_the_beginning_is_what_was_found_before_it():
    tally = one([probe(-20, DOWN), probe(10)], end=40)
    assert seconds(tally) == (30, 0, 10, 0)
    assert tally.probes == 1  # the other one is the hour's before


def test_what_comes_after_the_end_is_not_counted():
    assert one([probe(0), probe(HOUR + 1, DOWN)], allowance=2 * HOUR).down == 0


def test_going_down_counts_as_a_flap_where_it_happens():
    probes = [probe(0), probe(10, DOWN), probe(20, DOWN), probe(30), probe(40, DOWN)]
    assert one(probes, end=60).flaps == 2
    assert [tally.flaps for tally in fold(probes, 0, 60, 60, parts=2)] == [1, 1]


def test_what_was_left_out_is_counted_with_its_latencies():
    left_out = {"omitted": 9, "omitted_latency_sum": 90.0, "omitted_latency_max": 30.0}
    tally = one([probe(0, latency=20.0, **left_out), probe(30, DOWN, latency=500.0)], end=60)
    assert (tally.probes, tally.failures) == (11, 1)
    assert (tally.latency, tally.latency_max) == (11.0, 30.0)


times = st.lists(st.integers(-200, 4000), unique=True, max_size=40).map(sorted)


@given(times, st.data(), st.integers(1, 12))
def test_parts_add_up_to_the_whole(at, data, parts):
    states = st.sampled_from([UP, DEGRADED, DOWN, UNKNOWN])
    probes = [probe(float(when), data.draw(states)) for when in at]
    whole, pieces = one(probes), total(fold(probes, 0, HOUR, 60, parts=parts))
    for field in ("up", "degraded", "down", "unknown", "probes", "failures", "flaps"):
        assert getattr(pieces, field) == pytest.approx(getattr(whole, field), abs=1e-6)
    assert whole.known + whole.unknown == pytest.approx(HOUR)


def test_tallies_add_up():
    tally = Tally(up=1, latency_max=3, probes=2)
    tally.add(Tally(up=2, latency_max=1, probes=1))
    assert (tally.up, tally.latency_max, tally.probes) == (3, 3, 3)
