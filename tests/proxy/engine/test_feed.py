"""Following the control plane goes on, whatever has gone wrong with it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisAway

from pool.bus import HEALTH_CHANNEL, SNAPSHOT_CHANNEL, HealthChange, HealthStatus
from pool.choices import HealthState
from proxy.engine import feed
from proxy.engine.feed import Feed
from tests.edge_reports import edge_report

REPORT = edge_report()


@pytest.mark.parametrize("error", [RuntimeError("a defect"), RedisAway(), TimeoutError()])
def test_it_follows_on_after_an_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    following = asyncio.Event()
    errors = [error]

    async def follow(_: Feed) -> None:
        if errors:
            raise errors.pop()
        following.set()
        await asyncio.sleep(3600)

    async def run() -> None:
        nothing: Any = None
        task = asyncio.create_task(Feed(nothing, nothing, Path(), REPORT).run())
        async with asyncio.timeout(10):
            await following.wait()
        task.cancel()

    monkeypatch.setattr(Feed, "_follow", follow)
    monkeypatch.setattr(feed, "RETRY", 0)
    asyncio.run(run())


def test_a_verdict_holds_that_was_heard_before_redis_went_away() -> None:
    """It came in front of the announcement of a snapshot, which cannot be read any more."""
    down = HealthStatus(state=HealthState.UNHEALTHY, since=1.0)
    verdict = msgspec.json.encode(HealthChange(backend_id=7, status=down))
    taken: dict[int, HealthStatus] = {}

    class Edge:
        update_health = taken.update

    class Redis:
        async def get(self, key: str) -> bytes:
            raise RedisAway

    class Channels:
        waiting = [{"channel": SNAPSHOT_CHANNEL.encode(), "data": b"2"}]

        async def get_message(self, timeout: float) -> Any:
            return self.waiting.pop() if self.waiting else None

    async def run() -> None:
        stand_ins: Any = Edge(), Redis(), Channels()
        edge, redis, channels = stand_ins
        following = Feed(edge, redis, Path(), REPORT)
        first = {"channel": HEALTH_CHANNEL.encode(), "data": verdict}
        with pytest.raises(RedisAway):
            await following._hear_all(first, channels)

    asyncio.run(run())
    assert taken == {7: down}
