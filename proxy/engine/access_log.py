"""The access log: a JSON line for each request, with HAProxy's anatomy of its time.

On a request's path an entry is noted and no more. A chore turns the entries
into lines, a slice at a time so that no request waits long, and a thread writes
them. Entries are bounded in number and size: while nothing can be written the
oldest are thrown away, and counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from random import random
from time import gmtime, monotonic_ns, strftime, time_ns

import msgspec

from proxy.core.backend import Backend
from proxy.core.routing import Route
from proxy.engine.log_file import LogFile
from proxy.errors import Cause

FLUSH_INTERVAL = 0.25  # seconds
MAX_ENTRIES = 20_000  # that wait to be written
_SLICE = 250  # lines formatted in one go: about a millisecond
# What a client can make long is cut, so that the bound on entries is one on memory.
MAX_PATH = 2048
MAX_HOST = 255
MAX_METHOD = 32

_PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")
_SECOND = 1_000_000_000

log = logging.getLogger("lbsite.edge")


class Entry(msgspec.Struct, gc=False):
    """A request that has ended. Instants are `monotonic_ns()`; 0: it never came to that.

    Outside of the garbage collector's sight: thousands of entries wait for the
    next chore, and none is part of a cycle.
    """

    started: int
    ended: int
    client: bytes
    status: int
    cause: Cause
    bytes_in: int
    bytes_out: int
    # empty where the head could not be read
    method: bytes = b""
    host: bytes = b""
    path: bytes = b""
    minor_version: int = 1
    request_id: bytes = b""
    snapshot: int = 0
    # None where it was not routed, or nowhere to
    route: Route | None = None
    backend: Backend | None = None
    in_flight: int = 0
    attempts: int = 0
    reused: bool | None = None
    first_try: int = 0
    last_try: int = 0
    sent: int = 0
    response: int = 0


class Line(msgspec.Struct):
    """An entry as it is written. Times in ms; null: it never came to that.

    queue, retries, connect and response_header follow each other; what is left
    of the total is the response's body.
    """

    time: str  # when the request's head was there
    request_id: str | None
    client: str | None
    method: str | None
    host: str | None
    path: str | None  # without the query, which may hold secrets
    protocol: str | None
    status: int
    cause: Cause
    route: int | None
    pool: str | None
    backend: str | None  # of the last try
    reused: bool | None  # whether its connection had served others before
    attempts: int
    in_flight: int | None  # other requests that the backend has from this worker
    queue_ms: float | None  # until a backend was chosen
    retries_ms: float | None  # lost with tries before the last one
    connect_ms: float | None
    response_header_ms: float | None  # from sending the request to the final head
    total_ms: float
    bytes_in: int
    bytes_out: int
    snapshot: int | None


class AccessLog:
    def __init__(self, file: LogFile, sample: float, *, draw: Callable[[], float] = random) -> None:
        self._file = file
        self._sample = sample
        self._draw = draw
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._encoder = msgspec.json.Encoder()
        self._flushing = asyncio.Lock()
        self._lost = 0
        self._failing = False

    # --- on the requests' path ---

    def wants(self, *, notable: bool) -> bool:
        """Whether a request is logged: each one that is `notable`, a share of the others."""
        return notable or self._sample >= 1 or self._draw() < self._sample

    def add(self, entry: Entry) -> None:
        entries = self._entries
        if len(entries) == MAX_ENTRIES:  # the oldest one goes
            self._lost += 1
        entries.append(entry)

    # --- off it ---

    def reopen(self) -> None:
        self._file.reopen()

    async def flush(self) -> None:
        """Write all that has been noted."""
        async with self._flushing:  # the last one, at the worker's end, may meet another
            while self._entries:
                count = min(_SLICE, len(self._entries))
                error = await self._file.write(self.take(count))
                if error is not None:
                    self._failed(error, count)
                    return
                self._succeeded()

    def take(self, count: int) -> bytes:
        """The lines of the `count` oldest entries."""
        take = self._entries.popleft
        offset = time_ns() - monotonic_ns()
        return self._encoder.encode_lines([_line(take(), offset) for _ in range(count)])

    def _failed(self, error: OSError, count: int) -> None:
        self._lost += count
        if not self._failing:
            self._failing = True
            log.warning("The access log cannot be written, its lines are lost: %s", error)

    def _succeeded(self) -> None:
        # Only now: while stdout is stuck, stderr may be the same pipe.
        if self._lost:
            log.warning("The access log is written again; %d lines were lost", self._lost)
        self._lost = 0
        self._failing = False


def _line(entry: Entry, offset: int) -> Line:
    """`offset`: the wall clock's lead over the monotonic one."""
    started, first, last, sent = entry.started, entry.first_try, entry.last_try, entry.sent
    route, backend = entry.route, entry.backend
    method = entry.method.decode("latin-1") or None
    return Line(
        time=_timestamp(started + offset),
        request_id=entry.request_id.decode("latin-1") or None,
        client=entry.client.decode("latin-1") or None,
        method=method,
        host=entry.host.decode("latin-1") or None,
        path=entry.path.decode("latin-1") or None,
        protocol=_PROTOCOLS[entry.minor_version] if method else None,
        status=entry.status,
        cause=entry.cause,
        route=route.id if route is not None else None,
        pool=route.pool.spec.name if route is not None else None,
        backend=backend.spec.name if backend is not None else None,
        reused=entry.reused,
        attempts=entry.attempts,
        in_flight=entry.in_flight if backend is not None else None,
        queue_ms=_ms(started, first),
        retries_ms=_ms(first, last),
        connect_ms=0.0 if entry.reused else _ms(last, sent),
        response_header_ms=_ms(sent, entry.response),
        total_ms=(entry.ended - started) // 1000 / 1000,
        bytes_in=entry.bytes_in,
        bytes_out=entry.bytes_out,
        snapshot=entry.snapshot or None,
    )


def _ms(begin: int, end: int) -> float | None:
    return (end - begin) // 1000 / 1000 if begin and end else None


def _timestamp(instant: int) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    second, rest = divmod(instant, _SECOND)
    return f"{_whole_second(second)}.{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=16)
def _whole_second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
