"""Requests as they are told to others."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from analytics.requests.models import RequestRecord


@dataclass(frozen=True)
class RequestRow:
    """Times in milliseconds, null where it never came to that: `queue` until the first try
    began, `retries` lost with tries before the last one, `connect` until that one was
    connected and sent, `first_byte` from then until its response's head was there. What they
    leave of `total` is the response's body. `route` is null where none matched; `snapshot`,
    the number of the configuration, where none was asked. `notable`: something went wrong.
    """

    at: datetime
    request_id: str
    client: str
    method: str
    host: str
    path: str
    route: int | None
    pool: str
    backend: str
    status: int
    cause: str
    notable: bool
    attempts: int
    queue_ms: float | None
    retries_ms: float | None
    connect_ms: float | None
    first_byte_ms: float | None
    total_ms: float
    bytes_in: int
    bytes_out: int
    snapshot: int | None


def row_of(record: RequestRecord, zone: tzinfo) -> RequestRow:
    return RequestRow(
        at=record.at.astimezone(zone),
        request_id=record.request_id,
        client=record.client,
        method=record.method,
        host=record.host,
        path=record.path,
        route=record.route_id or None,
        pool=record.pool,
        backend=record.backend,
        status=record.status,
        cause=record.cause,
        notable=record.notable,
        attempts=record.attempts,
        queue_ms=_milliseconds(record.queue),
        retries_ms=_milliseconds(record.retries),
        connect_ms=_milliseconds(record.connect),
        first_byte_ms=_milliseconds(record.first_byte),
        total_ms=record.total / 1000,
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        snapshot=record.snapshot or None,
    )


def _milliseconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
