"""From the stream into the database: each batch counted once, whatever happens in between."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, OperationalError
from django.db.models import Sum

from analytics import store, tasks
from analytics.histograms import counts_of, unpack
from analytics.ingest import BATCH_MEMORY, ingest, prune
from analytics.levels import EVER, LEVELS, RETENTION_HOURS
from analytics.models import CountedBatch, PoolRollup, TrafficRollup, TrafficSeries
from analytics.stream import ABANDONED, BAD_STREAM, CONSUMER, GROUP, TrafficStream
from pool.bus import TRAFFIC_FIELD, TRAFFIC_STREAM

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def requests(step=10):
    return TrafficRollup.objects.filter(step=step).aggregate(n=Sum("requests"))["n"] or 0


def backlog(redis_client):
    """(messages in the stream, messages that were taken and are not done)"""
    pending = redis_client.xpending(TRAFFIC_STREAM, GROUP)["pending"]
    return redis_client.xlen(TRAFFIC_STREAM), pending


def grow_old(redis_client):
    """As if the reader of what is pending had died a while ago."""
    ids = [
        entry["message_id"]
        for entry in redis_client.xpending_range(TRAFFIC_STREAM, GROUP, "-", "+", 1000)
    ]
    redis_client.xclaim(TRAFFIC_STREAM, GROUP, CONSUMER, 0, ids, idle=ABANDONED, justid=True)


def test_a_batch_ends_up_at_every_level(redis_client, send, batch, row):
    send(batch(row((1000, 3000)), at=1_700_000_007))
    assert ingest(redis_client) == 1
    for rollup in TrafficRollup.objects.all():
        assert (rollup.requests, rollup.status_2xx, rollup.bytes_out) == (2, 2, 200)
        assert (rollup.total_sum, rollup.total_min, rollup.total_max) == (4000, 1000, 3000)
        assert sum(counts_of(unpack(rollup.total_histogram)).values()) == 2
    starts = {rollup.step: int(rollup.at.timestamp()) for rollup in TrafficRollup.objects.all()}
    assert starts == {step: 1_700_000_007 // step * step for step in LEVELS}


def test_the_stream_is_empty_afterwards(redis_client, send, batch):
    send(*(batch() for _ in range(30)))
    ingest(redis_client)
    assert backlog(redis_client) == (0, 0)
    assert requests() == 30


def test_batches_add_up_over_runs(redis_client, send, batch, row):
    for _ in range(3):
        send(batch(row((500,))), batch(row((700,)), source="edge-2"))
        ingest(redis_client)
    (rollup,) = TrafficRollup.objects.filter(step=10)
    assert (rollup.requests, rollup.total_sum) == (6, 3600)
    assert (rollup.total_min, rollup.total_max) == (500, 700)
    assert sorted(counts_of(unpack(rollup.total_histogram)).values()) == [3, 3]
    assert TrafficSeries.objects.count() == 1


def test_a_batch_that_was_sent_twice_counts_once(redis_client, send, batch):
    one = batch()
    send(one, one)
    ingest(redis_client)
    send(one)
    ingest(redis_client)
    assert requests() == 1
    assert backlog(redis_client) == (0, 0)


def test_the_same_number_from_another_source_is_another_batch(redis_client, send, batch):
    send(batch(seq=7, source="x"), batch(seq=7, source="y"))
    assert ingest(redis_client) == 2


def test_an_empty_batch_is_counted_too(redis_client, send, batch):
    from pool.bus import TrafficBatch

    send(TrafficBatch(source="e", seq=1, seconds=[]))
    assert ingest(redis_client) == 1
    assert CountedBatch.objects.count() == 1


def test_late_data_lands_in_its_own_bucket(redis_client, send, batch):
    send(batch(at=1_700_000_000))
    ingest(redis_client)
    send(batch(at=1_699_990_000), batch(at=1_700_000_001))
    ingest(redis_client)
    found = TrafficRollup.objects.filter(step=10).order_by("at").values_list("at", "requests")
    assert [(int(at.timestamp()), count) for at, count in found] == [
        (1_699_990_000, 1),
        (1_700_000_000, 2),
    ]


def test_killed_between_commit_and_acknowledgement(redis_client, send, batch):
    send(batch(), batch())
    entries = TrafficStream(redis_client).take(10)
    store.add([entry.batch for entry in entries], NOW)  # and then it died
    grow_old(redis_client)
    assert ingest(redis_client) == 0
    assert requests() == 2
    assert backlog(redis_client) == (0, 0)


def test_killed_before_commit(redis_client, send, batch):
    send(batch(), batch())
    TrafficStream(redis_client).take(10)
    grow_old(redis_client)
    assert ingest(redis_client) == 2
    assert backlog(redis_client) == (0, 0)


def test_what_another_reader_is_working_on_is_left_alone(redis_client, send, batch):
    send(batch())
    TrafficStream(redis_client).take(10)
    assert ingest(redis_client) == 0
    assert backlog(redis_client) == (1, 1)


def test_a_failed_commit_leaves_everything_for_the_next_run(redis_client, send, batch, monkeypatch):
    send(batch(), batch())

    def locked(*args, **kwargs):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("analytics.tables.write", locked)
        with pytest.raises(DatabaseError):
            ingest(redis_client)
    assert (CountedBatch.objects.count(), requests()) == (0, 0)
    assert ingest(redis_client) == 2
    assert backlog(redis_client) == (0, 0)


def test_nothing_is_taken_while_the_database_is_away(redis_client, send, batch, monkeypatch):
    send(batch())

    def away():
        raise OperationalError("no connection")

    monkeypatch.setattr("analytics.ingest.connection.ensure_connection", away)
    with pytest.raises(OperationalError):
        ingest(redis_client)
    assert redis_client.xlen(TRAFFIC_STREAM) == 1
    assert not redis_client.xinfo_groups(TRAFFIC_STREAM)


@pytest.mark.parametrize(
    "fields",
    [
        {TRAFFIC_FIELD: b"garbage"},
        {b"other": b"field"},
        {TRAFFIC_FIELD: b""},
        {TRAFFIC_FIELD: b"\x93\xa1\xff\x01\x90"},  # no UTF-8
        {TRAFFIC_FIELD: b"\x94\xa1a\x01\x90" + b"\x91" * 5000 + b"\x90"},  # too deep
    ],
)
def test_a_malformed_message_is_put_aside_and_blocks_nothing(
    redis_client, send, batch, fields, caplog
):
    send(batch())
    redis_client.xadd(TRAFFIC_STREAM, fields)
    send(batch())
    assert ingest(redis_client) == 2
    assert backlog(redis_client) == (0, 0)
    ((_, kept),) = redis_client.xrange(BAD_STREAM % TRAFFIC_STREAM)
    assert fields.items() <= kept.items()
    assert b"not a traffic batch" in kept[b"why"]
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_a_whole_page_of_malformed_messages_is_passed_over(redis_client, send, batch, monkeypatch):
    monkeypatch.setattr("analytics.ingest.BATCHES_AT_ONCE", 3)
    for _ in range(7):
        redis_client.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: b"garbage"})
    send(batch())
    assert ingest(redis_client) == 1
    assert redis_client.xlen(BAD_STREAM % TRAFFIC_STREAM) == 7


def test_a_run_ends_in_time_and_the_next_one_goes_on(redis_client, send, batch, monkeypatch):
    monkeypatch.setattr("analytics.ingest.BATCHES_AT_ONCE", 1)
    send(*(batch() for _ in range(5)))
    ticking = iter(range(0, 1000, 10))
    assert ingest(redis_client, clock=lambda: next(ticking)) == 1
    assert ingest(redis_client) == 4


def test_counting_goes_on_after_redis_was_emptied(redis_client, send, batch):
    send(batch())
    ingest(redis_client)
    redis_client.flushall()
    send(batch())
    assert ingest(redis_client) == 1


def test_names_are_kept_as_they_were(redis_client, send, batch, row):
    send(batch(row(backend="old")), batch(row(backend="new")))
    ingest(redis_client)
    assert set(TrafficSeries.objects.values_list("backend", flat=True)) == {"old", "new"}


def test_a_backlog_of_many_series_and_minutes_is_counted(redis_client, send, batch, row):
    for minute in range(5):
        rows = [row(backend_id=n, backend=f"b{n}") for n in range(1, 61)]
        send(batch(*rows, at=1_700_000_000 + 60 * minute))
    ingest(redis_client)
    assert [requests(step) for step in LEVELS] == [300] * len(LEVELS)


# --- two aggregators ---


@pytest.mark.django_db(transaction=True)
def test_two_aggregators_with_the_same_batches_count_them_once(batch, row, at_once):
    batches = [batch(row(backend_id=n % 3)) for n in range(30)]
    errors = at_once(*[lambda: store.add(batches, NOW)] * 4)
    assert [type(error) for error in errors if not isinstance(error, OperationalError)] == []
    assert [requests(step) for step in LEVELS] == [30] * len(LEVELS)


@pytest.mark.django_db(transaction=True)
def test_two_aggregators_with_different_batches_lose_nothing(batch, row, at_once):
    def work(source):
        for seq in range(1, 21):
            rows = [row(backend_id=n, backend=f"b{n}") for n in (seq % 3, 3)]
            store.add([batch(*rows, source=source, seq=seq)], NOW)

    assert at_once(*[lambda s=f"edge-{n}": work(s) for n in range(4)]) == []
    assert [requests(step) for step in LEVELS] == [160] * len(LEVELS)
    for rollup in TrafficRollup.objects.filter(step=10):
        assert sum(counts_of(unpack(rollup.total_histogram)).values()) == rollup.requests


@pytest.mark.django_db(transaction=True)
def test_two_aggregators_share_one_stream(redis_client, send, batch, at_once, monkeypatch):
    monkeypatch.setattr("analytics.ingest.BATCHES_AT_ONCE", 7)
    batches = [batch() for _ in range(100)]
    send(*batches, *batches[::3])
    assert at_once(*[lambda: ingest(redis_client)] * 3) == []
    assert requests() == 100
    assert backlog(redis_client) == (0, 0)


# --- pruning ---


def test_each_level_is_kept_for_its_time(redis_client, batch):
    for hours in (0, 5, 7, 71, 73, 24 * 91, 24 * 93, 24 * 4000):
        at = NOW - timedelta(hours=hours)
        store.add([batch(at=int(at.timestamp()))], NOW)
    prune(redis_client, RETENTION_HOURS, NOW)
    assert {step: requests(step) for step in LEVELS} == {10: 2, 60: 4, 3600: 6, 86400: 8, EVER: 8}


def test_counted_batches_are_forgotten_after_a_week(redis_client, batch):
    store.add([batch(seq=1)], NOW - BATCH_MEMORY - timedelta(seconds=1))
    store.add([batch(seq=2)], NOW)
    prune(redis_client, RETENTION_HOURS, NOW)
    assert list(CountedBatch.objects.values_list("seq", flat=True)) == [2]


def test_a_batch_is_remembered_while_its_message_may_still_be_in_the_stream(
    redis_client, send, batch
):
    send(batch(seq=1))
    (entry,) = TrafficStream(redis_client).take(1)
    counted = datetime.now(UTC)
    store.add([entry.batch], counted)  # killed before the acknowledgement
    prune(redis_client, RETENTION_HOURS, counted + 10 * BATCH_MEMORY)
    grow_old(redis_client)
    assert ingest(redis_client) == 0
    assert requests(86400) == 1


# --- the tasks ---


def test_the_task_counts_what_is_there(redis_client, send, batch):
    send(batch())
    tasks.ingest()
    assert requests() == 1


def test_trouble_is_said_once(redis_client, send, batch, monkeypatch, caplog):
    send(batch())

    def away():
        raise OperationalError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr("analytics.ingest.connection.ensure_connection", away)
        for _ in range(3):
            tasks.ingest()
    tasks.ingest()
    assert caplog.text.count("traffic waits in the stream") == 1
    assert caplog.text.count("traffic is read again") == 1
    assert requests() == 1


def test_the_time_to_keep_rollups_can_be_set(redis_client, batch, settings):
    settings.LB_TRAFFIC_RETENTION_HOURS = {10: 1, 60: 1, 3600: 1, 86400: 1}
    store.add([batch(at=1_700_000_000)], NOW)
    tasks.prune()
    assert not TrafficRollup.objects.exclude(step=EVER).exists()
    assert not PoolRollup.objects.exclude(step=EVER).exists()
