"""Which edges are there, and which run something else than is saved."""

from datetime import UTC, datetime

import msgspec
import pytest
from django.db import OperationalError

from pool.bus import EDGE_REPORT_EXPIRY, EDGES_KEY, KNOWN_EDGES_KEY
from pool.choices import EventKind, Severity
from pool.edges import SIGNS_ALONE, SWAP_SECONDS, read_edges, track_edges
from pool.fingerprint import fingerprint
from pool.models import Event, Revision
from tests.edge_reports import edge_report

pytestmark = pytest.mark.django_db

NOW = 1_700_000_000.0


@pytest.fixture
def report(redis_client):
    def send(worker_id="w1", *, content="new", seen_at=NOW, **fields):
        told = {"worker_id": worker_id, "snapshot_hash": content, "seen_at": seen_at}
        report = edge_report(NOW, **told, **fields)
        redis_client.hset(EDGES_KEY, worker_id, msgspec.json.encode(report))

    return send


def revise(published_at):
    Revision.objects.create(
        number=1, content_hash="new", summary="x", snapshot="{}", published_at=published_at
    )


PUBLISHED = datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(
    ("content", "published_at", "seen_at", "lagging"),
    [
        ("new", PUBLISHED, NOW + 9, False),
        ("old", PUBLISHED, NOW - 1, False),  # has not spoken since
        ("old", PUBLISHED, NOW + SWAP_SECONDS, False),  # may still be at it
        ("old", PUBLISHED, NOW + SWAP_SECONDS + 0.1, True),
        ("old", None, NOW, True),
    ],
)
def test_an_edge_lags_once_it_could_have_known(report, content, published_at, seen_at, lagging):
    revise(published_at)
    report(content=content, seen_at=seen_at)
    (edge,) = read_edges(now=NOW + 2)
    assert edge.lagging is lagging


def test_a_silent_edge_is_not_listed(report):
    report()
    assert len(read_edges(now=NOW + EDGE_REPORT_EXPIRY)) == 1
    assert read_edges(now=NOW + EDGE_REPORT_EXPIRY + 1) == []


def test_joining_is_told_once(report):
    report()
    track_edges(now=NOW)
    track_edges(now=NOW + 1)
    event = Event.objects.get()
    assert event.kind == EventKind.EDGE_JOINED
    assert event.message == "Edge edge-1, pid 42, joined with version 0.1.0"
    assert event.data == {"worker_id": "w1", "host": "edge-1", "pid": 42}


def test_joining_is_told_when_the_database_is_back(report, monkeypatch):
    def away(*_, **__):
        raise OperationalError("away")

    report(seen_at=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(type(Event.objects), "record", away)
        with pytest.raises(OperationalError):
            track_edges(now=NOW)
    track_edges(now=NOW)
    assert [event.kind for event in Event.objects.all()] == [EventKind.EDGE_JOINED]


def test_of_two_workers_that_see_an_edge_one_tells(report, redis_client, monkeypatch):
    report()

    def other(record, *arguments, **fields):
        """Has been faster."""
        redis_client.hset(KNOWN_EDGES_KEY, "w1", b"{}")
        return record(*arguments, **fields)

    record = Event.objects.record
    monkeypatch.setattr(type(Event.objects), "record", lambda _, *a, **kw: other(record, *a, **kw))
    track_edges(now=NOW)
    assert not Event.objects.exists()


def test_silence_is_told_once_as_a_warning_and_the_report_is_forgotten(report, redis_client):
    report()
    track_edges(now=NOW)
    track_edges(now=NOW + EDGE_REPORT_EXPIRY + 1)
    track_edges(now=NOW + EDGE_REPORT_EXPIRY + 2)
    assert [event.kind for event in Event.objects.order_by("id")] == [
        EventKind.EDGE_JOINED,
        EventKind.EDGE_LEFT,
    ]
    left = Event.objects.first()
    assert left.severity == Severity.WARNING
    assert left.message.startswith("Edge edge-1, pid 42, has gone silent")
    assert left.data["planned"] is False
    assert not redis_client.hexists(EDGES_KEY, "w1")


def test_silence_is_no_farewell_when_the_database_is_back(report, monkeypatch):
    def away(*_, **__):
        raise OperationalError("away")

    report()
    track_edges(now=NOW)
    track_edges(now=NOW + EDGE_REPORT_EXPIRY + 1)  # which gives it time, after so long a pause
    with monkeypatch.context() as patch:
        patch.setattr(type(Event.objects), "record", away)
        with pytest.raises(OperationalError):
            track_edges(now=NOW + EDGE_REPORT_EXPIRY + 2)
    track_edges(now=NOW + EDGE_REPORT_EXPIRY + 3)
    assert Event.objects.first().severity == Severity.WARNING


def test_an_edge_has_not_left_because_redis_was_away(report):
    report()
    report("w2")
    track_edges(now=NOW)
    back = NOW + 2 * EDGE_REPORT_EXPIRY
    track_edges(now=back)  # before any edge has reported again
    report(seen_at=back + 1)
    track_edges(now=back + 5)
    left = Event.objects.filter(kind=EventKind.EDGE_LEFT)
    assert [event.data["worker_id"] for event in left] == ["w2"]


def test_an_edge_that_takes_its_report_away_has_left_as_planned(report, redis_client):
    report()
    track_edges(now=NOW)
    redis_client.hdel(EDGES_KEY, "w1")
    track_edges(now=NOW + 1)
    left = Event.objects.first()
    assert (left.kind, left.severity) == (EventKind.EDGE_LEFT, Severity.INFO)
    assert left.message == "Edge edge-1, pid 42, left"
    assert left.data["planned"] is True


def test_a_report_of_another_version_is_passed_over(report, redis_client):
    report()
    redis_client.hset(EDGES_KEY, "w2", b'{"shape": "unknown"}')
    redis_client.hset(EDGES_KEY, "w3", b"junk")
    assert len(read_edges(now=NOW)) == 1


@pytest.mark.parametrize(
    ("secret", "error"),
    [("ours", ""), ("theirs", SIGNS_ALONE), ("", "")],
    ids=["the same", "another", "none"],
)
def test_an_edge_with_another_secret_is_told_apart(report, settings, secret, error):
    settings.SECRET_KEY = "ours"
    report(secret=fingerprint(secret))
    (edge,) = read_edges(now=NOW)
    assert edge.error == error


def test_another_secret_hides_no_other_error(report, settings):
    settings.SECRET_KEY = "ours"
    report(secret=fingerprint("theirs"), error="A disk is full.")
    (edge,) = read_edges(now=NOW)
    assert edge.error == f"A disk is full. {SIGNS_ALONE}"


def test_a_fingerprint_does_not_tell_the_secret():
    assert "theirs" not in fingerprint("theirs")
    assert len(fingerprint("theirs")) == 16
