"""Keys of a wrong type are put right; the others, and what is of its type, are left alone."""

import logging

import pytest
import redis

from pool import bus
from pool.health.schedule import DUE_KEY
from pool.mending import ASIDE, KINDS, Mender, kinds_of_pools

ALL = {**KINDS, **kinds_of_pools([1, 2])}


@pytest.mark.parametrize("key", ALL)
def test_it_is_moved_aside_and_told_with_what_to_do(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    redis_client.rpush(key, "slip") if ALL[key] != "list" else redis_client.set(key, "slip")
    redis_client.zadd(DUE_KEY, {"7": 1.0}) if key != DUE_KEY else None
    Mender().mend(redis_client, ALL)
    assert not redis_client.exists(key)
    assert redis_client.exists(key + ASIDE)
    assert redis_client.ttl(key + ASIDE) > 0
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{key} in Redis was a ")
    assert record.getMessage().endswith(f"DEL {key}{ASIDE}")
    if key != DUE_KEY:
        assert redis_client.zrange(DUE_KEY, 0, -1) == [b"7"]


def test_one_that_is_spoilt_again_and_again_is_told_once(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    mender = Mender()
    for _ in range(3):
        redis_client.set(bus.HEALTH_KEY, "slip")
        mender.mend(redis_client, KINDS)
    assert len(caplog.records) == 1
    mender.mend(redis_client, KINDS)
    redis_client.set(bus.HEALTH_KEY, "slip")
    mender.mend(redis_client, KINDS)
    assert len(caplog.records) == 2


def test_all_names_in_the_bus_are_looked_at() -> None:
    names = {
        value
        for name, value in vars(bus).items()
        if name.isupper() and isinstance(value, str) and not name.endswith("_CHANNEL")
    }
    of_pools = {name for name in names if "%d" in name}
    assert names - of_pools == {key for key in KINDS if not key.startswith("lb:probe:")}
    assert {name % 1 for name in of_pools} == kinds_of_pools([1]).keys()
