"""The facts of the page "Why is it down?", and what caused what, as JSON."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from pool.bus import HEALTH_KEY, HealthStatus
from pool.choices import EventKind, HealthState
from pool.health.schedule import DUE_KEY
from pool.models import Event

HEALTH = "/api/v1/pools/web/backends/one/health/"


def test_a_backend_that_is_down_is_explained(boss, one, redis_client):
    status = HealthStatus(state=HealthState.UNHEALTHY, since=1_700_000_000, reason="timed out")
    redis_client.hset(HEALTH_KEY, str(one.pk), msgspec.json.encode(status))
    one.health_records.create(result="fail", state="unhealthy", reason="timed out")
    answer = boss.get(HEALTH).json()
    facts = {fact["code"]: fact for fact in answer["facts"]}
    assert facts["unhealthy"]["text"] == "Its probes fail: timed out"
    assert facts["unhealthy"]["since"] == "2023-11-14T22:13:20Z"
    assert answer["probes"][0]["reason"] == "timed out"
    assert answer["pool"]["panic"] is True
    assert set(answer["uptime"]) == {"1h", "24h", "7d", "30d"}
    assert len(answer["day"]) == 144
    assert answer["day_part_seconds"] == 600


def test_the_next_probe_is_told_as_all_times_are(boss, one, redis_client):
    assert boss.get(HEALTH).json()["probing"]["next_at"] is None
    redis_client.zadd(DUE_KEY, {str(one.pk): 1_700_000_000})
    assert boss.get(HEALTH).json()["probing"]["next_at"] == "2023-11-14T22:13:20Z"


def test_who_drained_it_is_named(boss, one, redis_client):
    one.drain(by="olga")
    answer = boss.get(HEALTH).json()
    assert (answer["state"], answer["out"]) == ("draining", True)
    event = Event.objects.get(kind=EventKind.ADMIN_STATE_CHANGED)
    [fact] = [fact for fact in answer["facts"] if fact["code"] == "draining"]
    assert (fact["by"], fact["event"]) == ("olga", event.pk)


@pytest.mark.parametrize("table", ["probes", "hours"])
def test_history_is_exported(boss, one, table):
    response = boss.get(f"{HEALTH}{table}/")
    assert response.headers["Content-Type"].startswith("text/csv")
    assert b"".join(response.streaming_content).count(b"\r\n") == 1


def test_there_is_no_other_export(boss, one):
    assert boss.get(f"{HEALTH}secrets/").status_code == 404


def test_reading_takes_the_right_to(reader, nobody, stranger, one):
    for path in (HEALTH, f"{HEALTH}probes/"):
        assert reader.get(path).status_code == 200
        assert nobody.get(path).status_code == 403
        assert stranger.get(path).status_code in (401, 403)


def test_events_name_their_cause(boss, one):
    at = timezone.now() - timedelta(seconds=5)
    data = {"from": "healthy", "to": "unhealthy"}
    cause = Event.objects.record(EventKind.HEALTH_CHANGED, "ill", backend=one, data=data, at=at)
    moved = Event.objects.record(EventKind.FAILOVER, "moved", pool=one.pool, at=at)
    events = {event["id"]: event for event in boss.get("/api/v1/events/").json()["results"]}
    assert events[moved.pk]["caused_by"] == cause.pk
    assert events[cause.pk]["caused_by"] is None


def test_a_pool_tells_what_one_more_loss_brings(boss, one):
    outlook = boss.get("/api/v1/pools/web/").json()["outlook"]
    assert outlook["words"] == "1 of 1 available: one more loss and panic starts."
    assert (outlook["losses_left"], outlook["danger"]) == (1, "panic")
