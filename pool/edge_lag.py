"""Edges that go on running something else than is saved, for the timeline: each once."""

from functools import partial

import msgspec
from redis import Redis

from pool.bus import LAGGING_EDGES_KEY, EdgeReport
from pool.choices import EventKind, Severity
from pool.connection import redis_client
from pool.edges import Edge, read_edges, read_reports, tell_of

TOLD_AFTER = 10.0  # seconds that an edge may lag before it is told: some reports of its


def track_lag(now: float | None = None) -> None:
    """Tell the timeline who lags, and who does no longer; RedisError while Redis is away."""
    redis = redis_client()
    edges = {edge.report.worker_id: edge for edge in read_edges(now)}
    lagging = {name for name, edge in edges.items() if _for_long(edge)}
    told = read_reports(redis, LAGGING_EDGES_KEY)
    for name in sorted(lagging - told.keys()):
        _lags(redis, edges[name])
    for name in sorted(told.keys() - lagging):
        edge = edges.get(name)
        if edge is None or _runs_latest(edge):
            _lags_no_more(redis, told[name], edge)


def _for_long(edge: Edge) -> bool:
    published_at = edge.latest.published_at if edge.latest else None
    if published_at is None or not edge.lagging:
        return False  # what no edge can have is told as not published
    return edge.report.seen_at > published_at.timestamp() + TOLD_AFTER


def _runs_latest(edge: Edge) -> bool:
    """Not so one that has been given a little more time by another publication."""
    return edge.latest is None or edge.report.snapshot_hash == edge.latest.content_hash


def _lags(redis: "Redis", edge: Edge) -> None:
    report, latest = edge.report, edge.latest
    if latest is None:
        return
    words = f"still runs revision {report.snapshot_number}, not {latest.number}"
    why = f": {report.error}" if report.error else ""
    lags = partial(redis.hsetnx, LAGGING_EDGES_KEY, report.worker_id, msgspec.json.encode(report))
    tell_of(report, EventKind.EDGE_LAGS, words + why, lags, Severity.WARNING)


def _lags_no_more(redis: "Redis", report: EdgeReport, edge: Edge | None) -> None:
    words = "runs what is saved again" if edge else "is gone, and lagged until then"
    over = partial(redis.hdel, LAGGING_EDGES_KEY, report.worker_id)
    tell_of(report, EventKind.EDGE_CAUGHT_UP, words, over)
