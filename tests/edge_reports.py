"""What a worker of an edge says of itself."""

from typing import Any

from pool.bus import EdgeReport


def edge_report(at: float = 0.0, **changes: Any) -> EdgeReport:
    """As of `at`, in Unix seconds."""
    fields: dict[str, Any] = {
        "worker_id": "w1",
        "host": "edge-1",
        "pid": 42,
        "version": "0.1.0",
        "snapshot_number": 1,
        "snapshot_hash": "",
        "snapshot_since": at,
        "started_at": at,
        "seen_at": at,
        "requests": 7,
    }
    return EdgeReport(**fields | changes)
