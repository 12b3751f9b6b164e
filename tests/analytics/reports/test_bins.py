"""Into which points a span is cut."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.levels import DAY, HOUR
from analytics.reports.bins import AUTO, WIDTHS, cut
from analytics.reports.span import PERIODS, BadParameter, Clock

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)


def between(since, until, tz="UTC"):
    clock = Clock.read(tz, NOW)
    start, end = (datetime.fromisoformat(one).replace(tzinfo=clock.zone) for one in (since, until))
    return clock.between(start.timestamp(), end.timestamp())


def beginnings(span, bins):
    return [span.at(edge).isoformat(timespec="minutes") for edge in bins.edges]


def hours(bins):
    return [(end - start) / HOUR for start, end in bins.parts()]


@pytest.mark.parametrize("period", [name for name in PERIODS if name != "all"])
def test_an_automatic_step_gives_some_hundred_points(period):
    bins = cut(Clock.read(now=NOW).last(period))
    assert 20 <= len(bins.edges) <= 302


def test_an_automatic_step_is_wider_if_there_is_much_to_read():
    day = Clock.read(now=NOW).last("24h")
    assert (cut(day, AUTO, series=1).step, cut(day, AUTO, series=1000).step) == ("5m", "1h")


@pytest.mark.parametrize("step", ["1m", "5m", "15m", "1h", "6h", "1d"])
def test_points_begin_at_multiples_of_the_step_after_the_first(step):
    span = Clock.read(now=NOW).last("24h")
    bins = cut(span, step)
    assert bins.edges[0] == span.start
    assert all(edge % WIDTHS[step] == 0 for edge in bins.edges[1:])
    assert all(end - start == WIDTHS[step] for start, end in list(bins.parts())[1:-1])


def test_days_are_those_of_the_zone():
    span = between("2026-11-01T00:00", "2026-11-04T00:00", "Europe/Berlin")
    bins = cut(span, "1d")
    assert beginnings(span, bins) == [f"2026-11-0{day}T00:00+01:00" for day in (1, 2, 3)]
    assert {segment.step for segment in bins.segments()} == {HOUR}


def test_the_day_on_which_clocks_go_back_has_25_hours():
    span = between("2026-10-24T00:00", "2026-10-27T00:00", "Europe/Berlin")
    assert hours(cut(span, "1d")) == [24, 25, 24]
    assert hours(cut(span, "6h")) == [6, 6, 6, 6, 7, 6, 6, 6, 6, 6, 6, 6]


def test_the_day_on_which_clocks_go_forward_has_23_hours():
    clock = Clock.read("America/New_York", datetime(2026, 4, 1, tzinfo=UTC))
    days = [datetime(2026, 3, day, tzinfo=clock.zone).timestamp() for day in (7, 10)]
    assert hours(cut(clock.between(*days), "1d")) == [24, 23, 24]


def test_days_of_utc_are_read_as_days():
    span = between("2026-11-01T00:00", "2026-11-04T00:00")
    assert {segment.step for segment in cut(span, "1d").segments()} == {DAY}


def test_days_of_a_zone_that_are_too_old_are_those_of_utc_and_that_is_said():
    span = between("2026-08-01T00:00", "2026-11-01T00:00", "Europe/Berlin")
    bins = cut(span, "1d")
    starts = [span.at(edge).hour for edge in bins.edges]
    assert starts[0] == 2  # midnight of UTC
    assert starts[-1] == 0
    assert "Until 2026-08-2" in bins.notes[0]


def test_a_step_narrower_than_what_is_kept_is_refused_with_those_that_are():
    span = between("2026-11-10T00:00", "2026-11-11T00:00")
    with pytest.raises(
        BadParameter, match=r"“1m” is narrower than what is kept .* auto, 1h, 6h, 1d"
    ):
        cut(span, "1m")


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(BadParameter, match="“2m” is not a step; give one of auto, 10s, 1m, 5m"):
        cut(Clock.read(now=NOW).last("1h"), "2m")


def test_everything_begins_with_the_day_in_which_something_was_counted_first():
    everything = Clock.read(now=NOW).last("all")
    first = int(datetime(2026, 11, 1, 3, tzinfo=UTC).timestamp())
    assert len(cut(everything, "1d", first=first).edges) == 21
    assert len(cut(everything, "1d", first=None).edges) == 1


zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kabul"])
seconds = st.integers(int(NOW.timestamp()) - 400 * DAY, int(NOW.timestamp()) - 60)


@given(seconds, seconds, zones, st.sampled_from([AUTO, *WIDTHS]))
def test_parts_make_up_the_span_and_each_bucket_is_in_one(one, other, zone, step):
    clock = Clock.read(zone, NOW)
    start, end = sorted((one, other))
    span = clock.between(start, end + 1)
    try:
        bins = cut(span, step)
    except BadParameter:
        return
    assert (bins.edges[0], bins.end) == (span.start, span.end)
    assert all(a < b for a, b in pairwise((*bins.edges, bins.end)))
    covered = 0
    for width, since, until in bins.segments():
        covered += until - since
        for at in (since, until - width):
            assert bins.index(at) == bins.index(at + width - 1)
    assert covered == span.seconds
