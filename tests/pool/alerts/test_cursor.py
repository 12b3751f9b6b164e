"""Each event is read once, in whatever order transactions commit and however many read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pool.alerts import cursor, queue
from pool.models import AlertCursor, AlertDelivery, Event
from tests.pool.alerts.conftest import T0


def numbered(number: int) -> Event:
    return Event.objects.create(pk=number, kind="edge_left", severity="warning", message="left")


def take(seconds: float = 0, limit: int = 100) -> list[int]:
    now = T0 + timedelta(seconds=seconds)
    return [event.pk for event in cursor.take(cursor.lock(), limit, now)]


@pytest.fixture
def behind(db: None) -> int:
    """The number that the cursor starts at."""
    AlertCursor.objects.update_or_create(pk=1, defaults={"last_id": 1000, "gaps": {}})
    return 1000


def test_events_are_read_in_batches_and_once(behind):
    for number in range(1, 6):
        numbered(behind + number)
    assert take(limit=3) == [1001, 1002, 1003]
    assert take(limit=3) == [1004, 1005]
    assert take() == []
    assert not cursor.has_news()


def test_what_commits_late_is_read_nevertheless(behind):
    numbered(1001)
    numbered(1004)
    assert take() == [1001, 1004]
    assert not cursor.has_news()
    numbered(1003)
    assert cursor.has_news()
    assert take(1) == [1003]
    assert take(2) == []
    assert AlertCursor.objects.get().last_id == 1004


def test_a_number_that_never_comes_is_given_up(behind):
    numbered(1002)
    take()
    numbered(1003)
    take(cursor.PATIENCE + 1)
    assert AlertCursor.objects.get().gaps == {}


def test_a_leap_of_numbers_costs_no_more_than_others(behind):
    numbered(10_000_000)
    take()
    assert len(AlertCursor.objects.get().gaps) <= cursor.MAX_GAPS


def test_what_fails_half_way_is_read_again_and_told_once(rule, one, health, at, monkeypatch):
    health(one, "unhealthy")
    with monkeypatch.context() as broken:
        broken.setattr(queue, "_trim", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            at(1)
    assert not AlertDelivery.objects.exists()
    at(2)
    at(3)
    assert AlertDelivery.objects.count() == 1


def test_idle_reading_writes_nothing_and_asks_little(rule, db, at, django_assert_max_num_queries):
    at(0)
    with django_assert_max_num_queries(3) as queries:
        at(1)
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)


def test_a_batch_costs_the_same_however_long_the_timeline_is(rule, one, health, at):
    costs = []
    for round_ in range(3):
        for second in range(100):
            health(one, ("unhealthy", "healthy")[second % 2], round_ * 1000 + second)
        with CaptureQueriesContext(connection) as queries:
            at(round_ * 1000 + 100)
        costs.append(len(queries))
    assert costs[1] == costs[2] < 30  # the first has no earlier alert to close


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_read_at_once_none_tells_anything_twice(
    rule, one, health, at, redis_client
):
    for second in range(60):
        health(one, ("unhealthy", "healthy")[second % 2], second * 100)
    start = threading.Barrier(4)

    def read() -> None:
        start.wait(10)
        try:
            at(10_000)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        for done in [workers.submit(read) for _ in range(4)]:
            done.result()
    kinds = list(AlertDelivery.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["firing", "resolved"] * 30
