"""Counters: exact, and never going back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import store
from analytics.ingest import prune
from analytics.levels import RETENTION_HOURS
from analytics.metrics.traffic import _BOUNDS, cumulated
from proxy.core.histogram import LIMIT, bucket_index, merge

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, 34, 56, tzinfo=UTC)


def count(*batches):
    store.add(list(batches), NOW)


def test_requests_are_told_apart_by_the_class_of_their_status(shop, batch, row, scrape):
    count(batch(row((10,) * 6, status_1xx=0, status_2xx=3, status_4xx=2, status_5xx=1)))
    found = scrape()
    codes = {
        code: found.get("lb_requests_total", pool="shop", backend="a", code=code)
        for code in ("1xx", "2xx", "3xx", "4xx", "5xx")
    }
    assert codes == {"1xx": 0, "2xx": 3, "3xx": 0, "4xx": 2, "5xx": 1}


def test_routes_to_a_pool_and_workers_of_all_edges_add_up(shop, batch, row, scrape):
    count(batch(row(route_id=1), row(route_id=2), source="edge-1"), batch(row(), source="edge-2"))
    assert scrape().get("lb_requests_total", pool="shop", backend="a", code="2xx") == 3


def test_what_the_edge_answered_itself_has_no_backend(shop, batch, row, scrape):
    refused = row(
        (5,) * 6,
        backend_id=0,
        backend="",
        status_2xx=0,
        status_4xx=1,
        status_5xx=5,
        rejected_rate_limit=1,
        rejected_queue=2,
        rejected_no_backend=3,
    )
    unrouted = row(
        route_id=0, pool_id=0, pool="", backend_id=0, backend="", status_2xx=0, status_4xx=1
    )
    count(batch(refused, unrouted))
    found = scrape()
    assert found.get("lb_requests_total", pool="shop", code="5xx") == 5
    assert found.get("lb_requests_total", code="4xx") == 1
    reasons = ("rate_limit", "queue", "no_backend")
    assert [found.get("lb_rejected_total", pool="shop", reason=one) for one in reasons] == [1, 2, 3]


def test_errors_are_told_apart_by_their_cause(shop, batch, row, scrape):
    count(batch(row(errors=10, connect_errors=4, timeouts=3, cuts=2, retries=5, hedges=6)))
    found = scrape()
    causes = {
        cause: found.get("lb_errors_total", pool="shop", backend="a", cause=cause)
        for cause in ("connect", "timeout", "cut", "other")
    }
    assert causes == {"connect": 4, "timeout": 3, "cut": 2, "other": 1}
    assert found.get("lb_retries_total", pool="shop", backend="a") == 5
    assert found.get("lb_hedges_total", pool="shop", backend="a") == 6


def test_bytes_both_ways_and_clients_that_went_away(shop, batch, row, scrape):
    count(batch(row(bytes_in=123, bytes_out=45678, client_aborts=1)))
    found = scrape()
    assert found.get("lb_request_bytes_total", pool="shop", backend="a") == 123
    assert found.get("lb_response_bytes_total", pool="shop", backend="a") == 45678
    assert found.get("lb_client_aborts_total", pool="shop", backend="a") == 1


def test_durations_are_a_histogram_in_seconds(shop, batch, row, scrape):
    durations = (100, 1_500, 40_000, 40_000, 90_000_000)
    count(batch(row(durations)))
    found = scrape()
    labels = {"pool": "shop", "backend": "a"}

    def shorter(le):
        return found.get("lb_request_duration_seconds_bucket", le=le, **labels)

    assert shorter("0.000256") == 1
    assert shorter("0.002048") == 2
    assert (shorter("0.032768"), shorter("0.065536")) == (2, 4)
    assert (shorter("33.554432"), shorter("+Inf")) == (4, 5)
    assert found.get("lb_request_duration_seconds_count", **labels) == 5
    assert found.get("lb_request_duration_seconds_sum", **labels) == sum(durations) / 1e6


@pytest.mark.parametrize("bound", _BOUNDS)
def test_the_bounds_cut_no_bucket_in_two(bound):
    assert bucket_index(bound) == bucket_index(bound - 1) + 1


@given(st.lists(st.integers(0, 2 * LIMIT)))
def test_each_bound_counts_what_is_shorter(durations):
    histogram = merge({bucket_index(us): 1} for us in durations)
    exact = [sum(us < bound for us in durations) for bound in _BOUNDS]
    assert cumulated(histogram) == [*exact, len(durations)]


def test_counters_never_go_back(shop, batch, row, redis_client, scrape):
    """Whatever is repeated, late, restarted or pruned."""
    seen = scrape().counters()
    late = int((NOW - timedelta(days=500)).timestamp())
    first = batch(row(), at=int(NOW.timestamp()))
    for step in (
        lambda: count(first),
        lambda: count(first),
        lambda: count(batch(row(), at=late)),
        lambda: prune(redis_client, RETENTION_HOURS, NOW + timedelta(days=900)),
        redis_client.flushall,
        lambda: count(batch(row(), source="edge-1-restarted", seq=1)),
    ):
        step()
        now = scrape().counters()
        assert all(now[key] >= value for key, value in seen.items())
        seen = now
    assert scrape().get("lb_requests_total", pool="shop", backend="a", code="2xx") == 3


def test_a_configured_backend_is_there_with_zeros(shop, scrape):
    assert scrape().get("lb_requests_total", pool="shop", backend="b", code="5xx") == 0


def test_what_was_deleted_is_not_told_for_ever(shop, batch, row, scrape):
    count(batch(row(backend_id=9, backend="gone"), row(pool_id=9, pool="old")))
    found = scrape()
    assert found.get("lb_requests_total", pool="shop", backend="gone", code="2xx") is None
    assert found.get("lb_requests_total", pool="old", backend="a", code="2xx") is None


def test_a_scrape_asks_the_database_three_times(shop, scrape, django_assert_num_queries):
    with django_assert_num_queries(3):
        scrape()
