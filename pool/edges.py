"""The edge workers that report: which they are, and whether they run what is saved.

Times in a report are the edge's own clock's: machines that are seconds apart need NTP.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import msgspec
from django.conf import settings
from django.db import transaction
from redis import Redis

from pool.bus import (
    EDGE_REPORT_EXPIRY,
    EDGE_REPORT_INTERVAL,
    EDGES_KEY,
    EDGES_LOOKED_AT_KEY,
    KNOWN_EDGES_KEY,
    MALFORMED,
    EdgeReport,
)
from pool.choices import EventKind, Severity
from pool.connection import redis_client
from pool.fingerprint import fingerprint
from pool.models import Event, Revision

SWAP_SECONDS = 1.0  # an edge has this long to take what was published
MAX_PAUSE = EDGE_REPORT_EXPIRY - EDGE_REPORT_INTERVAL  # seconds between two looks at who has left

SIGNS_ALONE = (
    "Its LB_SECRET_KEY is not the one of the admin: it takes the marks of sticky clients that come "
    "from other edges, and debug headers, for forged. Give all machines the same one."
)


@dataclass(frozen=True)
class Edge:
    """One worker and the revision that it should run."""

    report: EdgeReport
    latest: Revision | None
    now: float

    @property
    def alive(self) -> bool:
        return self.now - self.report.seen_at <= EDGE_REPORT_EXPIRY

    @property
    def lagging(self) -> bool:
        """Whether it said that it runs something else after it could have taken the latest."""
        latest = self.latest
        if latest is None or self.report.snapshot_hash == latest.content_hash:
            return False
        if latest.published_at is None:
            return True
        return self.report.seen_at > latest.published_at.timestamp() + SWAP_SECONDS

    @property
    def error(self) -> str:
        """What does not work there; empty: nothing that is known."""
        secret = self.report.secret
        other = secret and secret != fingerprint(settings.SECRET_KEY)
        return " ".join(filter(None, (self.report.error, SIGNS_ALONE if other else "")))


def read_edges(now: float | None = None) -> list[Edge]:
    """All workers that reported lately, by host and pid; RedisError while Redis is away."""
    latest = Revision.objects.defer("snapshot", "diff").order_by("-number").first()
    now = time.time() if now is None else now
    reports = read_reports(redis_client()).values()
    in_order = sorted(reports, key=lambda report: (report.host, report.pid))
    return [edge for report in in_order if (edge := Edge(report, latest, now)).alive]


def track_edges(now: float | None = None) -> None:
    """Tell the timeline who joined and who left, and forget those that left.

    Of several workers of Celery one does.
    """
    now = time.time() if now is None else now
    redis = redis_client()
    reports, known = read_reports(redis), read_reports(redis, KNOWN_EDGES_KEY)
    alive = {name for name, report in reports.items() if Edge(report, None, now).alive}
    for name in sorted(alive - known.keys()):
        report = reports[name]
        joined = partial(redis.hsetnx, KNOWN_EDGES_KEY, name, msgspec.json.encode(report))
        tell_of(report, EventKind.EDGE_JOINED, f"joined with version {report.version}", joined)
    if not _looked_lately(redis, now):
        return
    for name in sorted(known.keys() - alive):
        _tell_of_leaving(redis, known[name], planned=name not in reports)
    # Not before it is told: who finds none takes it that the edge has signed off.
    for name in sorted(reports.keys() - alive):
        redis.hdel(EDGES_KEY, name)


def _tell_of_leaving(redis: "Redis", report: EdgeReport, *, planned: bool) -> None:
    """A worker that is stopped, or has others in its place, takes its report away itself."""
    words = "left" if planned else "has gone silent: killed, hung, or cut off from Redis"
    severity = Severity.INFO if planned else Severity.WARNING
    left = partial(redis.hdel, KNOWN_EDGES_KEY, report.worker_id)
    tell_of(report, EventKind.EDGE_LEFT, words, left, severity, planned=planned)


def _looked_lately(redis: "Redis", now: float) -> bool:
    """If not, Redis may have been away, for edges as well: they have until the next look."""
    looked_at = cast("bytes | None", redis.set(EDGES_LOOKED_AT_KEY, now, get=True))
    try:
        return looked_at is not None and now - float(looked_at) <= MAX_PAUSE
    except ValueError:
        return False


def tell_of(
    report: EdgeReport,
    kind: EventKind,
    words: str,
    remember: Callable[[], object],
    severity: Severity = Severity.INFO,
    **data: Any,
) -> None:
    """Tell the timeline, and undo that if `remember`, in Redis, finds that somebody else has.

    In this order, so that nothing is remembered as told that the database did not take.
    """
    with transaction.atomic():
        Event.objects.record(
            kind,
            f"Edge {report.host}, pid {report.pid}, {words}",
            severity=severity,
            data={"worker_id": report.worker_id, "host": report.host, "pid": report.pid} | data,
        )
        if not remember():
            transaction.set_rollback(True)


def read_reports(redis: "Redis", key: str = EDGES_KEY) -> dict[str, EdgeReport]:
    """By worker id, silent workers' too; without what another version wrote in another shape."""
    records = cast("dict[bytes, bytes]", redis.hgetall(key))
    reports = {}
    for name, record in records.items():
        try:
            reports[name.decode()] = msgspec.json.decode(record, type=EdgeReport)
        except MALFORMED:
            continue
    return reports
