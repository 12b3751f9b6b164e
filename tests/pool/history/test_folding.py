"""Records → hours: each once, whatever is killed in between; then the records may go."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from pool import retention
from pool.history import folding
from pool.history.folding import fold_hours, folded_until, prune_hours, prune_records
from pool.models import Backend, HealthRecord, HourlyUptime, Pool

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAMPLE = 60


@pytest.fixture
def backend():
    pool = Pool.objects.create(name="shop", health_interval=10)
    return Backend.objects.create(pool=pool, url="http://127.0.0.1:1")


def record(backend, at, state="healthy", **fields):
    result = "fail" if state == "unhealthy" else "pass"
    return HealthRecord.objects.create(
        backend=backend, at=at, **{"state": state, "result": result, "latency_ms": 2.0, **fields}
    )


def fill(backend, start, seconds, state="healthy"):
    for offset in range(0, seconds, 30):
        record(backend, start + timedelta(seconds=offset), state)


def snapshot():
    return list(HourlyUptime.objects.order_by("pk").values())


def test_an_hour_that_is_over_is_folded(backend):
    fill(backend, NOON, 1800)
    fill(backend, NOON + timedelta(seconds=1800), 1800, "unhealthy")
    assert fold_hours(NOON + timedelta(hours=1, minutes=10), SAMPLE) == 1
    row = HourlyUptime.objects.get()
    assert (row.hour, row.up, row.down, row.unknown) == (NOON, 1800, 1800, 0)
    assert (row.probes, row.failures, row.flaps) == (120, 60, 1)
    assert (row.latency_sum, row.latency_max) == (120, 2)


def test_an_hour_that_is_not_over_is_left(backend):
    fill(backend, NOON, 3600)
    assert fold_hours(NOON + timedelta(hours=1, minutes=9), SAMPLE) == 0
    assert folded_until() is None


def test_an_hour_is_folded_once(backend):
    fill(backend, NOON, 3600)
    assert fold_hours(NOON + 2 * HOUR, SAMPLE) == 1
    before = snapshot()
    assert fold_hours(NOON + 2 * HOUR, SAMPLE) == 0
    assert snapshot() == before


def test_two_folds_at_once_write_the_same(backend, monkeypatch):
    fill(backend, NOON, 3600)
    fold_hours(NOON + 2 * HOUR, SAMPLE)
    before = snapshot()
    monkeypatch.setattr(folding, "folded_until", lambda: None)  # as the other one had read
    monkeypatch.setattr(folding, "_HOURS_AT_ONCE", 1)
    assert fold_hours(NOON + 2 * HOUR, SAMPLE) == 1
    assert snapshot() == before


def test_a_fold_that_was_interrupted_begins_again(backend, monkeypatch):
    other = Backend.objects.create(pool=backend.pool, url="http://127.0.0.1:2")
    for one in (backend, other):
        fill(one, NOON, 3600)
    with monkeypatch.context() as patch:
        patch.setattr(folding, "_row", _failing_at(other, folding._row))
        with pytest.raises(OperationalError):
            fold_hours(NOON + 2 * HOUR, SAMPLE)
    assert not HourlyUptime.objects.exists()
    assert fold_hours(NOON + 2 * HOUR, SAMPLE) == 1
    assert HourlyUptime.objects.count() == 2


def _failing_at(backend, row):
    def fail(backend_id, *rest):
        if backend_id == backend.pk:
            raise OperationalError("gone")
        return row(backend_id, *rest)

    return fail


def test_the_state_of_the_hour_before_is_carried_over(backend):
    fill(backend, NOON - HOUR, 3600, "unhealthy")
    record(backend, NOON + timedelta(seconds=15))
    fold_hours(NOON + 2 * HOUR, SAMPLE)
    row = HourlyUptime.objects.get(hour=NOON)
    assert row.down == pytest.approx(15)
    assert row.flaps == 0


def test_hours_without_probes_are_passed_over(backend):
    record(backend, NOON)
    record(backend, NOON + 30 * HOUR)
    assert fold_hours(NOON + 40 * HOUR, SAMPLE) == 2
    assert HourlyUptime.objects.count() == 2


def test_a_backlog_is_folded_bit_by_bit(backend):
    for hours in range(8):
        record(backend, NOON + hours * HOUR)
    assert fold_hours(NOON + 20 * HOUR, SAMPLE) == 6
    assert fold_hours(NOON + 20 * HOUR, SAMPLE) == 2


def test_of_a_sampled_backend_all_of_the_hour_is_known(backend):
    for minute in range(60):
        record(backend, NOON + timedelta(minutes=minute), omitted=5)
    fold_hours(NOON + 2 * HOUR, SAMPLE)
    row = HourlyUptime.objects.get()
    assert (row.up, row.unknown, row.probes) == (3600, 0, 360)


def test_records_that_are_not_folded_stay(backend):
    record(backend, NOON)
    assert prune_records(NOON + 29 * HOUR) == 0
    fold_hours(NOON + 30 * HOUR, SAMPLE)
    assert prune_records(NOON + 29 * HOUR) == 1


def test_records_are_deleted_in_steps(backend, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 10)
    fill(backend, NOON, 600)
    fold_hours(NOON + 30 * HOUR, SAMPLE)
    assert prune_records(NOON + 29 * HOUR) == 20


def test_hours_from_before_the_time_that_is_kept_go(backend):
    record(backend, NOON)
    fold_hours(NOON + HOUR * 2, SAMPLE)
    prune_hours(NOON)
    assert HourlyUptime.objects.exists()
    prune_hours(NOON + HOUR)
    assert not HourlyUptime.objects.exists()


def test_a_deleted_backend_takes_its_hours_with_it(backend):
    record(backend, NOON)
    fold_hours(NOON + HOUR * 2, SAMPLE)
    backend.delete()
    assert not HourlyUptime.objects.exists()
