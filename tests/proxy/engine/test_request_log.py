"""What a worker notes of its requests, and what becomes of it while Redis is away."""

import asyncio
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisAway

from pool.bus import REQUESTS_FIELD, REQUESTS_STREAM, RequestBatch, RequestNote
from proxy.core.configuration import Configuration
from proxy.engine import request_log
from proxy.engine.ends import Ends
from proxy.engine.prepared import Prepared, prepare
from proxy.engine.request_log import BATCH, BURST, MAX_WAITING, RequestLog
from proxy.engine.settings import read_settings
from proxy.errors import BadRequest, Cause, NoRoute
from tests.proxy.engine.ends import MS, PEER, answered

CLIENT = b"192.0.2.7"


class Redis:
    """A stream alone, which can be away."""

    def __init__(self) -> None:
        self.away = False
        self.sent: list[RequestBatch] = []

    async def xadd(self, name: str, fields: dict[bytes, bytes], **_: Any) -> None:
        if self.away:
            raise RedisAway("away")
        assert name == REQUESTS_STREAM
        self.sent.append(msgspec.msgpack.decode(fields[REQUESTS_FIELD], type=RequestBatch))

    @property
    def notes(self) -> list[RequestNote]:
        return [note for batch in self.sent for note in batch.notes]

    @property
    def left_out(self) -> int:
        return sum(sum(batch.left_out.values()) for batch in self.sent)


def head(configuration: Configuration, target: bytes = b"/a?token=s3cret") -> Prepared:
    raw = b"GET %b HTTP/1.1\r\nHost: Shop\r\nCookie: s3cret\r\n\r\n" % target
    return prepare(raw, configuration, PEER)


def shipped(log: RequestLog) -> Redis:
    redis = Redis()
    asyncio.run(log.ship(redis))  # type: ignore[arg-type]
    return redis


def test_all_that_is_told_of_a_request(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "time_ns", lambda: 1_700_000_000_123_000_000 + 15 * MS)
    monkeypatch.setattr(request_log, "monotonic_ns", lambda: 25 * MS)
    prepared = head(configuration)
    assert prepared.route is not None
    backend = prepared.route.pool.backends[1]
    log = RequestLog(1, 1)
    log.add(answered(backend=backend), CLIENT, prepared, notable=False)
    (note,) = shipped(log).notes
    assert msgspec.structs.asdict(note) | {"key": 0} == {
        "key": 0,
        "at": 1_700_000_000_123,
        "request_id": "id",
        "notable": False,
        "client": "192.0.2.7",
        "method": "GET",
        "host": "shop",
        "path": "/a",
        "route_id": 3,
        "pool_id": prepared.route.pool.spec.id,
        "pool": "shop",
        "backend_id": 1,
        "backend": "a",
        "status": 200,
        "cause": "complete",
        "attempts": 1,
        "bytes_in": 39,
        "bytes_out": 121,
        "queue": 1000,
        "retries": 0,
        "connect": 2000,
        "first_byte": 4000,
        "total": 15_000,
        "snapshot": 1,
    }


def test_a_request_without_a_head_or_a_backend_is_noted_with_what_is_known() -> None:
    log = RequestLog(1, 1)
    end = answered(status=400, cause=Cause.BAD_REQUEST, attempts=0)
    log.add(end, CLIENT, None, notable=True)
    (note,) = shipped(log).notes
    assert (note.client, note.status, note.cause) == ("192.0.2.7", 400, "bad_request")
    assert (note.method, note.path, note.pool, note.backend) == ("", "", "", "")
    assert (note.queue, note.first_byte, note.attempts) == (None, None, 0)


def test_long_paths_are_cut(configuration: Configuration) -> None:
    log = RequestLog(1, 1)
    log.add(answered(), CLIENT, head(configuration, b"/" + b"x" * 5000), notable=False)
    (note,) = shipped(log).notes
    assert len(note.path) == request_log.MAX_PATH


# --- bounds ---


