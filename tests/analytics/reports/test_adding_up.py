"""However a span is cut, and whatever level it is read from, the numbers are the same."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.aggregate import KINDS, sum_of
from analytics.levels import LEVELS, Segment
from analytics.reports import BadParameter, Clock, Scope, Selection, rollups
from analytics.reports.bins import AUTO, WIDTHS
from analytics.reports.errors import errors_report
from analytics.reports.latency import latency_report
from analytics.reports.scope import EDGE
from analytics.reports.traffic import traffic_report
from tests.analytics.reports.conftest import NOW

pytestmark = pytest.mark.django_db

DAYS = 120
SECONDS = int(timedelta(days=DAYS).total_seconds())
SCOPES = [Scope(), Scope(pool="shop"), Scope(backend="b"), Scope(route=2), Scope("blog", route=1)]
COUNTS = ("requests", "successes", "errors", "client_aborts", "bytes_in", "bytes_out")
STATUSES = tuple(f"status_{group}xx" for group in range(1, 6))

ages = st.one_of(st.integers(0, SECONDS), st.integers(0, 100_000), st.integers(0, 20_000))
spans = st.one_of(
    st.sampled_from(["5m", "30m", "1h", "6h", "24h", "7d", "30d", "all"]),
    st.tuples(ages, ages).filter(lambda pair: pair[0] != pair[1]),
)


def span_of(asked, zone):
    clock = Clock.read(zone, NOW)
    if isinstance(asked, str):
        return clock.last(asked)
    early, late = sorted((NOW - timedelta(seconds=age)).timestamp() for age in asked)
    return clock.between(early, late)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    asked=spans,
    step=st.sampled_from([AUTO, *WIDTHS]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
    scope=st.sampled_from(SCOPES),
)
def test_series_add_up_to_totals_and_both_to_the_requests(log, asked, step, zone, scope):
    span = span_of(asked, zone)
    try:
        report = traffic_report(span, scope, step)
    except BadParameter:
        return
    requests = log.within(span, scope)
    for name in (*COUNTS, *STATUSES):
        total = getattr(report.totals, name)
        assert sum(getattr(point, name) for point in report.series) == total, name
    assert report.totals.requests == sum(not one.aborted for one in requests)
    assert report.totals.errors == sum(one.status >= 500 for one in requests)
    assert report.totals.status_4xx == sum(one.status == 404 for one in requests)
    assert report.totals.client_aborts == sum(one.aborted for one in requests)
    _each_point_has_its_requests(report, requests)


def _each_point_has_its_requests(report, requests):
    starts = [point.at.timestamp() for point in report.series]
    ends = [*starts[1:], float("inf")]
    for point, start, end in zip(report.series, starts, ends, strict=True):
        own = [one for one in requests if start <= one.at < end]
        assert point.requests == sum(not one.aborted for one in own)
        if own:
            assert point.max_ms == max(one.us for one in own) / 1000


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(asked=spans, step=st.sampled_from([AUTO, "5m", "1h", "1d"]), scope=st.sampled_from(SCOPES))
def test_latencies_and_the_heat_map_have_each_request_once(log, asked, step, scope):
    span = span_of(asked, "UTC")
    try:
        report = latency_report(span, scope, step)
    except BadParameter:
        return
    requests = log.within(span, scope)
    assert sum(sum(row) for row in report.heat_map.counts) == len(requests)
    for column, point in enumerate(report.series):
        counted = sum(row[column] for row in report.heat_map.counts)
        end = point.at + timedelta(seconds=point.seconds)
        last = point is report.series[-1]
        own = [one for one in requests if point.at.timestamp() <= one.at]
        own = own if last else [one for one in own if one.at < end.timestamp()]
        assert counted == len(own)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_all_levels_tell_the_same(log, scope):
    backends = rollups.find_backends(scope)
    for read, what in (
        (rollups.sums, backends),
        (rollups.sums_of_pools, scope),
        (rollups.totals, scope),
    ):
        found = [read([Segment(step, 0, None)], what, ("total",)) for step in LEVELS]
        assert found[0]
        assert all(one == found[0] for one in found)


@pytest.mark.parametrize("step", LEVELS)
@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_pools_tell_the_same_as_their_backends(log, scope, step):
    segments = [Segment(step, 0, None)]
    backends = rollups.find_backends(scope)
    sums = rollups.sums(segments, backends, KINDS, histograms=True)
    totals = rollups.totals(segments, scope, KINDS, histograms=True)
    assert totals.whole == sum_of([*sums.values()])
    assert totals.by_edge == sum_of([one for name, one in sums.items() if name.backend == EDGE])
    assert totals.whole.total.histogram


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("report", [traffic_report, errors_report, latency_report])
def test_pages_are_parts_of_the_whole(log, clock, report, limit):
    span = clock.last("30d")
    whole = report(span, step=None)
    pages = [
        report(span, step=None, selection=Selection(limit, offset))
        for offset in range(0, whole.backend_count, limit)
    ]
    assert [one for page in pages for one in page.backends] == whole.backends
    assert {(page.backend_count, page.totals) for page in pages} == {
        (len(whole.backends), whole.totals)
    }


@pytest.mark.parametrize("report", [traffic_report, errors_report, latency_report])
def test_the_first_by_rank_are_rows_of_the_whole(log, clock, report):
    span = clock.last("30d")
    whole = report(span, step=None)
    top = report(span, step=None, selection=Selection(top=2))
    assert len(top.backends) == 2
    assert all(one in whole.backends for one in top.backends)
    assert (top.backend_count, top.totals) == (whole.backend_count, whole.totals)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_errors_and_traffic_tell_the_same(log, scope, clock):
    span = clock.last("24h")
    traffic, errors = traffic_report(span, scope), errors_report(span, scope)
    for one, other in ((traffic.totals, errors.totals), *zip(traffic.series, errors.series)):  # noqa: B905
        assert (one.requests, one.errors, one.status_4xx) == (
            other.requests,
            other.errors,
            other.status_4xx,
        )


def test_routes_add_up_to_everything(log, clock):
    span = clock.last("all")
    parts = Counter()
    for route in (0, 1, 2):
        totals = traffic_report(span, Scope(route=route), None).totals
        parts.update(requests=totals.requests, errors=totals.errors)
    whole = traffic_report(span, step=None).totals
    assert parts == {"requests": whole.requests, "errors": whole.errors}


@pytest.fixture
def log(make_log):
    return make_log(DAYS)
