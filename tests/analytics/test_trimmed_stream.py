"""A stream that somebody has trimmed: what is left is counted, and nothing waits for the rest."""

import pytest

from analytics.ingest import ingest
from analytics.stream import ABANDONED, CONSUMER, GROUP, TrafficStream
from pool.bus import TRAFFIC_STREAM

pytestmark = pytest.mark.django_db


def test_of_new_batches_those_that_are_left_are_counted(redis_client, send, batch):
    send(batch())
    ingest(redis_client)
    send(*(batch() for _ in range(10)))
    redis_client.xtrim(TRAFFIC_STREAM, maxlen=4, approximate=False)
    assert ingest(redis_client) == 4
    assert redis_client.xlen(TRAFFIC_STREAM) == 0


def test_what_a_dead_reader_had_taken_and_is_gone_holds_nobody_up(redis_client, send, batch):
    send(*(batch() for _ in range(10)))
    entries = TrafficStream(redis_client).take(10)  # and then its reader died
    redis_client.xtrim(TRAFFIC_STREAM, maxlen=4, approximate=False)
    ids = [entry.id for entry in entries]
    redis_client.xclaim(
        TRAFFIC_STREAM, GROUP, CONSUMER, 0, ids, idle=ABANDONED + 1, justid=True, force=True
    )
    send(batch())
    assert ingest(redis_client) == 5
    assert redis_client.xlen(TRAFFIC_STREAM) == 0


def test_a_batch_that_was_trimmed_while_it_was_counted_is_counted(redis_client, send, batch):
    send(batch())
    stream = TrafficStream(redis_client)
    entries = stream.take(10)
    redis_client.xtrim(TRAFFIC_STREAM, maxlen=0, approximate=False)
    stream.done(entries)
    assert ingest(redis_client) == 0
    assert redis_client.xpending(TRAFFIC_STREAM, GROUP)["pending"] == 0


def test_a_stream_that_was_deleted_with_its_group_is_made_anew(redis_client, send, batch):
    send(batch())
    TrafficStream(redis_client).take(10)
    redis_client.delete(TRAFFIC_STREAM)
    send(batch(), batch())
    assert ingest(redis_client) == 2
