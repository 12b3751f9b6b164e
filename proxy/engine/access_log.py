"""The access log: a JSON line for each request, with HAProxy's anatomy of its time.

On a request's path an entry is noted and no more. A chore turns the entries
into lines, a slice at a time so that no request waits long and while they are
still in the processor's cache, and a thread writes them. Entries are bounded in
number and size: while nothing can be written the oldest are thrown away, and
counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from random import random
from time import gmtime, monotonic_ns, strftime, time_ns
from typing import TYPE_CHECKING

import msgspec

from pool.trouble import Trouble
from proxy.engine.anatomy import End
from proxy.engine.log_file import LogFile

if TYPE_CHECKING:
    from proxy.engine.prepared import Prepared

FLUSH_INTERVAL = 0.25  # seconds
MAX_ENTRIES = 20_000  # that wait to be written
_SLICE = 250  # lines formatted in one go: a millisecond at most
# What a client can make long is cut, so that the bound on entries is one on memory.
MAX_PATH = 2048
MAX_HOST = 255
MAX_METHOD = 32

log = logging.getLogger("lbsite.edge")

_encode = msgspec.json.Encoder().encode


class _Course(msgspec.Struct, gc=False):
    """The members of a line that follow the subject. Times in ms; null: it never came to that.

    They follow each other, from queue to response_header; what is left of the total
    is the response's body.
    """

    status: int
    cause: str
    bytes_in: int
    bytes_out: int
    backend: str | None
    in_flight: int | None
    attempts: int
    reused: bool | None
    queue_ms: float | None
    retries_ms: float | None  # lost with tries before the last one
    connect_ms: float | None
    response_header_ms: float | None
    total_ms: float


class _Subject(msgspec.Struct):
    client: str | None
    method: str | None = None
    host: str | None = None
    path: str | None = None  # without the query, which may hold secrets
    protocol: str | None = None
    route: int | None = None
    pool: str | None = None
    snapshot: int | None = None


def describe(client: bytes, prepared: "Prepared | None" = None) -> bytes:
    """What is the same for each request with this head, as members of a JSON object.

    `prepared` None: the head could not be read.
    """
    subject = _Subject(client.decode("latin-1") or None)
    if prepared is not None:
        head, route = prepared.head, prepared.route
        subject.method = head.method[:MAX_METHOD].decode("latin-1")
        subject.host = head.host[:MAX_HOST].decode("latin-1")
        subject.path = head.path[:MAX_PATH].decode("latin-1")
        subject.protocol = f"HTTP/1.{head.minor_version}"
        subject.snapshot = prepared.configuration.snapshot.number
        if route is not None:
            subject.route = route.id
            subject.pool = route.pool.spec.name
    return _encode(subject)[1:-1]


class AccessLog:
    def __init__(self, file: LogFile, sample: float, *, draw: Callable[[], float] = random) -> None:
        self._file = file
        self._sample = sample
        self._draw = draw
        self._entries: deque[tuple[bytes, End]] = deque(maxlen=MAX_ENTRIES)
        self._ready = asyncio.Event()  # there is a slice
        self._flushing = asyncio.Lock()
        self._lost = 0
        self._failure = Trouble(log, "The access log cannot be written, its lines are lost: %s")

    # --- on the requests' path ---

    def wants(self, notable: bool) -> bool:
        """Whether a request is logged: each one that is `notable`, a share of the others."""
        return notable or self._sample >= 1 or self._draw() < self._sample

    def add(self, subject: bytes, end: End) -> None:
        """`subject`: what `describe` says of the request's head."""
        entries = self._entries
        if len(entries) == MAX_ENTRIES:  # the oldest one goes
            self._lost += 1
        entries.append((subject, end))
        if len(entries) == _SLICE:
            self._ready.set()

    # --- off it ---

    def reopen(self) -> None:
        self._file.reopen()

    async def flush_soon(self) -> None:
        """Write once there is a slice, or FLUSH_INTERVAL is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_INTERVAL):
                await self._ready.wait()
        self._ready.clear()
        await self.flush()

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
        return b"".join([_line(*take(), offset) for _ in range(count)])

    def _failed(self, error: OSError, count: int) -> None:
        self._lost += count
        self._failure.met(error)

    def _succeeded(self) -> None:
        # Only now: while stdout is stuck, stderr may be the same pipe.
        if self._lost:
            log.warning("The access log is written again; %d lines were lost", self._lost)
        self._lost = 0
        self._failure.over()


def _line(subject: bytes, end: End, offset: int) -> bytes:
    """`offset`: the wall clock's lead over the monotonic one."""
    request_id, backend = end.request_id, end.backend
    queue, retries, connect, first_byte = end.phases()
    course = _Course(
        end.status,
        end.cause,
        end.bytes_in,
        end.bytes_out,
        None if backend is None else backend.spec.name,
        None if backend is None else end.in_flight,
        end.attempts,
        end.reused,
        _milliseconds(queue),
        _milliseconds(retries),
        _milliseconds(connect),
        _milliseconds(first_byte),
        (end.ended - end.started) // 1000 / 1000,
    )
    return b'{"time":"%b","request_id":%b,%b,%b\n' % (
        _timestamp(end.started + offset),
        _quoted(request_id) if request_id else b"null",
        subject,
        _encode(course)[1:],
    )


def _milliseconds(phase: int | None) -> float | None:
    """To the microsecond."""
    return None if phase is None else phase // 1000 / 1000


def _quoted(text: bytes) -> bytes:
    # Ids of the edge's own need no escapes: look before encoding.
    return b'"%b"' % text if text.isalnum() else _encode(text.decode("latin-1"))


def _timestamp(instant: int) -> bytes:
    """RFC 3339, in UTC, to the millisecond."""
    milliseconds = instant // 1_000_000
    return b"%b.%03dZ" % (_whole_second(milliseconds // 1000), milliseconds % 1000)


@lru_cache(maxsize=16)
def _whole_second(second: int) -> bytes:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)).encode("ascii")
