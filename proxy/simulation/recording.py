"""A load as the access log tells it: when requests came, from whom, and how long backends took.

A backend's time is the total without what went by before it had the request: choosing,
tries that were lost, and connecting. It is as measured, whatever else the backend
had to do at that moment. A log of which only a share was kept tells of that share.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pool.bus import MALFORMED
from pool.hash_key import HashSource, parse
from proxy.errors import Cause
from proxy.simulation.scenario import RecordedLoad
from proxy.simulation.service_time import Measured


class NothingRecorded(ValueError):
    """No line of the log is of use; says why."""


@dataclass(frozen=True)
class Recording:
    """`times` by the backend's name; `unreadable`: lines that were passed over."""

    load: RecordedLoad
    times: Mapping[str, Measured]
    everybody: Measured  # for backends of which the log says nothing
    unreadable: int


class _Line(msgspec.Struct):
    time: datetime
    total_ms: float
    cause: str
    pool: str | None = None
    backend: str | None = None
    client: str | None = None
    path: str | None = None
    queue_ms: float | None = None
    retries_ms: float | None = None
    connect_ms: float | None = None

    @property
    def service_time(self) -> float | None:
        """Nanoseconds; None if there was no whole answer of a backend."""
        if self.backend is None or self.cause != Cause.COMPLETE:
            return None
        before = (self.queue_ms or 0) + (self.retries_ms or 0) + (self.connect_ms or 0)
        return max(0.0, self.total_ms - before) * 1e6


def read_recording(lines: Iterable[bytes], pool: str, hash_key: str, limit: int) -> Recording:
    """The first `limit` requests to `pool`, by name; `NothingRecorded` if there is none."""
    decoder = msgspec.json.Decoder(_Line)
    source = parse(hash_key).source
    requests: list[tuple[int, bytes | None]] = []
    times: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    unreadable = 0
    for raw in lines:
        try:
            line = decoder.decode(raw)
        except MALFORMED:
            unreadable += 1
            continue
        if line.pool != pool:
            continue
        requests.append((round(line.time.timestamp() * 1000), _key(line, source)))
        taken = line.service_time
        if taken is not None and line.backend is not None:
            times[line.backend].append(taken)
        if len(requests) == limit:
            break
    if not requests:
        raise NothingRecorded(f"no line of it is a request to the pool {pool!r}")
    if not times:
        raise NothingRecorded(f"no request to the pool {pool!r} was answered by a backend")
    everybody = array("d")
    for measured in times.values():
        everybody.extend(measured)
    return Recording(
        _load(requests),
        {name: Measured(measured) for name, measured in times.items()},
        Measured(everybody),
        unreadable,
    )


def _key(line: _Line, source: HashSource) -> bytes | None:
    """The path, if that is the key. For any other one the client stands: the log has no more."""
    word = line.path if source is HashSource.PATH else line.client
    return word.encode() if word is not None else None


def _load(requests: list[tuple[int, bytes | None]]) -> RecordedLoad:
    """`requests` (milliseconds, key) are in the order in which they ended."""
    requests.sort(key=lambda request: request[0])
    first = requests[0][0]
    arrivals = array("q", ((at - first) * 1_000_000 for at, _ in requests))
    return RecordedLoad(arrivals, [key for _, key in requests])
