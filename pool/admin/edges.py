"""The edge workers on a screen: what they run, against what is saved."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from redis import RedisError

from pool.admin.badges import GREEN, ORANGE, RED, badge
from pool.admin.health import REDIS_AWAY
from pool.edges import Edge, read_edges

HEADERS = ["Host", "Process", "Version", "Revision", "Running it for", "Started", "Requests"]


@dataclass(frozen=True)
class EdgesNow:
    """One reading of all edge workers; `error` says why there is none."""

    edges: list[Edge] = field(default_factory=list)
    error: str = ""

    @classmethod
    def read(cls) -> "EdgesNow":
        try:
            return cls(read_edges())
        except RedisError as error:
            return cls(error=f"{REDIS_AWAY}: {error}")

    def workers_by_hash(self) -> Counter[str]:
        """How many workers run a content: two revisions can have the same one."""
        return Counter(edge.report.snapshot_hash for edge in self.edges)

    @property
    def lagging(self) -> int:
        return sum(edge.lagging for edge in self.edges)

    @property
    def shortcomings(self) -> list[str]:
        """What does not work on edges that run what is saved."""
        return sorted(
            {f"{e.report.host}: {e.error}" for e in self.edges if e.error and not e.lagging}
        )

    @property
    def table(self) -> dict[str, list[Any]]:
        return {"headers": HEADERS, "rows": [_row(edge) for edge in self.edges]}


def revision_badge(edge: Edge) -> SafeString:
    """Never silently different: what runs, and what is saved if that is something else."""
    report, latest = edge.report, edge.latest
    if not edge.lagging or latest is None:
        colour = ORANGE if edge.error else GREEN
        return badge(f"runs {report.snapshot_number}", colour, edge.error)
    text = f"runs {report.snapshot_number}, saved {latest.number}"
    return badge(text, RED if report.error else ORANGE, edge.error or "Not taken over yet.")


def _row(edge: Edge) -> list[Any]:
    report = edge.report
    return [
        report.host,
        report.pid,
        report.version,
        revision_badge(edge),
        _ago(report.snapshot_since),
        f"{_ago(report.started_at)} ago",
        f"{report.requests:,}",
    ]


def _ago(timestamp: float) -> str:
    return timesince(datetime.fromtimestamp(timestamp, UTC))
