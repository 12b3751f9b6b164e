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
from typing import TYPE_CHECKING

import msgspec

from proxy.engine.anatomy import End
from proxy.engine.log_file import LogFile

if TYPE_CHECKING:
    from proxy.engine.prepared import Prepared

FLUSH_INTERVAL = 0.25  # seconds
MAX_ENTRIES = 20_000  # that wait to be written
_SLICE = 250  # lines formatted in one go: about a millisecond
# What a client can make long is cut, so that the bound on entries is one on memory.
MAX_PATH = 2048
MAX_HOST = 255
MAX_METHOD = 32

log = logging.getLogger("lbsite.edge")


# Times in ms, null: it never came to that. queue, retries (lost with tries before
# the last one), connect and response_header follow each other; what is left of the
# total is the response's body.
_LINE = (
    '{"time":"%s","request_id":%s,%s,"status":%d,"cause":"%s","bytes_in":%d,"bytes_out":%d,'
    '"backend":%s,"in_flight":%s,"attempts":%d,"reused":%s,"queue_ms":%s,"retries_ms":%s,'
    '"connect_ms":%s,"response_header_ms":%s,"total_ms":%.3f}\n'
)
_JSON = {None: "null", True: "true", False: "false"}


class _Subject(msgspec.Struct):
    client: str | None
    method: str | None = None
    host: str | None = None
    path: str | None = None  # without the query, which may hold secrets
    protocol: str | None = None
    route: int | None = None
    pool: str | None = None
    snapshot: int | None = None


def describe(client: bytes, prepared: "Prepared | None" = None) -> str:
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
    return msgspec.json.encode(subject)[1:-1].decode()


class AccessLog:
    def __init__(self, file: LogFile, sample: float, *, draw: Callable[[], float] = random) -> None:
        self._file = file
        self._sample = sample
        self._draw = draw
        self._entries: deque[tuple[str, End]] = deque(maxlen=MAX_ENTRIES)
        self._flushing = asyncio.Lock()
        self._lost = 0
        self._failing = False

    # --- on the requests' path ---

    def wants(self, notable: bool) -> bool:
        """Whether a request is logged: each one that is `notable`, a share of the others."""
        return notable or self._sample >= 1 or self._draw() < self._sample

    def add(self, subject: str, end: End) -> None:
        """`subject`: what `describe` says of the request's head."""
        entries = self._entries
        if len(entries) == MAX_ENTRIES:  # the oldest one goes
            self._lost += 1
        entries.append((subject, end))

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
        return "".join([_line(*take(), offset) for _ in range(count)]).encode()

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


def _line(subject: str, end: End, offset: int) -> str:
    """`offset`: the wall clock's lead over the monotonic one."""
    request_id, backend = end.request_id, end.backend
    return _LINE % (
        _timestamp(end.started + offset),
        _quoted(request_id.decode("latin-1")) if request_id else "null",
        subject,
        end.status,
        end.cause,
        end.bytes_in,
        end.bytes_out,
        _quoted(backend.spec.name) if backend is not None else "null",
        end.in_flight if backend is not None else "null",
        end.attempts,
        _JSON[end.reused],
        *["null" if phase is None else "%.3f" % (phase / 1e6) for phase in end.phases()],
        (end.ended - end.started) / 1e6,
    )


def _quoted(text: str) -> str:
    # Ids of the edge's own, and names of backends, need no escapes: look before encoding.
    return f'"{text}"' if text.isalnum() else msgspec.json.encode(text).decode()


def _timestamp(instant: int) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    milliseconds = instant // 1_000_000
    return f"{_whole_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=16)
def _whole_second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
