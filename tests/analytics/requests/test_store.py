"""From the stream to the table: each request once, and no more of them than are wanted."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import OperationalError
from django.utils import timezone

from analytics import tasks
from analytics.requests import store
from analytics.requests.models import RequestRecord, RequestsLeftOut
from analytics.stream import ABANDONED, BAD_STREAM, CONSUMER, GROUP
from pool.bus import REQUESTS_FIELD, REQUESTS_STREAM

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(redis_client):
    def send(*batches):
        for one in batches:
            data = msgspec.msgpack.encode(one)
            redis_client.xadd(REQUESTS_STREAM, {REQUESTS_FIELD: data})

    return send


def grow_old(redis_client):
    """As if whoever took messages had been dead for long."""
    pending = redis_client.xpending_range(REQUESTS_STREAM, GROUP, "-", "+", 100)
    ids = [entry["message_id"] for entry in pending]
    redis_client.xclaim(REQUESTS_STREAM, GROUP, CONSUMER, 0, ids, idle=ABANDONED, justid=True)


def test_all_of_a_request_is_kept(redis_client, send, batch, failure):
    noted = failure(at=1_700_000_000_123)
    send(batch(noted))
    assert store.keep(redis_client) == 1
    record = RequestRecord.objects.get()
    assert record.at == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    told = {name: getattr(record, name) for name in noted.__struct_fields__ if name != "at"}
    assert told == {name: getattr(noted, name) for name in told}
    assert redis_client.xlen(REQUESTS_STREAM) == 0


def test_what_comes_twice_is_kept_once(redis_client, send, batch, note, failure):
    twice = batch(note(), failure(), left_out={"shop": 5})
    send(twice, twice)
    store.keep(redis_client)
    send(twice)
    store.keep(redis_client)
    assert RequestRecord.objects.count() == 2
    assert [row.count for row in RequestsLeftOut.objects.all()] == [5]


def test_a_reader_that_died_before_it_was_done_loses_and_doubles_nothing(
    redis_client, send, batch, note, monkeypatch
):
    send(batch(note()), batch(note()))

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("analytics.stream.BatchStream.done", die)
        with pytest.raises(SystemExit):
            store.keep(redis_client)
    grow_old(redis_client)
    store.keep(redis_client)
    assert RequestRecord.objects.count() == 2
    assert redis_client.xlen(REQUESTS_STREAM) == 0


def test_what_is_no_batch_is_put_aside_and_holds_up_nothing(redis_client, send, batch, note):
    redis_client.xadd(REQUESTS_STREAM, {REQUESTS_FIELD: b"\xc1"})
    send(batch(note(path="/\x00")), batch(note()))
    assert store.keep(redis_client) == 1
    assert redis_client.xlen(BAD_STREAM % REQUESTS_STREAM) == 2


def test_without_a_database_requests_wait_and_it_is_said_once(
    redis_client, send, batch, note, monkeypatch, caplog
):
    send(batch(note()))

    def away():
        raise OperationalError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr("analytics.requests.store.connection.ensure_connection", away)
        for _ in range(3):
            tasks.keep_requests()
    tasks.keep_requests()
    assert caplog.text.count("the log of requests waits in the stream") == 1
    assert caplog.text.count("the log of requests is read again") == 1
    assert RequestRecord.objects.count() == 1


# --- retention ---


def test_of_either_sort_the_newest_are_kept(batch, note, failure):
    now = int(timezone.now().timestamp() * 1000)
    notes = [note(at=now - 10 * age, request_id=f"{age}") for age in range(50)]
    failures = [failure(at=now - 9000 - 10 * age, request_id=f"{age}") for age in range(8)]
    store.add([batch(*notes, *failures)])
    store.prune(5, 1, timezone.now())
    for notable in (False, True):
        kept = RequestRecord.objects.filter(notable=notable).values_list("request_id", flat=True)
        assert list(kept) == ["0", "1", "2", "3", "4"]


def test_what_is_older_goes_whatever_its_number(batch, note, failure, settings):
    settings.LB_REQUESTS_RETENTION_HOURS = 2
    old = timezone.now() - timedelta(hours=2, seconds=1)
    milliseconds = int(old.timestamp() * 1000)
    store.add([batch(note(at=milliseconds), failure(at=milliseconds), note())])
    store.add([batch(left_out={"": 1}, at=int(old.timestamp())), batch(left_out={"": 2})])
    tasks.prune_requests()
    assert RequestRecord.objects.count() == 1
    assert [row.count for row in RequestsLeftOut.objects.all()] == [2]
