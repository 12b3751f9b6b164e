"""What the planes share in Redis: names of keys, and the records kept there.

No Django in here. Values are JSON (a person can read them with redis-cli),
except batches of traffic and requests, which are MessagePack for their size.

==================  =======  ====================================================
key                 type     content
==================  =======  ====================================================
lb:snapshot         string   the current snapshot, `pool.snapshot.encode`d
lb:health           hash     backend id → `HealthStatus`
lb:failover         hash     pool id → `FailoverState`
lb:failover:moves   list     `pool.failover.decide.Move`, until the timeline has it
lb:panic            hash     pool id → the `EventKind` that the timeline was told last of it
lb:panic:alarms     list     `pool.panic.events.Alarm`, until the timeline has it
lb:edges            hash     worker id → `EdgeReport`
lb:edges:known      hash     worker id → `EdgeReport`, as when it joined the timeline
lb:edges:looked_at  string   Unix time when somebody looked last who has left
lb:edges:lagging    hash     worker id → `EdgeReport`, as when the timeline was told that it lags
lb:load:WORKER      hash     backend id → `BackendLoad`; expires with the worker's report
lb:traffic          stream   one field "b" an entry: `TrafficBatch`
lb:requests         stream   one field "b" an entry: `RequestBatch`; the newest only
lb:circuits         hash     backend id → `pool.circuits.records.Circuit`
lb:circuits:out:N   set      ids of the backends of pool N whose circuit is not closed
lb:circuits:alone:N list     `pool.circuits.records.LoneChange`, until failover has looked at it
lb:rate:COUNTER     string   what a shared rate limit has let through; expires with it
lb:ejections        hash     pool id → `pool.outliers.records.Ejections`
lb:events           stream   one field "e" an entry: `Happening`, for the timeline
==================  =======  ====================================================

Channels announce changes, so that an edge acts at once; an edge that missed
a message reads the keys again when it reconnects and every few seconds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from pool.choices import EventKind, HealthState, Severity

SNAPSHOT_KEY = "lb:snapshot"
SNAPSHOT_CHANNEL = "lb:snapshot:announce"  # message: the snapshot's number
HEALTH_KEY = "lb:health"
HEALTH_CHANNEL = "lb:health:announce"  # message: a `HealthChange`
FAILOVER_KEY = "lb:failover"
FAILOVER_CHANNEL = "lb:failover:announce"  # message: a `FloorChange`
FAILOVER_MOVES = "lb:failover:moves"
PANIC_KEY = "lb:panic"
PANIC_ALARMS = "lb:panic:alarms"
EDGES_KEY = "lb:edges"
KNOWN_EDGES_KEY = "lb:edges:known"
EDGES_LOOKED_AT_KEY = "lb:edges:looked_at"
LAGGING_EDGES_KEY = "lb:edges:lagging"
TRAFFIC_STREAM = "lb:traffic"
TRAFFIC_FIELD = b"b"
REQUESTS_STREAM = "lb:requests"
REQUESTS_FIELD = b"b"
CIRCUITS_KEY = "lb:circuits"
OUT_CIRCUITS_KEY = "lb:circuits:out:%d"
LONE_CHANGES = "lb:circuits:alone:%d"
CIRCUIT_CHANNEL = "lb:circuits:announce"  # message: a `pool.circuits.records.CircuitChange`
EJECTIONS_KEY = "lb:ejections"
EJECTIONS_CHANNEL = "lb:ejections:announce"  # message: a `pool.outliers.records.EjectionsChange`
EVENTS_STREAM = "lb:events"
EVENTS_FIELD = b"e"

# What msgspec raises of bytes that are no record; the latter two are no `DecodeError`s.
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

EDGE_REPORT_INTERVAL = 2.0  # seconds between two reports of a worker
EDGE_REPORT_EXPIRY = 10.0  # seconds after which a silent worker counts as gone

_ID_DIGITS = 18  # at most, of a number in 64 bits

Record = TypeVar("Record")


def by_id(records: Mapping[bytes, Record]) -> dict[int, Record]:
    """What a hash holds, without fields that are nobody's id."""
    return {
        int(field): record
        for field, record in records.items()
        if field.isdigit() and len(field) <= _ID_DIGITS
    }


def read_record(data: bytes | None, kind: type[Record]) -> Record | None:
    """None for what is not there, or what another version has written in another shape."""
    try:
        return msgspec.json.decode(data, type=kind) if data else None
    except MALFORMED:
        return None


class HealthStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's state as the probes see it. Times are Unix seconds."""

    state: HealthState
    since: float
    reason: str = ""


class HealthChange(msgspec.Struct, frozen=True, kw_only=True):
    backend_id: int
    status: HealthStatus


class FailoverState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pool's traffic goes, and what it has to wait for. Times are Unix seconds.

    `floor`: edges use no tier below while anybody from it on is well. `manual`: an
    operator wants it. `serving`: tiers, `since` then and for this `cause`; none while
    nobody has looked. `well_since`: of each tier that has anybody well. `out`: ids of
    the backends that this was concluded from.
    """

    floor: int = 0
    manual: bool = False
    serving: tuple[int, ...] = ()
    since: float = 0.0
    cause: str = ""
    well_since: dict[int, float] = {}
    out: tuple[int, ...] = ()


class FloorChange(msgspec.Struct, frozen=True, kw_only=True):
    pool_id: int
    floor: int


class BackendLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What one edge worker has on one backend; it holds until the worker's next report."""

    in_flight: int
    latency: int = 0  # microseconds to the first byte, averaged; 0: not measured yet
    weight: float  # that it goes by: less than what is configured during a slow start


