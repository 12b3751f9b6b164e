"""The edge workers that report: which they are, and whether they run what is saved.

Times in a report are the edge's own clock's: machines that are seconds apart need NTP.
"""

import time
from dataclasses import dataclass
from typing import cast

import msgspec
from django.conf import settings
from redis import Redis

from pool.bus import EDGE_REPORT_EXPIRY, EDGES_KEY, KNOWN_EDGES_KEY, EdgeReport
from pool.choices import EventKind, Severity
from pool.connection import redis_client
from pool.fingerprint import fingerprint
from pool.models import Event, Revision

SWAP_SECONDS = 1.0  # an edge has this long to take what was published

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

    What Redis says about adding and removing a field decides who records it, so
    that of several workers of Celery one does.
    """
    now = time.time() if now is None else now
    redis = redis_client()
    reports, known = read_reports(redis), read_reports(redis, KNOWN_EDGES_KEY)
    alive = {name for name, report in reports.items() if Edge(report, None, now).alive}
    for name in sorted(alive - known.keys()):
        _join(reports[name])
    for name in sorted(reports.keys() - alive):
        redis.hdel(EDGES_KEY, name)
    for name in sorted(known.keys() - alive):
        _leave(known[name])


def _join(report: EdgeReport) -> None:
    if redis_client().hsetnx(KNOWN_EDGES_KEY, report.worker_id, msgspec.json.encode(report)):
        message = f"Edge {report.host}, pid {report.pid}, joined with version {report.version}"
        Event.objects.record(EventKind.EDGE_JOINED, message, data=_data(report))


def _leave(report: EdgeReport) -> None:
    if redis_client().hdel(KNOWN_EDGES_KEY, report.worker_id):
        message = f"Edge {report.host}, pid {report.pid}, left"
        Event.objects.record(
            EventKind.EDGE_LEFT, message, severity=Severity.WARNING, data=_data(report)
        )


def _data(report: EdgeReport) -> dict[str, str | int]:
    return {"worker_id": report.worker_id, "host": report.host, "pid": report.pid}


def read_reports(redis: "Redis", key: str = EDGES_KEY) -> dict[str, EdgeReport]:
    """By worker id, silent workers' too; without what another version wrote in another shape."""
    records = cast("dict[bytes, bytes]", redis.hgetall(key))
    reports = {}
    for name, record in records.items():
        try:
            reports[name.decode()] = msgspec.json.decode(record, type=EdgeReport)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return reports
