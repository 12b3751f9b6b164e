"""Beat tells once that its ticks are not sent, and when they are again."""

import logging
from pathlib import Path
from typing import Any

import pytest
from celery.beat import ScheduleEntry
from redis import Redis

from lbsite import beat
from lbsite.beat import PatientScheduler
from lbsite.celery import app
from lbsite.seen import BEAT_KEY


@pytest.fixture
def scheduler(tmp_path: Path) -> PatientScheduler:
    return PatientScheduler(app, schedule_filename=str(tmp_path / "schedule"))


@pytest.fixture
def entry(scheduler: PatientScheduler, monkeypatch: pytest.MonkeyPatch) -> ScheduleEntry:
    entry = next(iter(scheduler.schedule.values()))
    monkeypatch.setattr(entry, "task", "known.to.nobody")  # so that it is sent by its name
    return entry


def test_a_broker_that_is_away_is_told_once(
    scheduler: PatientScheduler,
    entry: ScheduleEntry,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    away = iter([True, True, False, False])

    def send(*_: Any, **__: Any) -> None:
        if next(away):
            raise ConnectionError("no Redis there")

    monkeypatch.setattr(scheduler, "send_task", send)
    for _ in range(4):
        scheduler.apply_entry(entry)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "no Redis there" in caplog.records[0].getMessage()
    assert "Traceback" not in caplog.text
    assert list(away) == []


def test_no_more_is_sent_than_a_worker_may_take(
    scheduler: PatientScheduler,
    entry: ScheduleEntry,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(beat, "MAX_WAITING", 3)
    for _ in range(5):
        scheduler.apply_entry(entry)
    assert redis_client.llen("celery") == 3
    assert "no worker takes them" in caplog.text
    redis_client.delete("celery")
    scheduler.apply_entry(entry)
    assert redis_client.llen("celery") == 1


def test_beat_is_seen_whether_anything_takes_its_ticks_or_not(
    scheduler: PatientScheduler,
    entry: ScheduleEntry,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beat, "MAX_WAITING", 0)
    monkeypatch.setattr("lbsite.seen._pulse.said", {})
    scheduler.apply_entry(entry)
    assert redis_client.get(BEAT_KEY)


@pytest.mark.parametrize("key", ["celery", "_kombu.binding.celery", "unacked", "unacked_index"])
def test_celerys_keys_of_a_wrong_type_are_put_right_by_the_time_of_the_next_look(
    scheduler: PatientScheduler,
    entry: ScheduleEntry,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
) -> None:
    """Workers could not: they get no task then."""
    redis_client.set(key, "slip")
    scheduler.apply_entry(entry)
    assert redis_client.type(key) != b"string"
    assert f"{key} in Redis was a string" in caplog.text
    assert redis_client.llen("celery") == 1
