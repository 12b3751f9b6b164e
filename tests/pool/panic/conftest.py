"""A pool of three, and the probes' part played by hand."""

from collections.abc import Callable

import msgspec
import pytest
import redis

from pool.bus import HEALTH_KEY, HealthStatus
from pool.choices import HealthState
from pool.compilation import compile_configuration
from pool.models import Backend, Pool
from pool.snapshot import Snapshot, build


@pytest.fixture
def shop(db: None) -> Pool:
    pool = Pool.objects.create(name="shop")
    for name in "abc":
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80")
    return pool


@pytest.fixture
def well(shop: Pool, redis_client: redis.Redis) -> Callable[[int], None]:
    """Puts states into Redis: well(1) leaves one healthy."""

    def put(count: int) -> None:
        for index, backend in enumerate(shop.backends.order_by("pk")):
            state = HealthState.HEALTHY if index < count else HealthState.UNHEALTHY
            status = HealthStatus(state=state, since=1.0)
            redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))

    put(3)
    return put


@pytest.fixture
def snapshot(shop: Pool) -> Callable[[], Snapshot]:
    return lambda: build(1, *compile_configuration())