def test_of_either_sort_so_many_are_noted_and_of_the_notable_ones_the_rest_is_counted(
    configuration: Configuration,
) -> None:
    log, prepared = RequestLog(2, 4), head(configuration)
    for _ in range(100):
        log.add(answered(), CLIENT, prepared, notable=False)
        log.add(answered(status=502), CLIENT, prepared, notable=True)
    redis = shipped(log)
    assert [note.notable for note in redis.notes].count(False) == 2 * BURST
    assert [note.notable for note in redis.notes].count(True) == 4 * BURST
    assert redis.left_out == 100 - 4 * BURST
    assert {name for batch in redis.sent for name in batch.left_out} == {"shop"}


def test_time_brings_the_allowance_back_but_no_more_than_a_burst(
    configuration: Configuration,
) -> None:
    log, prepared = RequestLog(2, 0), head(configuration)
    for seconds, expected in ((0.0, 2 * BURST), (0.25, 0), (0.25, 1), (1.0, 2), (99.0, 2 * BURST)):
        log.refill(seconds)
        for _ in range(50):
            log.add(answered(), CLIENT, prepared, notable=False)
        assert len(shipped(log).notes) == expected


def test_a_request_in_which_nothing_went_wrong_is_asked_for_only_while_there_is_room(
    configuration: Configuration,
) -> None:
    ends, prepared = Ends(None, RequestLog(1, 1)), head(configuration)
    for _ in range(BURST):
        assert ends.listening
        ends.add(answered(), prepared, notable=False)
    assert not ends.listening
    ends.refill(1.0)
    assert ends.listening


def test_refusals_are_notable(configuration: Configuration) -> None:
    log = RequestLog(0, 9)
    ends = Ends(None, log)
    ends.refused(BadRequest(), CLIENT, b"1", 10, 20)
    ends.refused(NoRoute(), CLIENT, b"2", 10, 20, head(configuration))
    notes = shipped(log).notes
    assert [(note.request_id, note.status, note.notable) for note in notes] == [
        ("1", 400, True),
        ("2", 404, True),
    ]


# --- Redis ---


def test_nothing_noted_is_nothing_sent() -> None:
    assert shipped(RequestLog(1, 1)).sent == []


def test_what_redis_has_not_confirmed_comes_again_as_it_was(configuration: Configuration) -> None:
    log, prepared, redis = RequestLog(9, 9), head(configuration), Redis()
    log.add(answered(b"1"), CLIENT, prepared, notable=False)
    redis.away = True
    asyncio.run(log.ship(redis))  # type: ignore[arg-type]
    pending = log._pending
    log.add(answered(b"2"), CLIENT, prepared, notable=False)
    redis.away = False
    asyncio.run(log.ship(redis))  # type: ignore[arg-type]
    assert redis.sent[0] == pending
    assert [note.request_id for note in redis.notes] == ["1", "2"]
    assert len({note.key for note in redis.notes} | {batch.key for batch in redis.sent}) == 4


def test_while_redis_is_away_the_oldest_are_dropped_and_counted_if_they_were_notable(
    configuration: Configuration,
) -> None:
    log, prepared = RequestLog(0, MAX_WAITING), head(configuration)
    for number in range(MAX_WAITING + 3):
        log.add(answered(b"%d" % number), CLIENT, prepared, notable=True)
    redis = shipped(log)
    assert redis.notes[0].request_id == "3"
    assert len(redis.notes) == MAX_WAITING
    assert redis.left_out == 3
    assert max(len(batch.notes) for batch in redis.sent) == BATCH


# --- settings ---


def test_how_many_is_set_by_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().request_log_per_second == 20
    monkeypatch.setenv("LB_REQUEST_LOG_PER_SECOND", "0")
    assert read_settings().request_log_per_second == 0
    monkeypatch.setenv("LB_REQUEST_LOG_ERRORS_PER_SECOND", "5000")
    with pytest.raises(ValueError, match="LB_REQUEST_LOG_ERRORS_PER_SECOND: give a number from"):
        read_settings()
