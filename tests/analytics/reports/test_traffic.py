"""The traffic report, checked against numbers that are computed without it."""

import random
import statistics
from datetime import UTC, datetime, timedelta
from math import ceil

import msgspec
import pytest

from analytics import reports, store
from analytics.reports.figures import Latency
from pool.bus import TrafficBatch, TrafficSecond
from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, 34, 56, tzinfo=UTC)
PERIODS = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21600, "24h": 86400, "all": None}


def ago(seconds):
    return int((NOW - timedelta(seconds=seconds)).timestamp())


def report(period="1h", **scope):
    span = reports.Clock.read(now=NOW).last(period)
    return reports.traffic_report(span, reports.Scope(**scope), step=None)


def test_without_traffic_there_are_zeros_and_no_latency():
    empty = report()
    assert (empty.totals.requests, empty.totals.successes, empty.totals.errors) == (0, 0, 0)
    assert empty.totals.latency_ms is None
    assert empty.backends == []


def test_one_request(batch, row):
    store.add([batch(row((1500,)), at=ago(5))], NOW)
    found = report()
    assert found.totals.requests == found.totals.successes == 1
    assert found.totals.latency_ms == Latency(*[1.5] * 8)
    (backend,) = found.backends
    assert (backend.pool, backend.backend, backend.share) == ("shop", "a", 1.0)


def test_errors_are_the_answers_of_500_and_more(batch, row):
    mixed = row(
        (10,) * 10,
        status_1xx=1,
        status_2xx=3,
        status_3xx=1,
        status_4xx=2,
        status_5xx=3,
        errors=7,
        retries=4,
    )
    store.add([batch(mixed, at=ago(5))], NOW)
    totals = report().totals
    assert (totals.requests, totals.successes, totals.errors) == (10, 7, 3)


def test_requests_whose_client_went_away_are_no_answers(batch, row):
    gone = row((10,) * 10, status_2xx=8, status_4xx=2, client_aborts=2)
    store.add([batch(gone, at=ago(5))], NOW)
    totals = report().totals
    assert (totals.requests, totals.successes, totals.client_aborts) == (8, 8, 2)


def test_what_the_edge_answered_itself_is_in_the_totals_only(batch, row):
    by_edge = row((5, 5), backend_id=0, backend="", status_2xx=0, status_5xx=2)
    no_route = row((5,), route_id=0, pool_id=0, pool="", backend_id=0, backend="", status_2xx=0)
    store.add([batch(row((10,)), by_edge, no_route, at=ago(5))], NOW)
    found = report()
    assert (found.totals.requests, found.totals.errors) == (4, 2)
    assert found.totals.answered_by_edge == 3
    assert [(one.backend, one.requests, one.share) for one in found.backends] == [("a", 1, 1.0)]


def test_shares_are_of_the_requests_that_reached_a_backend(batch, row):
    rows = [
        row((1,) * 6, backend_id=1, backend="a"),
        row((1,) * 3, backend_id=2, backend="b"),
        row((1,) * 1, backend_id=3, backend="c"),
        row((1,) * 5, backend_id=0, backend=""),
    ]
    store.add([batch(*rows, at=ago(5))], NOW)
    assert {one.backend: one.share for one in report().backends} == {"a": 0.6, "b": 0.3, "c": 0.1}


def test_routes_to_one_backend_are_added_up(batch, row):
    store.add([batch(row((1,), route_id=1), row((2, 3), route_id=2), at=ago(5))], NOW)
    (backend,) = report().backends
    assert (backend.requests, backend.latency_ms.max) == (3, 0.003)


def test_a_backend_that_was_deleted_and_made_again_is_one_row(batch, row):
    store.add([batch(row(backend_id=1), row(backend_id=9), at=ago(5))], NOW)
    assert [one.requests for one in report().backends] == [2]


def test_one_pool(batch, row):
    other = row((1, 1), pool_id=2, pool="blog", backend_id=2, backend="b")
    unavailable = row((1,), pool_id=2, pool="blog", backend_id=0, backend="")
    store.add([batch(row((1,)), other, unavailable, at=ago(5))], NOW)
    found = report(pool="blog")
    assert [(one.pool, one.backend, one.share) for one in found.backends] == [("blog", "b", 1.0)]
    assert (found.totals.requests, found.totals.answered_by_edge) == (3, 1)


def test_one_backend_keeps_its_share_of_the_whole(batch, row):
    rows = [row((1,) * 3), row((1,), backend_id=2, backend="b"), row(backend_id=0, backend="")]
    store.add([batch(*rows, at=ago(5))], NOW)
    found = report(backend="b")
    assert (found.totals.requests, found.totals.answered_by_edge) == (1, 0)
    assert [(one.backend, one.share) for one in found.backends] == [("b", 0.25)]


