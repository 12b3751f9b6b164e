"""Redis answers, and yet refuses: keys of a wrong type, no writes. It is told, and passes."""

import time
from collections.abc import Callable, Iterator

import pytest
import redis

from pool import bus
from pool.mending import ASIDE, KINDS, kinds_of_pools
from tests.integration.load import Load
from tests.integration.product import Product

CELERYS = {"celery": "list", "_kombu.binding.celery": "set", "unacked": "hash"}


@pytest.fixture(scope="module")
def product(make_product: Callable[[], Product]) -> Product:
    return make_product().start("--demo", "--interval", "0.5").wait_until_running()


@pytest.fixture
def client(product: Product) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"unix://{product.folder / 'redis.sock'}") as client:
        yield client


def lines(product: Product, program: str, words: str) -> list[str]:
    text = (product.folder / "log" / f"{program}.log").read_text()
    return [line for line in text.splitlines() if words in line]


def probed(client: redis.Redis) -> Callable[[], bool]:
    """Whether all backends have been probed since this was asked."""
    asked = time.time()
    due = dict(client.zrange("lb:probe:due", 0, -1, withscores=True))

    def again() -> bool:
        now = dict(client.zrange("lb:probe:due", 0, -1, withscores=True))
        return len(now) == 3 and all(at > max(asked, due.get(name, 0)) for name, at in now.items())

    return again


def test_keys_of_a_wrong_type_are_made_anew_and_cost_no_request(
    product: Product, client: redis.Redis
) -> None:
    kinds = KINDS | kinds_of_pools([1]) | CELERYS
    with Load(product.port) as load:
        load.wait_for_more(product)
        for key, kind in kinds.items():
            client.delete(key)
            client.set(key, "slip") if kind != "string" else client.rpush(key, "slip")

        def right() -> bool:
            return all(client.type(key).decode() in (kind, "none") for key, kind in kinds.items())

        product.wait_until(right, "all keys to be of their types")
        load.wait_for_more(product)
        snapshot = client.get(bus.SNAPSHOT_KEY)
        product.wait_until(lambda: client.get(bus.SNAPSHOT_KEY) or snapshot, "a snapshot")
        product.wait_until(lambda: client.type("lb:probe:due") == b"zset", "the schedule")
        product.wait_until(probed(client), "the probes")
        product.wait_until(lambda: client.hlen(bus.HEALTH_KEY) == 3, "their verdicts")
        product.wait_until(lambda: client.hlen(bus.EDGES_KEY) > 0, "the edges' reports")
        load.wait_for_more(product)
    assert load.errors == []
    told = lines(product, "worker", "is made anew") + lines(product, "beat", "is made anew")
    for key in kinds:
        assert len([line for line in told if f" {key} in Redis" in line]) == 1, key
        assert f"then DEL {key}{ASIDE}" in "".join(told)
        assert client.exists(key + ASIDE)


def test_a_read_only_redis_is_waited_for_and_told_once(
    product: Product, client: redis.Redis
) -> None:
    worker = product.program("worker").pid
    client.replicaof("127.0.0.1", "1")
    try:
        product.wait_until(lambda: lines(product, "worker", "no task is taken"), "the worker")
        product.wait_until(lambda: lines(product, "beat", "ticks are not sent"), "beat")
        with Load(product.port) as load:
            load.wait_for_more(product, 3000)  # for longer than a worker takes to start again
        assert load.errors == []
    finally:
        client.replicaof("NO", "ONE")
    product.wait_until(lambda: lines(product, "worker", "tasks are taken again"), "the worker")
    product.wait_until(probed(client), "the probes")
    assert product.program("worker").pid == worker, "it was started again"
    assert len(lines(product, "worker", "no task is taken")) == 1
    assert len(lines(product, "beat", "ticks are not sent")) <= 2
