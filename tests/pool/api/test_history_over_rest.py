"""Events, health records and revisions: newest first, filtered, and a way back."""

import csv
import json
from datetime import UTC, datetime
from functools import partial

import pytest

from pool.choices import EventKind, Severity
from pool.models import Event, HealthRecord, Pool, Revision


@pytest.fixture
def events(one):
    one.drain(by="anna")
    Event.objects.record(
        EventKind.EDGE_LEFT,
        "gone",
        severity=Severity.WARNING,
        at=datetime(2024, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["admin_state_changed", "edge_left"]),
        ("?kind=edge_left", ["edge_left"]),
        ("?severity=warning", ["edge_left"]),
        ("?pool=web&backend=one", ["admin_state_changed"]),
        ("?actor=anna", ["admin_state_changed"]),
        ("?since=2024-01-02T00:00:00Z", ["admin_state_changed"]),
        ("?until=2024-01-02T00:00:00Z", ["edge_left"]),
        ("?limit=1", ["admin_state_changed"]),
    ],
)
def test_events_are_listed(boss, events, query, kinds):
    results = boss.get(f"/api/v1/events/{query}").json()["results"]
    assert [event["kind"] for event in results] == kinds


def test_pages_of_events_follow_each_other(boss, events):
    first = boss.get("/api/v1/events/?limit=1").json()
    second = boss.get(first["next"]).json()
    assert [event["kind"] for event in second["results"]] == ["edge_left"]


def test_an_event_is_told_with_its_cause_and_its_effects(boss, reader, nobody, one):
    tell = partial(Event.objects.record, backend=one)
    down = tell(EventKind.HEALTH_CHANGED, "down", data={"to": "unhealthy"})
    up = tell(EventKind.HEALTH_CHANGED, "up", data={"to": "healthy"})
    first, second = (reader.get(f"/api/v1/events/{event.pk}/").json() for event in (down, up))
    assert (first["caused_by"], first["led_to"]) == (None, [up.pk])
    assert (second["caused_by"], second["led_to"]) == (down.pk, [])
    assert nobody.get(f"/api/v1/events/{down.pk}/").status_code == 403


def test_a_filter_that_does_not_exist_is_refused(boss, events):
    assert boss.get("/api/v1/events/?kind=nonsense").status_code == 400
    assert boss.get("/api/v1/events/?since=yesterday").status_code == 400


def test_health_records_are_listed(boss, one):
    HealthRecord.objects.create(
        backend=one, result="fail", state="unhealthy", reason="connection refused"
    )
    (record,) = boss.get("/api/v1/health/?pool=web&backend=one&result=fail").json()["results"]
    assert (record["pool"], record["backend"], record["state"]) == ("web", "one", "unhealthy")
    assert (record["status"], record["latency_ms"]) == (None, None)
    assert record["reason"] == "connection refused"
    assert boss.get("/api/v1/health/?result=pass").json()["results"] == []


def test_a_change_over_rest_is_rolled_back_over_rest(boss, commit, published):
    with commit():
        boss.post("/api/v1/pools/", {"name": "web"}, format="json")
    with commit():
        boss.patch("/api/v1/pools/web/", {"retry_attempts": 1}, format="json")
    assert published().pools[0].retry.attempts == 1
    with commit():
        answer = boss.post("/api/v1/revisions/1/rollback/")
    assert answer.status_code == 200
    assert Pool.objects.get().retry_attempts == 3
    latest = boss.get("/api/v1/revisions/").json()["results"][0]
    assert (latest["number"], latest["actor"], latest["published"]) == (3, "boss", True)
    assert latest["summary"] == (
        "Rolled back to revision 1: pool web changed: retry.attempts 1 → 3"
    )


