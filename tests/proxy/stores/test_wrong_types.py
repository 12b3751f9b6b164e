"""A key of a wrong type takes from circuits, ejections and rate limits its own part alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from pool.bus import (
    CIRCUITS_KEY,
    EJECTIONS_KEY,
    EVENTS_STREAM,
    OUT_CIRCUITS_KEY,
    Happening,
    rate_key,
)
from pool.choices import CircuitEvent, CircuitState, EventKind
from pool.circuits.records import Order, Terms
from pool.circuits.script import read_circuit
from pool.outliers.records import Ejection, Ejections
from pool.snapshot import CircuitPolicy
from proxy.stores.agreement import Step
from proxy.stores.ejections import RedisEjections
from proxy.stores.rate_limit import RedisRates, Taken
from proxy.stores.redis import Answer, RedisCircuits, ThreadedRedisCircuits

NOW = 1_700_000_000.0
OPEN = Order(event=CircuitEvent.OPEN, cause="by anna")


def step(backend_id: int, pool_id: int) -> Step:
    return backend_id, OPEN, Terms(pool_id=pool_id, limit=1, policy=CircuitPolicy())


Run = Callable[[Callable[[Redis], Awaitable[Any]]], Any]


@pytest.fixture
def run(redis_url: str) -> Run:
    """What a coroutine comes to that is given a client."""

    async def ask(question: Callable[[Redis], Awaitable[Any]]) -> Any:
        async with Redis.from_url(redis_url) as client:
            return await question(client)

    return lambda question: asyncio.run(ask(question))


@pytest.fixture(params=["asyncio", "threads"])
def apply(
    request: pytest.FixtureRequest, redis_client: redis.Redis, run: Run
) -> Callable[[list[Step]], list[Answer | None]]:
    if request.param == "threads":
        return lambda steps: ThreadedRedisCircuits(redis_client).apply(steps, NOW)
    return lambda steps: run(lambda client: RedisCircuits(client).apply(steps, NOW))


def test_one_pools_keep_no_others_circuits_from_agreement(
    redis_client: redis.Redis, apply: Any
) -> None:
    redis_client.set(OUT_CIRCUITS_KEY % 1, "slip")
    of_first, of_second = apply([step(7, 1), step(8, 2)])
    assert of_first is None
    assert of_second[0].state is CircuitState.FORCED_OPEN


def test_whatever_else_goes_wrong_with_redis_goes_wrong_for_all(
    redis_client: redis.Redis, apply: Any
) -> None:
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            apply([step(7, 1)])
    finally:
        redis_client.config_set("maxmemory", 0)


def test_circuits_move_though_it_cannot_be_told(redis_client: redis.Redis, apply: Any) -> None:
    redis_client.set(EVENTS_STREAM, "slip")
    ((circuit, _),) = apply([step(7, 1)])
    assert circuit.state is CircuitState.FORCED_OPEN
    assert read_circuit(redis_client.hget(CIRCUITS_KEY, "7")) == circuit  # type: ignore[arg-type]


def test_ejections_hold_though_it_cannot_be_told(redis_client: redis.Redis, run: Run) -> None:
    redis_client.set(EVENTS_STREAM, "slip")
    out = Ejections(by_id={7: Ejection(since=NOW, until=NOW + 30, times=1, cause="5xx")})
    told = [Happening(kind=EventKind.EJECTED, at=NOW, backend_id=7, message="out")]
    assert run(lambda client: RedisEjections(client).replace(1, b"", out, told)) is None
    assert redis_client.hexists(EJECTIONS_KEY, "1")


@pytest.mark.parametrize("spoil", [lambda key: ("RPUSH", key, "x"), lambda key: ("SET", key, "x")])
def test_a_rate_limits_counter_begins_anew(
    redis_client: redis.Redis, run: Run, spoil: Callable[[str], tuple[str, ...]]
) -> None:
    redis_client.execute_command(*spoil(rate_key(1)))
    taken = [Taken(number, 2, 1000_000, 60_000_000) for number in (1, 2)]
    debts = run(lambda client: RedisRates(client).settle(taken))
    assert debts == [pytest.approx(2_000_000, abs=1_000_000)] * 2
