"""Counters that edges share in Redis."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from pool.bus import rate_key
from proxy.stores.rate_limit import RedisRates, Taken
from tests.integration.edge.harness.processes import RedisServer

SECOND = 1_000_000
SLACK = 60 * SECOND  # of a clock that goes on while a case runs

Settle = Callable[..., list[int]]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="lb-rates-") as folder:
        server = RedisServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def settle(server: RedisServer) -> Settle:
    """`settle(Taken(…), …)`: the debts, in microseconds."""
    server.client.flushall()

    async def ask(taken: tuple[Taken, ...]) -> list[int]:
        async with Redis.from_url(server.url) as client:
            return await RedisRates(client).settle(taken)

    return lambda *taken: asyncio.run(ask(taken))


def a_day(tag: int, requests: int, interval: int = 1000 * SECOND) -> Taken:
    return Taken(tag, requests, interval, 100_000 * SECOND)


def near(seconds: int) -> object:
    return pytest.approx(seconds * SECOND, abs=SLACK)


def test_what_is_taken_adds_up_whoever_takes_it(settle: Settle) -> None:
    assert settle(a_day(1, 3)) == [near(3000)]
    assert settle(a_day(1, 2)) == [near(5000)]


def test_asking_takes_nothing(settle: Settle) -> None:
    assert settle(a_day(1, 0)) == [0]
    settle(a_day(1, 4))
    assert settle(a_day(1, 0)) == [near(4000)]


def test_counters_are_apart_and_in_the_order_of_the_question(settle: Settle) -> None:
    assert settle(a_day(1, 1), a_day(2, 2), a_day(2**64 - 1, 3)) == [
        near(1000),
        near(2000),
        near(3000),
    ]


def test_a_debt_goes_by_with_time_and_does_not_grow_without_end(settle: Settle) -> None:
    assert settle(Taken(1, 1, 1, 1)) in ([1], [0])
    assert settle(Taken(1, 0, 1, 1)) == [0]
    assert settle(Taken(2, 10**6, 1000 * SECOND, 50_000 * SECOND)) == [near(100_000)]


def test_a_counter_leaves_redis_when_it_has_run_out(server: RedisServer) -> None:
    client: redis.Redis = server.client
    client.flushall()

    async def take() -> None:
        async with Redis.from_url(server.url) as connection:
            await RedisRates(connection).settle([Taken(5, 2, 30 * SECOND, 60 * SECOND)])

    asyncio.run(take())
    assert 30_000 < client.pttl(rate_key(5)) <= 60_000