def test_what_a_rollback_would_change_is_told_and_not_done(boss, reader, commit):
    for body in ({"name": "web"}, {"name": "shop"}):
        with commit():
            boss.post("/api/v1/pools/", body, format="json")
    answer = reader.get("/api/v1/revisions/1/rollback/")
    assert answer.json() == [
        {
            "action": "removed",
            "kind": "pool",
            "id": Pool.objects.get(name="shop").pk,
            "name": "shop",
            "fields": {},
            "pools": [Pool.objects.get(name="shop").pk],
        }
    ]
    assert Pool.objects.count() == 2
    assert reader.post("/api/v1/revisions/1/rollback/").status_code == 403


def test_a_change_that_edges_do_not_get_is_answered_with_a_warning(boss, commit, redis_away):
    with commit():
        answer = boss.post("/api/v1/pools/", {"name": "web"}, format="json")
    assert answer.status_code == 201
    with commit():
        answer = boss.patch("/api/v1/pools/web/", {"max_queue": 1}, format="json")
    assert answer["Warning"].startswith('299 lbsite "Revision 1 is saved, but Redis is away')
    assert "Warning" not in boss.get("/api/v1/pools/web/")


def test_a_revision_that_is_not_there_is_not_found(boss):
    assert boss.post("/api/v1/revisions/7/rollback/").status_code == 404


def test_a_revision_of_another_version_is_refused(boss):
    Revision.objects.create(number=1, content_hash="x", summary="x", snapshot='{"format": 99}')
    answer = boss.post("/api/v1/revisions/1/rollback/")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("Cannot roll back to revision 1: not a snapshot")


@pytest.mark.parametrize("records", ["events", "health"])
@pytest.mark.parametrize(
    ("name", "at"), [("since", "0001-01-01T00:00+09:00"), ("until", "9999-12-31T23:59-09:00")]
)
def test_a_time_beyond_those_of_utc_is_refused(boss, records, name, at):
    answer = boss.get(f"/api/v1/{records}/", {name: at})
    assert answer.status_code == 400
    words = "In UTC this is before the year 1 or after 9999; give a time between."
    assert answer.json() == {name: [words]}


def table(answer):
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(text.splitlines()))


def test_events_are_a_file_with_causes_and_without_pages(boss, reader, one, monkeypatch):
    monkeypatch.setattr("pool.api.exported._ROWS_AT_ONCE", 2)
    tell = partial(Event.objects.record, backend=one)
    down = tell(EventKind.HEALTH_CHANGED, "=1+1", data={"to": "unhealthy"})
    tell(EventKind.HEALTH_CHANGED, "up", data={"to": "healthy"})
    tell(EventKind.EJECTED, "out")
    answer = reader.get("/api/v1/events/?format=csv&kind=health_changed")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="events.csv"'
    up, first = table(answer)
    assert (up["message"], up["caused_by"], up["pool"]) == ("up", str(down.pk), "web")
    assert first["message"] == "'=1+1"  # no formula
    assert len(table(reader.get("/api/v1/events/?format=csv"))) == 3
    refused = reader.get("/api/v1/events/?format=csv&limit=1")
    assert (refused.status_code, list(refused.json())) == (400, ["limit"])


def test_health_records_and_revisions_are_files(boss, nobody, one, commit):
    HealthRecord.objects.create(backend=one, result="fail", state="unhealthy", reason="refused")
    with commit():
        boss.post("/api/v1/pools/", {"name": "shop"}, format="json")
    (record,) = table(boss.get("/api/v1/health/?format=csv&pool=web"))
    assert (record["backend"], record["reason"]) == ("one", "refused")
    (revision,) = table(boss.get("/api/v1/revisions/?format=csv"))
    assert (revision["number"], revision["actor"]) == ("1", "boss")
    lines = b"".join(boss.get("/api/v1/revisions/?format=ndjson").streaming_content)
    assert json.loads(lines)["diff"][0]["name"] == "web"
    assert nobody.get("/api/v1/health/?format=csv").status_code == 403


def test_one_event_is_no_file(boss, events):
    number = Event.objects.first().pk
    assert boss.get(f"/api/v1/events/{number}/?format=csv").status_code == 400
