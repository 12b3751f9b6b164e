"""What Celery is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from lbsite.celery import PERIODIC_TASKS, app, broker_url
from lbsite.tasks import clear_admin_log, clear_sessions


@pytest.mark.parametrize(
    ("redis_url", "broker"),
    [
        ("unix:///var/lb/redis.sock", "redis+socket:///var/lb/redis.sock?virtual_host=0"),
        ("unix:///redis.sock?db=3", "redis+socket:///redis.sock?virtual_host=3"),
        ("unix://:secret@/redis.sock", "redis+socket://:secret@/redis.sock?virtual_host=0"),
        ("redis://10.0.0.5:6379/2", "redis://10.0.0.5:6379/2"),
        ("rediss://:secret@redis:6380/0", "rediss://:secret@redis:6380/0"),
    ],
)
def test_the_broker_is_the_product_s_redis(redis_url: str, broker: str) -> None:
    assert broker_url(redis_url) == broker


def test_every_periodic_task_exists() -> None:
    app.loader.import_default_modules()
    assert PERIODIC_TASKS.keys() <= app.tasks.keys()


def test_a_tick_expires_when_the_next_one_is_due() -> None:
    for entry in app.conf.beat_schedule.values():
        assert entry["options"]["expires"] == entry["schedule"]


@pytest.mark.django_db
def test_sessions_that_have_expired_are_cleared() -> None:
    for name, days in (("old", -1), ("new", 1)):
        at = timezone.now() + timedelta(days=days)
        Session.objects.create(session_key=name, session_data="", expire_date=at)
    clear_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["new"]


@pytest.mark.django_db
def test_the_admins_log_is_kept_as_long_as_the_timeline(settings: Any) -> None:
    settings.LB_HISTORY_RETENTION_DAYS = 2
    boss = User.objects.create_superuser("boss")
    for name, days in (("old", 3), ("new", 1)):
        at = timezone.now() - timedelta(days=days)
        LogEntry.objects.create(user=boss, object_repr=name, action_flag=CHANGE, action_time=at)
    clear_admin_log()
    assert [entry.object_repr for entry in LogEntry.objects.all()] == ["new"]
