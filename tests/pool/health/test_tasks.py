"""The Celery tasks of health, and the pruning that one of them does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pool.choices import HealthState
from pool.health import records, tasks
from pool.models import Backend, HealthRecord, Pool

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    pool = Pool.objects.create(name="shop")
    return Backend.objects.create(pool=pool, url="http://127.0.0.1:1")


def _record(backend, age_hours, state="healthy"):
    at = timezone.now() - timedelta(hours=age_hours)
    return HealthRecord.objects.create(backend=backend, at=at, result="pass", state=state)


def test_records_are_kept_for_a_day_unless_said_otherwise(backend):
    kept, old = _record(backend, 23), _record(backend, 25)
    tasks.prune()
    assert list(HealthRecord.objects.all()) == [kept]
    assert not HealthRecord.objects.filter(pk=old.pk).exists()


def test_the_time_to_keep_records_can_be_set(backend, settings):
    settings.LB_HEALTH_RETENTION_HOURS = 2
    _record(backend, 3)
    kept = _record(backend, 1)
    tasks.prune()
    assert list(HealthRecord.objects.all()) == [kept]


def test_old_records_say_nothing_about_now(backend):
    _record(backend, 2, "unhealthy")
    assert records.recall([backend.pk], timezone.now().timestamp()) == {}


def test_the_newest_record_is_remembered(backend):
    _record(backend, 0.5, "healthy")
    newest = _record(backend, 0.1, "unhealthy")
    remembered = records.recall([backend.pk], timezone.now().timestamp())[backend.pk]
    assert remembered.state is HealthState.UNHEALTHY
    assert remembered.since == pytest.approx(newest.at.timestamp())


def test_a_tick_probes_what_is_published(redis_client, backend):
    from pool import publish

    publish.publish()
    try:
        for _ in range(3):
            tasks.tick()
        tasks.prober().settle()
        tasks.tick()
    finally:
        tasks.close()
    record = HealthRecord.objects.filter(backend=backend).first()
    assert (record.result, record.reason) == ("fail", "connection refused")
