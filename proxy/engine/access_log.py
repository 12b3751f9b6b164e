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

from proxy.core.backend import Backend
from proxy.engine.log_file import LogFile
from proxy.errors import Cause

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


# A request that has ended. Instants are `monotonic_ns()`, 0: it never came to that.
# A tuple, as these are made for each request and read in one place (`_line`).
Entry = tuple[
    int,  # when the head was there
    int,  # when all was over
    str,  # what `describe` says of the head
    bytes,  # the request's id
    int,  # status
    Cause,
    int,  # bytes in
    int,  # bytes out
    Backend | None,  # of the last try
    int,  # other requests that it has from this worker
    int,  # attempts
    bool | None,  # whether its connection had served others before
    int,  # when the first try began
    int,  # when the last try began
    int,  # when the request was sent
    int,  # when the response's final head was there
]

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
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._flushing = asyncio.Lock()
        self._lost = 0
        self._failing = False

    # --- on the requests' path ---

    def wants(self, notable: bool) -> bool:
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
        return "".join([_line(take(), offset) for _ in range(count)]).encode()

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


def _line(entry: Entry, offset: int) -> str:
    """`offset`: the wall clock's lead over the monotonic one."""
    started, ended, subject, request_id, status, cause, bytes_in, bytes_out = entry[:8]
    backend, in_flight, attempts, reused, first, last, sent, response = entry[8:]
    return _LINE % (
        _timestamp(started + offset),
        _quoted(request_id.decode("latin-1")) if request_id else "null",
        subject,
        status,
        cause,
        bytes_in,
        bytes_out,
        _quoted(backend.spec.name) if backend is not None else "null",
        in_flight if backend is not None else "null",
        attempts,
        _JSON[reused],
        _ms(started, first),
        _ms(first, last),
        "0.000" if reused else _ms(last, sent),
        _ms(sent, response),
        (ended - started) / 1e6,
    )


def _ms(begin: int, end: int) -> str:
    return "%.3f" % ((end - begin) / 1e6) if begin and end else "null"


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
