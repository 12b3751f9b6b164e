"""Percentiles and heat maps, against those of the sorted single requests."""

import statistics

import pytest

from analytics import store
from analytics.reports import Scope
from analytics.reports.heat import cells, draw
from analytics.reports.latency import latency_report
from proxy.core.histogram import bucket_index
from tests.analytics.reports.conftest import NOW, percentile

pytestmark = pytest.mark.django_db

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def check(latency, values):
    assert latency.avg == pytest.approx(statistics.fmean(values) / 1000, abs=0.001)
    assert (latency.min, latency.max) == (min(values) / 1000, max(values) / 1000)
    for name, q in QUANTILES.items():
        assert getattr(latency, name) == pytest.approx(percentile(values, q) / 1000, rel=0.05)


@pytest.mark.parametrize("period", ["1h", "24h", "30d", "all"])
@pytest.mark.parametrize("scope", [Scope(), Scope(pool="shop"), Scope(backend="b")], ids=str)
def test_percentiles_are_those_of_the_single_requests(make_log, clock, period, scope):
    log, span = make_log(40, count=300), clock.last(period)
    report = latency_report(span, scope)
    requests = log.within(span, scope)
    check(report.totals.total, [one.us for one in requests])
    reached = [one.first_byte for one in requests if one.backend]
    check(report.totals.first_byte, reached)
    assert report.totals.connect is report.totals.queue is None
    assert {one.backend for one in report.backends} == {one.backend for one in requests} - {""}
    for backend in report.backends:
        own = [one for one in requests if one.backend == backend.backend]
        check(backend.total, [one.us for one in own])
        check(backend.first_byte, [one.first_byte for one in own])


def test_each_point_has_its_own_percentiles(make_log, clock):
    log, span = make_log(1, count=300), clock.last("24h")
    report = latency_report(span, step="6h")
    assert len(report.series) == 5
    for point in report.series[:-1]:
        start = point.at.timestamp()
        own = [one.us for one in log.requests if start <= one.at < start + point.seconds]
        check(point.latency_ms, own)


def test_the_series_is_of_the_kind_that_is_asked_for(batch, row, times, clock):
    one = row((1000,), first_byte=times([400]), connect=times([]), queue=times([200]))
    store.add([batch(one, at=int(NOW.timestamp()) - 5)], NOW)
    span = clock.last("5m")
    for kind, expected in (("total", 1.0), ("first_byte", 0.4), ("queue", 0.2), ("connect", None)):
        last = latency_report(span, step="10s", kind=kind).series[-1].latency_ms
        assert (last and last.max) == expected


def test_without_traffic_nothing_was_timed(clock):
    report = latency_report(clock.last("1h"))
    assert report.totals.total is None
    assert (report.backends, report.heat_map.rows, report.heat_map.counts) == ([], [], [])
    assert all(point.latency_ms is None for point in report.series)


def test_one_request_is_all_percentiles(batch, row, clock):
    store.add([batch(row((1500,)), at=int(NOW.timestamp()) - 5)], NOW)
    report = latency_report(clock.last("5m"))
    assert {getattr(report.totals.total, name) for name in QUANTILES} == {1.5}
    assert [sum(row) for row in report.heat_map.counts] == [1]


@pytest.mark.parametrize(("low", "high"), [(100, 110), (1, 10**9), (1000, 1_000_000), (5, 5)])
def test_a_heat_map_has_rows_without_gaps_and_not_too_many(low, high):
    counts = {bucket_index(low): 2, bucket_index(high): 3}
    heat = draw([NOW], [counts])
    assert 1 <= len(heat.rows) <= 41
    assert heat.rows[0].low_ms <= low / 1000 < heat.rows[0].high_ms
    assert heat.rows[-1].low_ms <= high / 1000 < heat.rows[-1].high_ms
    for row, above in zip(heat.rows, heat.rows[1:], strict=False):
        assert row.high_ms == above.low_ms
    assert sum(cell.requests for cell in cells(heat)) == sum(counts.values())