@pytest.mark.parametrize(("period", "seconds"), PERIODS.items())
def test_a_period_reaches_back_as_far_as_it_says(batch, period, seconds):
    ages = [0, 1, 290, 1790, 3590, 21_500, 86_300, 90_000, 86_400 * 400]
    for age in ages:
        store.add([batch(at=ago(age))], NOW)
    expected = sum(1 for age in ages if seconds is None or age < seconds)
    assert report(period).totals.requests == expected


@pytest.mark.parametrize(("period", "seconds"), list(PERIODS.items())[:-1])
def test_a_period_starts_at_a_bucket_and_counts_nothing_before_it(batch, period, seconds):
    since = report(period).since
    granularity = 10 if seconds <= 3600 else 60
    assert timedelta(0) <= NOW - timedelta(seconds=seconds) - since < timedelta(seconds=granularity)
    start = int(since.timestamp())
    store.add([batch(at=start - 1), batch(at=start), batch(at=start + 1)], NOW)
    assert report(period).totals.requests == 2


def test_everything_has_no_start():
    assert report("all").since is None


def test_extremes_that_a_killed_edge_did_not_leave_are_estimated(batch, row, times):
    unknown = msgspec.structs.replace(times((1000,)), min=0, max=0)
    store.add([batch(row((1000,), total=unknown), at=ago(5))], NOW)
    latency = report().totals.latency_ms
    assert latency.min == pytest.approx(1, rel=0.07)
    assert latency.max == pytest.approx(1, rel=0.07)


def _random_day(row, generator):
    """Batches of a day's traffic, and the requests that they tell of, one by one."""
    batches, requests = [], []
    for seq in range(1, 401):
        at = ago(generator.choice([200, 1500, 3000, 20_000, 80_000]) * generator.random())
        rows = []
        for backend_id, backend in ((0, ""), (1, "a"), (2, "b"), (3, "c")):
            count = generator.randrange(4)
            durations = tuple(int(generator.lognormvariate(9, 1.5)) + 1 for _ in range(count))
            failed = generator.randrange(count + 1)
            fields = {"status_2xx": count - failed, "status_5xx": failed}
            rows.append(row(durations, backend_id=backend_id, backend=backend, **fields))
            requests += [(at, backend, us, number < failed) for number, us in enumerate(durations)]
        seconds = [TrafficSecond(at=at, rows=rows)]
        batches.append(TrafficBatch(source="e", seq=seq, seconds=seconds))
    return batches, requests


@pytest.mark.parametrize("period", PERIODS)
def test_numbers_agree_with_those_computed_from_the_single_requests(row, period):
    batches, requests = _random_day(row, random.Random(7))
    for start in range(0, len(batches), 37):
        store.add(batches[start : start + 37], NOW)
    found = report(period)
    if found.since is not None:
        requests = [one for one in requests if one[0] >= found.since.timestamp()]
    assert len(requests) > 50
    _check(found.totals, requests)
    assert found.totals.answered_by_edge == sum(1 for one in requests if one[1] == "")
    reached = [one for one in requests if one[1]]
    assert [one.backend for one in found.backends] == ["a", "b", "c"]
    for one in found.backends:
        own = [request for request in requests if request[1] == one.backend]
        _check(one, own)
        assert one.share == pytest.approx(len(own) / len(reached), abs=1e-6)


def _check(summary, requests):
    durations = sorted(us / 1000 for _, _, us, _ in requests)
    assert summary.requests == len(requests)
    assert summary.errors == sum(1 for *_, failed in requests if failed)
    assert summary.successes == summary.requests - summary.errors
    latency = summary.latency_ms
    assert latency.avg == pytest.approx(statistics.fmean(durations), abs=0.001)
    assert (latency.min, latency.max) == (durations[0], durations[-1])
    for q, estimate in ((0.5, latency.p50), (0.95, latency.p95), (0.99, latency.p99)):
        exact = durations[ceil(q * len(durations)) - 1]
        assert estimate == pytest.approx(exact, rel=0.05)


def test_a_report_is_a_few_queries_however_much_there_is(batch, row, django_assert_num_queries):
    for age in (1, 100, 5000, 50_000):
        rows = [row(backend_id=n, backend=f"b{n}") for n in range(1, 20)]
        store.add([batch(*rows, at=ago(age))], NOW)
    with django_assert_num_queries(4):  # sums, and whose they are: of pools and of backends
        report("24h")


def test_names_are_those_configured_and_those_seen(batch, row):
    pool = Pool.objects.create(name="new")
    Backend.objects.create(pool=pool, name="fresh", url="http://h:80")
    store.add([batch(row(), row(backend_id=0, backend=""), row(pool="", backend=""))], NOW)
    assert reports.pool_names() == ["new", "shop"]
    assert reports.backend_names() == ["a", "fresh"]
    assert reports.backend_names("new") == ["fresh"]
