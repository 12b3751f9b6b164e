"""The edges and what they run."""

import time

import msgspec
import pytest

from pool.bus import EDGES_KEY
from tests.edge_reports import edge_report


@pytest.fixture
def report(redis_client):
    report = edge_report(1_700_000_000, snapshot_hash="old", seen_at=time.time() + 5)
    redis_client.hset(EDGES_KEY, "w1", msgspec.json.encode(report))
    return report


def test_edges_are_listed(boss, report, commit, web):
    with commit():
        web.save()
    (edge,) = boss.get("/api/v1/edges/").json()["results"]
    assert (edge["host"], edge["pid"], edge["version"], edge["requests"]) == (
        "edge-1",
        42,
        "0.1.0",
        7,
    )
    assert edge["since"] == "2023-11-14T22:13:20Z"
    assert edge["lagging"]


def test_redis_away_is_said(boss, redis_away):
    answer = boss.get("/api/v1/edges/")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("Redis cannot be reached")
