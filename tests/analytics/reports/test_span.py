"""What time somebody asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings

from analytics.levels import DAY
from analytics.reports.span import PERIODS, BadParameter, Clock, parse_span

NOW = datetime(2026, 5, 4, 12, 34, 56, tzinfo=UTC)


def span(tz="", **asked):
    asked = {name.rstrip("_"): value for name, value in asked.items()}
    return parse_span(asked, Clock.read(tz, NOW))


def times(found):
    return found.since.isoformat(), found.until.isoformat()


def test_an_hour_unless_said_otherwise():
    found = span()
    assert (found.period, found.running) == ("1h", True)
    assert times(found) == ("2026-05-04T11:34:50+00:00", "2026-05-04T12:35:00+00:00")


@pytest.mark.parametrize("period", [name for name in PERIODS if name != "all"])
def test_a_period_begins_at_a_bucket_and_no_later_than_it_says(period):
    found, (seconds, finest) = span(period=period), PERIODS[period]
    early = NOW - timedelta(seconds=seconds) - found.since
    assert timedelta(0) <= early < timedelta(seconds=finest)


def test_everything_has_no_beginning():
    assert (span(period="all").since, span(period="all").running) == (None, True)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-05-04T10:00", "2026-05-04T11:00"),
        ("2026-05-04T12:00+02:00", "2026-05-04T13:00+02:00"),
        ("2026-05-04T12:00 02:00", "2026-05-04T13:00 02:00"),  # the plus sign of a bare URL
        ("2026-05-04T10:00:00Z", "2026-05-04T11:00:00Z"),
        ("1777888800", "1777892400"),
    ],
)
def test_a_range(since, until):
    found = span(from_=since, to=until)
    assert times(found) == ("2026-05-04T10:00:00+00:00", "2026-05-04T11:00:00+00:00")
    assert (found.period, found.running, found.notes) == ("", False, ())


def test_times_without_an_offset_are_those_of_the_zone():
    found = span("Europe/Berlin", from_="2026-05-04T12:00", to="2026-05-04T13:00")
    assert times(found) == ("2026-05-04T12:00:00+02:00", "2026-05-04T13:00:00+02:00")


@override_settings(TIME_ZONE="Asia/Kolkata")
def test_without_a_zone_it_is_the_servers():
    assert times(span(from_="2026-05-04T15:30"))[0] == "2026-05-04T15:30:00+05:30"


def test_a_range_without_an_end_goes_on_until_now():
    found = span(from_="2026-05-04T12:00")
    assert (found.running, found.until.isoformat()) == (True, "2026-05-04T12:35:00+00:00")


def test_what_ends_in_the_future_ends_now():
    assert span(from_="2026-05-04T12:00", to="2026-05-05").running


def test_an_old_range_is_as_exact_as_what_is_kept():
    found = span(from_="2026-05-01T10:10:10", to="2026-05-04T11:11:11")
    assert times(found) == ("2026-05-01T10:00:00+00:00", "2026-05-04T11:11:20+00:00")
    assert found.notes == (
        "It starts at the boundary of an hour: from then, nothing narrower is kept.",
    )


def test_a_very_old_range_is_whole_days():
    found = span(from_="2025-05-01T10:10", to="2025-05-02T11:00")
    assert times(found) == ("2025-05-01T00:00:00+00:00", "2025-05-03T00:00:00+00:00")
    assert len(found.notes) == 2


@override_settings(LB_TRAFFIC_RETENTION_HOURS={10: 1, 60: 2, 3600: 3, DAY: None})
def test_what_is_kept_is_a_setting():
    assert times(span(period="24h"))[0] == "2026-05-03T00:00:00+00:00"


@pytest.mark.parametrize(
    ("asked", "name", "text"),
    [
        ({"period": "2h"}, "period", "give one of 5m, 30m, 1h, 6h, 24h, 7d, 30d, all."),
        ({"to": "2026-05-04"}, "from", "Give the beginning too"),
        ({"period": "1h", "from_": "2026-05-04"}, "period", "not both"),
        ({"from_": "yesterday"}, "from", "“yesterday” is not a time; give ISO 8601"),
        ({"from_": "2026-13-04"}, "from", "is not a time"),
        ({"from_": "1777888800000"}, "from", "milliseconds; give Unix seconds"),
        ({"from_": "0001-01-01"}, "from", "is out of range"),
        ({"from_": "9999-12-31T23:59-11:00"}, "from", "is out of range"),
        ({"from_": "2026-05-05"}, "from", "2026-05-05T00:00:00+00:00 is not in the past."),
        ({"from_": "2026-05-04", "to": "2026-05-03"}, "from", "is not before the end"),
        ({"from_": "2026-05-04", "to": "2026-05-04"}, "from", "is not before the end"),
        ({"from_": "2026-05-03", "to": "x"}, "to", "“x” is not a time"),
        ({"tz": "Berlin"}, "tz", "“Berlin” is not a time zone; give one such as Europe/Berlin"),
        ({"tz": "../etc/passwd"}, "tz", "is not a time zone"),
        ({"tz": "Europe"}, "tz", "is not a time zone"),
    ],
)
def test_what_makes_no_span_is_named_with_what_to_give(asked, name, text):
    with pytest.raises(BadParameter) as caught:
        span(**asked)
    assert caught.value.name == name
    assert text in str(caught.value)
