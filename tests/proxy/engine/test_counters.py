"""What is counted at the end of a request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.core.configuration import Configuration
from proxy.core.histogram import bucket_index
from proxy.engine.board import (
    ACTIVITY,
    BYTES_IN,
    BYTES_OUT,
    CLIENT_ABORTS,
    DURATION_MAX,
    DURATION_MIN,
    DURATION_SUM,
    ERRORS,
    HEDGES,
    HISTOGRAM,
    REJECTED,
    REQUESTS,
    RETRIES,
    STATUS,
    RowName,
)
from proxy.engine.counters import Counters


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[Counters]:
    counters = Counters(tmp_path / "worker.board")
    yield counters
    counters.board.close(delete=True)


def count(
    counters: Counters,
    configuration: Configuration,
    *,
    backend: int = 1,
    status: int = 200,
    attempts: int = 1,
    duration: int = 1000,
    aborted: bool = False,
) -> None:
    route = configuration.router.match(b"any", b"/")
    assert route is not None
    counters.request(
        route,
        route.pool.backends[backend],
        status,
        attempts=attempts,
        bytes_in=10,
        bytes_out=20,
        duration=duration,
        aborted=aborted,
    )


def row_of(counters: Counters, backend: str) -> list[int]:
    (row,) = (row for name, row in counters.board.rows.items() if name.backend == backend)
    return counters.board.live[row : row + HISTOGRAM + 512].tolist()


def test_a_request_is_counted_for_its_route_and_backend(
    counters: Counters, configuration: Configuration
) -> None:
    for duration in (3000, 1000, 2000):
        count(counters, configuration, duration=duration)
    count(counters, configuration, backend=2)
    assert list(counters.board.rows)[1:] == [
        RowName(route_id=3, pool_id=7, pool="shop", backend_id=1, backend="a"),
        RowName(route_id=3, pool_id=7, pool="shop", backend_id=2, backend="b"),
    ]
    row = row_of(counters, "a")
    assert row[REQUESTS] == row[ACTIVITY] == row[STATUS + 2] == 3
    assert (row[BYTES_IN], row[BYTES_OUT]) == (30, 60)
    assert (row[DURATION_SUM], row[DURATION_MIN], row[DURATION_MAX]) == (6000, 1000, 3000)
    assert [row[HISTOGRAM + bucket_index(us)] for us in (1000, 2000, 3000)] == [1, 1, 1]
    assert counters.requests == 4


@pytest.mark.parametrize("status", [101, 204, 304, 404, 503])
def test_each_status_belongs_to_its_class(
    counters: Counters, configuration: Configuration, status: int
) -> None:
    count(counters, configuration, status=status)
    row = row_of(counters, "a")
    classes = [row[STATUS + family] for family in (1, 2, 3, 4, 5)]
    assert classes == [int(family == status // 100) for family in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("status", [600, 799, 999])
def test_a_status_outside_of_all_classes_is_a_server_error(
    counters: Counters, configuration: Configuration, status: int
) -> None:
    """RFC 9110 §15; and it must not end up in another counter."""
    count(counters, configuration, status=status)
    row = row_of(counters, "a")
    assert row[STATUS + 5] == 1
    assert row[ERRORS] == row[RETRIES] == row[CLIENT_ABORTS] == 0
    assert row[BYTES_IN] == 10


def test_a_client_that_went_away_is_counted_as_such(
    counters: Counters, configuration: Configuration
) -> None:
    count(counters, configuration, status=499, aborted=True)
    row = row_of(counters, "a")
    assert (row[REQUESTS], row[CLIENT_ABORTS], row[ERRORS]) == (1, 1, 0)


def test_a_backend_that_answers_499_has_an_answer_like_any_other(
    counters: Counters, configuration: Configuration
) -> None:
    count(counters, configuration, status=499)
    row = row_of(counters, "a")
    assert (row[REQUESTS], row[CLIENT_ABORTS], row[STATUS + 4]) == (1, 0, 1)


def test_a_retried_request_counts_once_where_it_ended(
    counters: Counters, configuration: Configuration
) -> None:
    route = configuration.router.match(b"any", b"/")
    assert route is not None
    counters.failed_try(route, route.pool.backends[1])
    count(counters, configuration, backend=2, attempts=2)
    failed, served = row_of(counters, "a"), row_of(counters, "b")
    assert (failed[REQUESTS], failed[ERRORS], failed[ACTIVITY]) == (0, 1, 1)
    assert (served[REQUESTS], served[RETRIES], served[ERRORS]) == (1, 1, 0)


def test_hedges_and_rejections_are_counted_apart(
    counters: Counters, configuration: Configuration
) -> None:
    route = configuration.router.match(b"any", b"/")
    assert route is not None
    counters.hedge(route, route.pool.backends[1])
    counters.rejected(route)
    hedged = row_of(counters, "a")
    own = next(
        row
        for name, row in counters.board.rows.items()
        if name.route_id == route.id and not name.backend_id
    )
    rejected = counters.board.live[own : own + HISTOGRAM]
    assert (hedged[HEDGES], hedged[REQUESTS], hedged[RETRIES]) == (1, 0, 0)
    assert (rejected[REJECTED], rejected[ACTIVITY]) == (1, 1)


def test_what_the_edge_answers_itself_has_a_row_of_its_own(counters: Counters) -> None:
    counters.request(None, None, 404, attempts=0, bytes_in=0, bytes_out=0, duration=0)
    assert list(counters.board.rows) == [RowName(0, 0, "", 0, "")]


def test_a_duration_beyond_the_histogram_is_counted_in_its_last_bucket(
    counters: Counters, configuration: Configuration
) -> None:
    count(counters, configuration, duration=1 << 40)
    row = row_of(counters, "a")
    assert row[HISTOGRAM + bucket_index(1 << 40)] == 1
    assert row[DURATION_MAX] == 1 << 40


def test_a_new_configuration_keeps_rows_that_have_the_same_name(
    counters: Counters, configuration: Configuration
) -> None:
    count(counters, configuration)
    counters.configuration_changed()
    count(counters, Configuration(configuration.snapshot, configuration))
    assert len(counters.board.rows) == 2  # one of them for what belongs to no route
    assert row_of(counters, "a")[REQUESTS] == 2
