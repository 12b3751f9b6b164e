"""A stream as a queue of batches: each is kept until its reader is done with it."""

import logging
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from redis import Redis, ResponseError

from analytics.batches import MalformedBatch, decode_batch
from pool.bus import REQUESTS_STREAM, TRAFFIC_FIELD, TRAFFIC_STREAM, TrafficBatch

logger = logging.getLogger(__name__)

BAD_STREAM = "%s:bad"  # of a stream's messages that are no batches, with "why"
BAD_STREAMS = [BAD_STREAM % stream for stream in (TRAFFIC_STREAM, REQUESTS_STREAM)]
BAD_KEPT = 1000
GROUP = "analytics"
# One name for all: who reads does not matter, only for how long nobody was done with it.
CONSUMER = "aggregator"
ABANDONED = 30_000  # milliseconds after which a message's reader counts as dead


Batch = TypeVar("Batch")


class Entry(NamedTuple, Generic[Batch]):
    id: bytes
    batch: Batch


class BatchStream(Generic[Batch]):
    def __init__(
        self, redis: "Redis", stream: str, field: bytes, decode: Callable[[bytes], Batch]
    ) -> None:
        """`decode` raises MalformedBatch; `field` is that of a message which it reads."""
        self._redis = redis
        self._stream = stream
        self._field = field
        self._decode = decode

    def take(self, limit: int) -> list[Entry[Batch]]:
        """Up to `limit` batches: first those that a dead reader left, then new ones.

        Messages that are no batches are put aside, and never come again.
        """
        while messages := self._messages(limit):
            if entries := self._entries(messages):
                return entries
        return []

    def done(self, entries: list[Entry[Batch]]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            self._remove(pipe, [entry.id for entry in entries])
            pipe.execute()

    def give_back(self, entries: list[Entry[Batch]]) -> None:
        """Leave them to the next reader, without the wait that follows a reader's death."""
        ids: Any = [entry.id for entry in entries]
        self._redis.xclaim(self._stream, GROUP, CONSUMER, 0, ids, idle=ABANDONED, justid=True)

    def oldest(self) -> float | None:
        """The Unix time at which the oldest message was added that is not done."""
        messages: Any = self._redis.xrange(self._stream, count=1)
        return int(messages[0][0].split(b"-")[0]) / 1000 if messages else None

    def _messages(self, limit: int) -> list[Any]:
        try:
            return self._abandoned(limit) or self._new(limit)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._make_group()  # the first time, or Redis was emptied
        return self._new(limit)

    def _abandoned(self, limit: int) -> list[Any]:
        reply: Any = self._redis.xautoclaim(self._stream, GROUP, CONSUMER, ABANDONED, count=limit)
        return [message for message in reply[1] if message[1] is not None]

    def _new(self, limit: int) -> list[Any]:
        reply: Any = self._redis.xreadgroup(GROUP, CONSUMER, {self._stream: ">"}, count=limit)
        if isinstance(reply, dict):  # RESP3
            return [message for chunk in reply.get(self._stream.encode(), []) for message in chunk]
        return [message for _, messages in reply for message in messages]

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # somebody else made it just now
                raise

    def _entries(self, messages: list[Any]) -> list[Entry[Batch]]:
        entries = []
        for message_id, fields in messages:
            try:
                entries.append(Entry(message_id, self._decode(fields.get(self._field, b""))))
            except MalformedBatch as error:
                self._put_aside(message_id, fields, error)
        return entries

    def _put_aside(self, message_id: Any, fields: Any, error: MalformedBatch) -> None:
        bad_stream = BAD_STREAM % self._stream
        logger.error("a message was put aside in %s: %s", bad_stream, error)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(bad_stream, {**fields, b"why": str(error)}, maxlen=BAD_KEPT, approximate=True)
            self._remove(pipe, [message_id])
            pipe.execute()

    def _remove(self, pipe: Any, ids: list[Any]) -> None:
        pipe.xack(self._stream, GROUP, *ids)
        pipe.xdel(self._stream, *ids)


class TrafficStream(BatchStream[TrafficBatch]):
    def __init__(self, redis: "Redis") -> None:
        super().__init__(redis, TRAFFIC_STREAM, TRAFFIC_FIELD, decode_batch)
