"""Following the control plane goes on, whatever has gone wrong with it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

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
    monkeypatch.setattr(feed, "RECONNECT_DELAY", 0)
    asyncio.run(run())