def load_key(worker_id: str) -> str:
    return f"lb:load:{worker_id}"


def rate_key(tag: int) -> str:
    """`tag`: 64 bits that stand for the route and whom its limit counts."""
    return f"lb:rate:{tag:016x}"


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes a row of the timeline. `message` follows the backend's name."""

    kind: EventKind
    at: float  # Unix seconds
    backend_id: int
    message: str
    severity: Severity = Severity.INFO
    actor: str = ""  # the user who caused it; "" if nobody did
    data: dict[str, Any] = {}


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one edge worker says of itself. Times are Unix seconds."""

    worker_id: str  # unique for each start of a worker
    host: str
    pid: int
    version: str  # of the software, and whether it is compiled
    snapshot_number: int
    snapshot_hash: str
    snapshot_since: float
    started_at: float
    seen_at: float
    requests: int
    error: str = ""  # why the newest snapshot was not taken, or what of it does not work here
    secret: str = ""  # `fingerprint()` of its LB_SECRET_KEY; empty: it has none, or does not tell


# Checked when a batch is read: what no database could hold must not get as far as one.
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**48)]
Name = Annotated[str, msgspec.Meta(max_length=260, pattern=r"\A[^\x00]*\Z")]
# The same of rows, of which there are many with few names: each is looked at by who reads them.
RowName = Annotated[str, msgspec.Meta(max_length=260)]


# Checked as it is decoded; `proxy.core.histogram` has as many.
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=432)]


# The collector need not look at these, of which there are many: they are part of no cycle.
class TrafficTimes(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How long something has taken, in microseconds.

    `min` and `max` are 0 where nobody knows them; `histogram` maps a bucket's index
    (see `proxy.core.histogram`) to its count.
    """

    sum: Count = 0
    min: Count = 0
    max: Count = 0
    histogram: dict[Bucket, Count] = {}


class TrafficRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What one backend did for one route in one second.

    `backend_id` 0: answered by the edge itself, no backend was reached.
    `route_id` 0: no route matched.
    """

    route_id: Count
    pool_id: Count
    pool: RowName
    backend_id: Count
    backend: RowName
    requests: Count = 0
    status_1xx: Count = 0
    status_2xx: Count = 0
    status_3xx: Count = 0
    status_4xx: Count = 0
    status_5xx: Count = 0
    errors: Count = 0  # tries that brought no usable response; the next three are parts of it
    connect_errors: Count = 0  # no connection, for whatever reason
    timeouts: Count = 0  # connected, but no response began in time
    cuts: Count = 0  # the response began and did not come to its end
    retries: Count = 0  # requests that came to this backend after another one failed
    hedges: Count = 0  # requests that this backend got because another one was slow
    client_aborts: Count = 0  # the client went away first (nginx logs these as 499)
    # Requests that the edge has answered because of that; with `backend_id` 0.
    rejected_rate_limit: Count = 0
    rejected_queue: Count = 0  # it was full, or the wait in it too long
    rejected_no_backend: Count = 0
    bytes_in: Count = 0
    bytes_out: Count = 0
    # The most that one worker had under way at the backend at once, for whatever route.
    in_flight_peak: Count = 0
    queue: TrafficTimes = TrafficTimes()  # waiting for a place, where there was none at once
    connect: TrafficTimes = TrafficTimes()  # making a connection, where none was idle
    first_byte: TrafficTimes = TrafficTimes()  # from the request sent to the response's final head
    total: TrafficTimes = TrafficTimes()  # from the request's first byte to the response's last


class TrafficSecond(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    at: Annotated[int, msgspec.Meta(ge=0, lt=2**33)]  # Unix second
    rows: list[TrafficRow]


class TrafficBatch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Sent again with the same (`source`, `seq`) until Redis has confirmed it.

    A reader must therefore count each (`source`, `seq`) once. `seq` starts at 1
    for each source and has no gaps.
    """

    source: Name
    seq: Count
    seconds: list[TrafficSecond]


# Unique for all time, so that what is read twice is kept once.
Key = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Path = Annotated[str, msgspec.Meta(max_length=1024, pattern=r"\A[^\x00]*\Z")]


class RequestNote(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One request that has ended. Times are in microseconds; None: it never came to that.

    `queue`, `retries`, `connect` and `first_byte` follow each other, and are the
    phases of `proxy.engine.anatomy`. Names are empty, and ids 0, where nobody had been
    found for it; so are `method`, `host` and `path` of a head that could not be read.
    """

    key: Key
    at: Count  # Unix milliseconds when its head was there
    request_id: Name
    notable: bool  # something went wrong, even if the client was answered in the end
    client: Name
    method: Name
    host: Name
    path: Path  # without the query, which may hold secrets
    route_id: Count
    pool_id: Count
    pool: Name
    backend_id: Count
    backend: Name
    status: Annotated[int, msgspec.Meta(ge=0, lt=1000)]
    cause: Name
    attempts: Count
    bytes_in: Count
    bytes_out: Count
    queue: Count | None
    retries: Count | None
    connect: Count | None
    first_byte: Count | None
    total: Count
    snapshot: Count


class RequestBatch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a worker has noted lately, oldest first.

    `left_out`: notable requests of which there were too many to be noted, by pool; "":
    those that had none.
    """

    key: Key
    at: Annotated[int, msgspec.Meta(ge=0, lt=2**33)]  # Unix second when it was closed
    notes: list[RequestNote]
    left_out: dict[Name, Count]
