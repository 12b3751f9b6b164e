"""Which buckets make up a stretch of time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.levels import DAY, HOUR, MINUTE, STEPS, TEN_SECONDS, Segment, floor, segments


def test_each_level_divides_the_next():
    for step, wider in itertools.pairwise(STEPS):
        assert wider % step == 0


def test_everything_is_read_from_the_widest_level():
    assert segments(0, DAY) == [Segment(DAY, 0, None)]


def test_a_stretch_changes_level_at_the_boundaries():
    start = 2 * DAY + 3 * HOUR + 4 * MINUTE + 50
    assert segments(start, TEN_SECONDS) == [
        Segment(TEN_SECONDS, start, 2 * DAY + 3 * HOUR + 5 * MINUTE),
        Segment(MINUTE, 2 * DAY + 3 * HOUR + 5 * MINUTE, 2 * DAY + 4 * HOUR),
        Segment(HOUR, 2 * DAY + 4 * HOUR, 3 * DAY),
        Segment(DAY, 3 * DAY, None),
    ]


def test_levels_below_the_finest_are_not_read():
    assert {segment.step for segment in segments(12345, MINUTE)} == {MINUTE, HOUR, DAY}


@given(st.integers(0, 2**32), st.sampled_from(STEPS), st.integers(0, 2**32))
def test_each_second_since_the_start_is_in_exactly_one_bucket(start, finest, second):
    holding = [
        segment
        for segment in segments(start, finest)
        if segment.start <= floor(second, segment.step)
        and (segment.end is None or floor(second, segment.step) < segment.end)
    ]
    assert len(holding) == (1 if second >= floor(start, finest) else 0)


@given(st.integers(0, 2**32), st.sampled_from(STEPS))
def test_segments_start_and_end_at_boundaries_of_their_level(start, finest):
    for segment in segments(start, finest):
        assert segment.start % segment.step == 0
        assert segment.end is None or segment.end % segment.step == 0


@pytest.mark.parametrize("finest", [TEN_SECONDS, MINUTE])
def test_a_day_is_a_few_buckets(finest):
    buckets = sum(
        ((segment.end or 100 * DAY) - segment.start) // segment.step
        for segment in segments(99 * DAY + 1, finest)
    )
    assert buckets <= 6 + 60 + 24 + 1
