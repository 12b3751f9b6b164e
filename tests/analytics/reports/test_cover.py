"""Which buckets make up a range of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.levels import DAY, HOUR, MINUTE, RETENTION_HOURS, STEPS, TEN_SECONDS, Segment, floor
from analytics.reports.cover import Kept, ceil, cover, join

NOW = 1_800_000_000
KEPT = Kept.at(NOW, RETENTION_HOURS)
times = st.integers(0, NOW)


def holds(segment, second):
    at = floor(second, segment.step)
    return segment.start <= at and (segment.end is None or at < segment.end)


def aligned(start, end):
    """A range as reports make it: at boundaries of what is kept there."""
    start = floor(start, KEPT.finest(start))
    return start, max(start, ceil(end, KEPT.finest(max(start, end - 1))))


def test_a_range_goes_over_to_wide_buckets_and_back():
    start = 2 * DAY + 3 * HOUR + 4 * MINUTE + 50
    end = 4 * DAY + 2 * HOUR + 20
    assert cover(start, end) == [
        Segment(TEN_SECONDS, start, 2 * DAY + 3 * HOUR + 5 * MINUTE),
        Segment(MINUTE, 2 * DAY + 3 * HOUR + 5 * MINUTE, 2 * DAY + 4 * HOUR),
        Segment(HOUR, 2 * DAY + 4 * HOUR, 3 * DAY),
        Segment(DAY, 3 * DAY, 4 * DAY),
        Segment(HOUR, 4 * DAY, 4 * DAY + 2 * HOUR),
        Segment(TEN_SECONDS, 4 * DAY + 2 * HOUR, end),
    ]


def test_everything_is_read_from_the_widest_level():
    assert cover(0, None) == [Segment(DAY, 0, None)]


@given(times, times, times)
def test_each_second_of_a_range_is_in_exactly_one_bucket(one, other, second):
    start, end = aligned(*sorted((one, other)))
    holding = [segment for segment in cover(start, end) if holds(segment, second)]
    assert len(holding) == (1 if start <= second < end else 0)


@given(times, st.integers(0, 2 * NOW))
def test_what_runs_holds_each_second_since_its_start(start, second):
    start = floor(start, KEPT.finest(start))
    holding = [segment for segment in cover(start, None) if holds(segment, second)]
    assert len(holding) == (1 if second >= start else 0)


@given(times, times)
def test_only_buckets_that_are_kept_are_read(one, other):
    start, end = aligned(*sorted((one, other)))
    for step, since, _ in cover(start, end):
        assert since >= KEPT.since[STEPS.index(step)]


@given(times, times)
def test_segments_start_and_end_at_boundaries_of_their_level(one, other):
    for step, since, until in cover(*aligned(*sorted((one, other)))):
        assert (since % step, until % step) == (0, 0)


@pytest.mark.parametrize("start", [NOW - DAY, NOW - 7 * DAY, NOW - 30 * DAY])
def test_a_long_range_is_a_few_buckets(start):
    start = floor(start, KEPT.finest(start))
    segments = cover(start, ceil(NOW, TEN_SECONDS))
    assert sum((end - start) // step for step, start, end in segments) <= 2 * (6 + 60 + 24) + 30


def test_a_level_is_the_finest_from_where_on_it_is_kept():
    (minutes_since, hours_since) = KEPT.since[1:3]
    assert KEPT.finest(NOW) == TEN_SECONDS
    assert KEPT.finest(NOW, wanted=HOUR) == HOUR
    assert KEPT.finest(minutes_since) == MINUTE
    assert KEPT.finest(minutes_since - 1) == HOUR
    assert KEPT.finest(hours_since - 1) == DAY


def test_neighbours_of_one_level_are_joined():
    segments = [Segment(60, 0, 60), Segment(60, 60, 120), Segment(10, 120, 130)]
    assert join(segments) == [Segment(60, 0, 120), Segment(10, 120, 130)]
