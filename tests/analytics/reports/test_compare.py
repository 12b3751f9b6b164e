"""Two times side by side."""

from datetime import timedelta

import pytest

from analytics import store
from analytics.reports import BadParameter, Scope
from analytics.reports.compare import comparison_report
from analytics.reports.sides import parse_sides
from pool.models import Revision
from tests.analytics.reports.conftest import NOW, percentile

pytestmark = pytest.mark.django_db

CHANGE = NOW - timedelta(minutes=20)


def revision(number=7, at=CHANGE):
    return Revision.objects.create(
        number=number, content_hash="x", summary="", snapshot="{}", created_at=at, published_at=at
    )


def compared(clock, scope=Scope(), **asked):  # noqa: B008 - immutable
    return comparison_report(parse_sides(asked, clock), scope)


def change(report, figure):
    return next(one for one in report.changes if one.figure == figure)


@pytest.fixture
def worse(batch, row):
    """Slower and with more errors since the change, and b gets more than it did."""
    for minute in range(1, 40):
        at = NOW - timedelta(minutes=minute)
        after = at > CHANGE
        slow = 3 if after else 1
        rows = [
            row(
                tuple(slow * us for us in range(1000, 61_000, 1000)),
                status_2xx=55 if after else 60,
                status_5xx=5 if after else 0,
            ),
            row((20_000 * slow,) * (60 if after else 20), backend_id=2, backend="b"),
        ]
        store.add([batch(*rows, at=int(at.timestamp()))], NOW)


def test_before_and_after_a_revision(worse, clock):
    revision()
    report = compared(clock, revision="7")
    assert (report.revision, report.notes) == (7, ())
    before, after = report.before, report.after
    assert before.until <= CHANGE < after.since
    assert after.since - before.until == timedelta(seconds=10)  # the bucket of the change itself
    assert before.seconds == after.seconds
    assert timedelta(minutes=19) < after.until - after.since <= timedelta(minutes=21)
    assert (before.errors, after.errors) == (0, 5 * 19)


def test_what_got_worse_is_called_so(worse, clock):
    revision()
    report = compared(clock, revision="7")
    for figure in ("error_rate", "p50_ms", "p95_ms", "p99_ms"):
        assert change(report, figure).judgment == "worse", figure
    assert change(report, "requests_per_second").judgment == "not judged"
    slowest = [us for us in range(1000, 61_000, 1000) for _ in range(19)]
    values = sorted([3 * us for us in slowest] + [60_000] * 60 * 19)
    assert change(report, "p95_ms").after == pytest.approx(
        percentile(values, 0.95) / 1000, rel=0.05
    )


def test_the_other_way_round_it_got_better(worse, clock):
    edge = CHANGE.isoformat()
    sides = {
        "a": f"{edge}/{NOW.isoformat()}",
        "b": f"{(NOW - timedelta(minutes=40)).isoformat()}/{edge}",
    }
    report = compared(clock, **sides)
    assert {one.judgment for one in report.changes[1:]} == {"better"}


def test_shares_that_changed_are_told(worse, clock):
    revision()
    shares = {one.backend: one for one in compared(clock, revision="7").backends}
    assert (shares["b"].before, shares["b"].after) == (0.25, 0.5)
    assert (shares["b"].absolute, shares["b"].relative) == (0.25, 1.0)
    assert shares["b"].judgment == "changed"


def test_one_backend_keeps_its_share_of_the_whole(worse, clock):
    revision()
    report = compared(clock, Scope(backend="b"), revision="7")
    assert [(one.backend, one.after) for one in report.backends] == [("b", 0.5)]
    assert report.after.errors == 0


def test_what_did_not_change_is_not_judged_by_chance(batch, row, clock):
    for second in range(5, 2400, 10):
        at = int(NOW.timestamp()) - second
        store.add([batch(row((1000, 2000, 5000)), row(backend_id=2, backend="b"), at=at)], NOW)
    report = compared(clock, period="30m")
    assert {one.judgment for one in report.changes} <= {
        *("not judged", "no clear change", "too few to tell")
    }
    assert {one.judgment for one in report.backends} == {"no clear change"}


@pytest.mark.parametrize(
    ("before", "after", "judgment"),
    [
        (1000, 1060, "too small to matter"),
        (1000, 1900, "too small to matter"),
        (1000, 3000, "worse"),
        (3000, 1000, "better"),
        (102_000, 104_000, "too small to matter"),  # of neighbouring buckets
        (100_000, 120_000, "worse"),
    ],
)
def test_a_clear_change_of_latency_has_to_matter(batch, row, clock, before, after, judgment):
    edge = NOW - timedelta(minutes=30)
    for minute in range(1, 59):
        at = NOW - timedelta(minutes=minute)
        us = before if at < edge else after
        store.add([batch(row((us,) * 60), at=int(at.timestamp()))], NOW)
    assert change(compared(clock, period="30m"), "p50_ms").judgment == judgment


def test_a_period_is_compared_with_what_was_before_it(clock):
    report = compared(clock, period="1h")
    assert report.before.until == report.after.since
    assert report.before.seconds == report.after.seconds == report.after.seconds
    assert not report.before.running
    assert report.after.running


def test_without_traffic_there_are_too_few_to_tell(clock):
    report = compared(clock)
    assert {one.judgment for one in report.changes[1:]} == {"too few to tell"}
    assert change(report, "p50_ms").before is None


def test_the_window_says_how_long(clock):
    revision(at=NOW - timedelta(days=2))
    report = compared(clock, revision="7", window="6h")
    assert report.before.seconds == report.after.seconds == 6 * 3600


def test_other_revisions_in_the_time_are_named(clock):
    revision()
    revision(8, CHANGE + timedelta(minutes=5))
    assert compared(clock, revision="7").notes == (
        "What changed may be due to other revisions of this time, too: 8.",
    )


def test_what_overlaps_or_is_not_equally_long_is_said(clock):
    notes = compared(clock, a="1h", b="5m").notes
    assert len(notes) == 2
    assert "overlap" in notes[1]


@pytest.mark.parametrize(
    ("asked", "name", "text"),
    [
        ({"revision": "9"}, "revision", "There is no revision “9”; the newest is 7."),
        ({"revision": "x"}, "revision", "There is no revision “x”"),
        ({"revision": "7", "window": "long"}, "window", "give one such as 15m, 1h or 7d."),
        ({"revision": "7", "period": "1h"}, "revision", "Give one of revision and period only"),
        ({"a": "1h"}, "b", "Give both"),
        ({"b": "1h"}, "a", "Give both"),
        ({"a": "2h", "b": "1h"}, "a", "is no time to compare; give FROM/TO"),
        ({"a": "1h", "b": "x/y"}, "b", "“x” is not a time"),
        ({"period": "all"}, "period", "There is nothing before everything"),
    ],
)
def test_what_cannot_be_compared_is_named(clock, asked, name, text):
    revision()
    with pytest.raises(BadParameter) as caught:
        compared(clock, **asked)
    assert caught.value.name == name
    assert text in str(caught.value)


def test_nothing_is_compared_with_a_revision_of_this_moment(clock):
    revision(at=NOW)
    with pytest.raises(BadParameter, match="Nothing is counted after revision 7 yet"):
        compared(clock, revision="7")
