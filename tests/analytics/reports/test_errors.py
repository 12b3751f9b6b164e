"""What went wrong, by class and by cause."""

import pytest

from analytics import store
from analytics.reports import Scope, Selection
from analytics.reports.errors import errors_report
from tests.analytics.reports.conftest import NOW

pytestmark = pytest.mark.django_db

AT = int(NOW.timestamp()) - 5


@pytest.fixture
def counted(batch, row):
    rows = [
        row(
            (1000,) * 100,
            status_2xx=80,
            status_4xx=12,
            status_5xx=8,
            client_aborts=2,
            retries=3,
            errors=11,
            connect_errors=4,
            timeouts=3,
            cuts=2,
        ),
        row((1000,) * 10, backend_id=2, backend="b", status_2xx=10),
        row(
            (10,) * 9,
            backend_id=0,
            backend="",
            status_2xx=0,
            status_4xx=3,
            status_5xx=6,
            rejected_rate_limit=3,
            rejected_queue=2,
            rejected_no_backend=4,
        ),
    ]
    store.add([batch(*rows, at=AT)], NOW)


def test_rates_are_of_the_answers_that_clients_got(counted, clock):
    backend = errors_report(clock.last("5m")).backends[0]
    assert (backend.requests, backend.errors, backend.status_4xx) == (98, 8, 10)
    assert backend.rate == pytest.approx(8 / 98, abs=1e-6)
    assert backend.rate_4xx == pytest.approx(10 / 98, abs=1e-6)


def test_tries_that_failed_are_told_by_cause(counted, clock):
    backend = errors_report(clock.last("5m")).backends[0]
    causes = backend.causes
    assert (causes.connect, causes.timeout, causes.cut, causes.bad_response) == (4, 3, 2, 2)
    assert backend.tries_failed == 11


def test_what_the_edge_refused_is_in_the_totals_and_no_backends(counted, clock):
    report = errors_report(clock.last("5m"))
    causes = report.totals.causes
    assert (causes.rejected_rate_limit, causes.rejected_queue) == (3, 2)
    assert causes.rejected_no_backend == 4
    assert report.totals.by_edge == 6
    assert [one.backend for one in report.backends] == ["a", "b"]
    assert all(one.causes.rejected_no_backend == 0 for one in report.backends)


def test_the_series_tells_when(counted, clock):
    series = errors_report(clock.last("5m"), step="10s").series
    assert [point.errors for point in series][-2:] == [0, 14]
    assert series[-1].causes.timeout == 3


def test_those_with_most_errors_first(counted, clock):
    report = errors_report(clock.last("5m"), selection=Selection(top=1))
    assert (report.backend_count, [one.backend for one in report.backends]) == (2, ["a"])
    page = errors_report(clock.last("5m"), selection=Selection(limit=1, offset=1))
    assert [one.backend for one in page.backends] == ["b"]


def test_without_traffic_there_are_no_errors(clock):
    report = errors_report(clock.last("24h"), Scope(pool="shop"))
    assert (report.totals.rate, report.totals.tries_failed, report.backends) == (0, 0, [])
    assert (report.top_paths.noted, report.top_paths.paths) == (0, [])
