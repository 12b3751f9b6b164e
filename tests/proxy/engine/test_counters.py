"""What is counted at the end of a request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pool.bus import TrafficRow, TrafficTimes
from proxy.core.configuration import Configuration
from proxy.core.histogram import bucket_index
from proxy.core.routing import Route
from proxy.engine.counters import Counters
from proxy.engine.reading import read
from proxy.engine.row_names import RowName
from proxy.errors import (
    BackendReset,
    BadRequest,
    Cause,
    ConnectFailed,
    ConnectTimeout,
    DeadlineExceeded,
    NoBackend,
    NoRoom,
    NoRoute,
    QueueTimeout,
    RateLimited,
    ResponseCut,
    ResponseTimeout,
    TryTimeout,
    UnwantedStatus,
)


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[Counters]:
    counters = Counters(tmp_path / "worker.board")
    yield counters
    counters.board.close(delete=True)


@pytest.fixture
def route(configuration: Configuration) -> Route:
    route = configuration.router.match(b"any", b"/")
    assert route is not None
    return route


def count(
    counters: Counters,
    route: Route,
    *,
    backend: int = 1,
    status: int = 200,
    attempts: int = 1,
    duration: int = 1000,
    first_byte: int = 1000,
    aborted: bool = False,
) -> None:
    counters.request(
        route,
        route.pool.backends[backend],
        status,
        attempts=attempts,
        bytes_in=10,
        bytes_out=20,
        duration=duration,
        first_byte=first_byte,
        aborted=aborted,
    )


def row_of(counters: Counters, backend: str, route_id: int = 3) -> TrafficRow:
    board = counters.board
    ((name, row),) = (
        (name, row)
        for name, row in board.rows.items()
        if (name.backend, name.route_id) == (backend, route_id)
    )
    found = read(name, row, board.live, row.live)
    assert found is not None
    return found


def times(*values: int) -> TrafficTimes:
    histogram: dict[int, int] = {}
    for us in values:
        bucket = bucket_index(us)
        histogram[bucket] = histogram.get(bucket, 0) + 1
    return TrafficTimes(sum(values), min(values), max(values), histogram)


def test_a_request_is_counted_for_its_route_and_backend(counters: Counters, route: Route) -> None:
    for duration in (3000, 1000, 2000):
        count(counters, route, duration=duration, first_byte=duration)
    count(counters, route, backend=2)
    assert list(counters.board.rows)[1:] == [
        RowName(route_id=3, pool_id=7, pool="shop", backend_id=1, backend="a"),
        RowName(route_id=3, pool_id=7, pool="shop", backend_id=2, backend="b"),
    ]
    row = row_of(counters, "a")
    assert row.requests == row.status_2xx == 3
    assert (row.bytes_in, row.bytes_out) == (30, 60)
    assert row.total == row.first_byte == times(1000, 2000, 3000)
    assert row.queue == row.connect == TrafficTimes()
    assert counters.requests == 4


def test_the_first_byte_is_told_apart_from_the_end(counters: Counters, route: Route) -> None:
    count(counters, route, duration=5000, first_byte=1000)
    count(counters, route, duration=700, first_byte=700)
    count(counters, route, duration=90_000, first_byte=0)
    row = row_of(counters, "a")
    assert row.total == times(700, 5000, 90_000)
    assert (row.first_byte.sum, row.first_byte.max) == (1700, 1000)
    assert row.first_byte.histogram == times(0, 700, 1000).histogram


def test_a_request_without_a_response_has_no_first_byte(counters: Counters, route: Route) -> None:
    count(counters, route, status=502, first_byte=-1)
    row = row_of(counters, "a")
    assert (row.total, row.first_byte) == (times(1000), TrafficTimes())


def test_waits_for_a_place_and_new_connections_are_counted(
    counters: Counters, route: Route
) -> None:
    backend = route.pool.backends[1]
    for us in (200, 300):
        counters.queued(route, backend, us)
        counters.connected(route, backend, 10 * us)
    counters.queued(route, None, 9999)
    row = row_of(counters, "a")
    assert (row.queue, row.connect, row.requests) == (times(200, 300), times(2000, 3000), 0)
    assert row_of(counters, "").queue == times(9999)


def test_a_wait_of_no_time_is_a_wait(counters: Counters, route: Route) -> None:
    counters.queued(route, route.pool.backends[1], 0)
    assert row_of(counters, "a").queue.histogram == {0: 1}


@pytest.mark.parametrize("status", [101, 204, 304, 404, 503])
def test_each_status_belongs_to_its_class(counters: Counters, route: Route, status: int) -> None:
    count(counters, route, status=status)
    row = row_of(counters, "a")
    classes = [getattr(row, f"status_{family}xx") for family in (1, 2, 3, 4, 5)]
    assert classes == [int(family == status // 100) for family in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("status", [600, 799, 999])
def test_a_status_outside_of_all_classes_is_a_server_error(
    counters: Counters, route: Route, status: int
) -> None:
    """RFC 9110 §15; and it must not end up in another counter."""
    count(counters, route, status=status)
    row = row_of(counters, "a")
    assert (row.requests, row.status_5xx) == (1, 1)
    assert row.errors == row.retries == row.client_aborts == 0
    assert row.bytes_in == 10


def test_a_client_that_went_away_is_counted_as_such(counters: Counters, route: Route) -> None:
    count(counters, route, status=499, aborted=True)
    row = row_of(counters, "a")
    assert (row.requests, row.client_aborts, row.errors) == (1, 1, 0)


def test_a_backend_that_answers_499_has_an_answer_like_any_other(
    counters: Counters, route: Route
) -> None:
    count(counters, route, status=499)
    row = row_of(counters, "a")
    assert (row.requests, row.client_aborts, row.status_4xx) == (1, 0, 1)


def test_a_retried_request_counts_once_where_it_ended(counters: Counters, route: Route) -> None:
    counters.failed_try(route, route.pool.backends[1], BackendReset.cause)
    count(counters, route, backend=2, attempts=2)
    failed, served = row_of(counters, "a"), row_of(counters, "b")
    assert (failed.requests, failed.errors) == (0, 1)
    assert (served.requests, served.retries, served.errors) == (1, 1, 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectFailed, "connect_errors"),
        (ConnectTimeout, "connect_errors"),
        (ResponseTimeout, "timeouts"),
        (TryTimeout, "timeouts"),
        (DeadlineExceeded, "timeouts"),
        (ResponseCut, "cuts"),
        (BackendReset, ""),
        (UnwantedStatus, ""),
    ],
)
def test_an_error_is_of_one_kind_at_most(
    counters: Counters, route: Route, error: type[Exception], kind: str
) -> None:
    counters.failed_try(route, route.pool.backends[1], error.cause)  # type: ignore[attr-defined]
    row = row_of(counters, "a")
    kinds = {name for name in ("connect_errors", "timeouts", "cuts") if getattr(row, name)}
    assert (row.errors, kinds) == (1, {kind} if kind else set())


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (RateLimited.cause, "rate_limit"),
        (NoRoom.cause, "queue"),
        (QueueTimeout.cause, "queue"),
        (NoBackend.cause, "no_backend"),
        (BackendReset.cause, ""),
    ],
)
def test_what_the_edge_rejects_is_counted_by_its_reason(
    counters: Counters, route: Route, cause: Cause, kind: str
) -> None:
    counters.answered_itself(route, cause)
    counters.queued(route, None, 1)  # so that there is a row in any case
    row = row_of(counters, "")
    for reason in ("rate_limit", "queue", "no_backend"):
        assert getattr(row, f"rejected_{reason}") == int(reason == kind)


def test_a_hedge_is_no_request_of_its_own(counters: Counters, route: Route) -> None:
    counters.hedge(route, route.pool.backends[1])
    row = row_of(counters, "a")
    assert (row.hedges, row.requests, row.retries) == (1, 0, 0)


def test_what_the_edge_refuses_has_a_row_of_its_own(counters: Counters, route: Route) -> None:
    counters.refused(None, NoRoute(), 40, 200)
    counters.refused(None, BadRequest(), 4, 300)
    counters.refused(route, RateLimited(), 50, 100)
    assert next(iter(counters.board.rows)) == RowName(0, 0, "", 0, "")
    unrouted, limited = row_of(counters, "", 0), row_of(counters, "")
    assert (unrouted.status_4xx, unrouted.bytes_in, unrouted.bytes_out) == (2, 44, 500)
    assert (limited.status_4xx, limited.rejected_rate_limit) == (1, 1)


def test_a_duration_beyond_the_histogram_is_counted_in_its_last_bucket(
    counters: Counters, route: Route
) -> None:
    count(counters, route, duration=1 << 40)
    assert row_of(counters, "a").total == times(1 << 40)


@pytest.mark.parametrize("us", [0, 1, 15, 8191, 8192, 8193])
def test_a_time_is_in_the_bucket_that_the_histogram_says(
    counters: Counters, route: Route, us: int
) -> None:
    """Short ones are looked up in a table."""
    count(counters, route, duration=us, first_byte=us)
    assert row_of(counters, "a").total.histogram == {bucket_index(us): 1}


def test_a_new_configuration_keeps_rows_that_have_the_same_name(
    counters: Counters, configuration: Configuration, route: Route
) -> None:
    count(counters, route)
    counters.configuration_changed()
    again = Configuration(configuration.snapshot, configuration).router.match(b"any", b"/")
    assert again is not None
    count(counters, again)
    assert len(counters.board.rows) == 2  # one of them for what belongs to no route
    assert row_of(counters, "a").requests == 2
