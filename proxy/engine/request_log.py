"""The newest requests, and those that went wrong, on their way to the control plane.

A worker notes so many of either sort a second and no more, whatever its load: of
requests in which nothing went wrong the first ones that come, and of the others all,
up to a bound beyond which they are only counted. What was noted goes to Redis once a
second; while Redis is away it waits, and the oldest is dropped.
"""

import asyncio
import logging
from collections import Counter, deque
from itertools import count
from secrets import randbits
from time import monotonic_ns, time, time_ns

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pool.bus import REQUESTS_FIELD, REQUESTS_STREAM, RequestBatch, RequestNote
from proxy.engine.anatomy import End
from proxy.engine.prepared import Prepared

# What is kept, in seconds of its rate, of what a quiet time leaves: a page's worth of
# requests that come together is noted as a whole.
BURST = 5
MAX_WAITING = 5000  # notes, while Redis is away
BATCH = 250  # notes in one message
STREAM_LENGTH = 1000  # messages that wait in Redis for somebody to read them
# What a client can make long is cut, so that the bound on notes is one on memory.
MAX_PATH = 1024
MAX_HOST = 255
MAX_METHOD = 32

log = logging.getLogger("lbsite.edge")


class Allowance:
    """A token bucket. `rate` in tokens a second; 0: there are none."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate * BURST

    def __bool__(self) -> bool:
        return self._left >= 1

    def take(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def refill(self, seconds: float) -> None:
        self._left = min(self._left + self._rate * seconds, self._rate * BURST)


class RequestLog:
    def __init__(self, plain: float, notable: float) -> None:
        """How many may be noted a second: in which nothing went wrong, and of the others."""
        self.plain = Allowance(plain)
        self._notable = Allowance(notable)
        self._notes: deque[RequestNote] = deque()
        self._left_out: Counter[str] = Counter()
        # Another worker draws the same upper half once in a thousand million times.
        self._keys = count(randbits(30) << 32)
        self._pending: RequestBatch | None = None
        self._shipping = asyncio.Lock()

    # --- on a request's path, if it is one to be noted ---

    def add(self, end: End, client: bytes, prepared: Prepared | None, *, notable: bool) -> None:
        """`prepared` None: the head could not be read."""
        allowance = self._notable if notable else self.plain
        if allowance.take():
            self._keep(note_of(end, next(self._keys), client, prepared, notable=notable))
        elif notable:
            self._left_out[_pool_name(prepared)] += 1

    def _keep(self, note: RequestNote) -> None:
        if len(self._notes) == MAX_WAITING:
            oldest = self._notes.popleft()
            if oldest.notable:
                self._left_out[oldest.pool] += 1
        self._notes.append(note)

    # --- off it ---

    def refill(self, seconds: float) -> None:
        self.plain.refill(seconds)
        self._notable.refill(seconds)

    async def ship(self, redis: Redis) -> None:
        """Send what was noted. A batch that Redis has not confirmed comes again as it is."""
        async with self._shipping:  # the last one, at the worker's end, may meet one that waits
            while batch := self._pending or self._close_batch():
                self._pending = batch
                if not await _send(redis, batch):
                    return
                self._pending = None

    def _close_batch(self) -> RequestBatch | None:
        if not self._notes and not self._left_out:
            return None
        take = self._notes.popleft
        notes = [take() for _ in range(min(BATCH, len(self._notes)))]
        left_out, self._left_out = dict(self._left_out), Counter()
        return RequestBatch(key=next(self._keys), at=int(time()), notes=notes, left_out=left_out)


async def _send(redis: Redis, batch: RequestBatch) -> bool:
    data = msgspec.msgpack.encode(batch)
    try:
        await redis.xadd(REQUESTS_STREAM, {REQUESTS_FIELD: data}, maxlen=STREAM_LENGTH)
    except (RedisError, OSError) as error:
        log.debug("a batch of noted requests is kept: %s", error)
        return False
    return True


def note_of(
    end: End, key: int, client: bytes, prepared: Prepared | None, *, notable: bool
) -> RequestNote:
    backend, phases = end.backend, end.phases()
    head = None if prepared is None else prepared.head
    route = None if prepared is None else prepared.route
    return RequestNote(
        key=key,
        at=(time_ns() - monotonic_ns() + end.started) // 1_000_000,
        request_id=end.request_id.decode("latin-1"),
        notable=notable,
        client=client.decode("latin-1"),
        method=head.method[:MAX_METHOD].decode("latin-1") if head is not None else "",
        host=head.host[:MAX_HOST].decode("latin-1") if head is not None else "",
        path=head.path[:MAX_PATH].decode("latin-1") if head is not None else "",
        route_id=route.id if route is not None else 0,
        pool_id=route.pool.spec.id if route is not None else 0,
        pool=_pool_name(prepared),
        backend_id=backend.id if backend is not None else 0,
        backend=backend.spec.name if backend is not None else "",
        status=end.status,
        cause=end.cause,
        attempts=end.attempts,
        bytes_in=end.bytes_in,
        bytes_out=end.bytes_out,
        queue=_microseconds(phases.queue),
        retries=_microseconds(phases.retries),
        connect=_microseconds(phases.connect),
        first_byte=_microseconds(phases.first_byte),
        total=(end.ended - end.started) // 1000,
        snapshot=prepared.configuration.snapshot.number if prepared is not None else 0,
    )


def _microseconds(phase: int | None) -> int | None:
    return None if phase is None else phase // 1000


def _pool_name(prepared: Prepared | None) -> str:
    route = None if prepared is None else prepared.route
    return "" if route is None else route.pool.spec.name
