"""Pools, backends and routes to start from, and publishing as it happens in production."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis

from pool.bus import SNAPSHOT_KEY
from pool.connection import redis_client as product_redis_client
from pool.models import Backend, Pool, Route
from pool.snapshot import Snapshot, decode

Commit = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def web(db: None) -> Pool:
    return Pool.objects.create(name="web")


@pytest.fixture
def one(web: Pool) -> Backend:
    return Backend.objects.create(pool=web, name="one", url="http://127.0.0.1:9001")


@pytest.fixture
def route(web: Pool) -> Route:
    return Route.objects.create(pool=web)


@pytest.fixture
def certificate() -> str:
    """An authority's certificate in PEM."""
    return (Path(__file__).parent / "authority.pem").read_text()


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Any) -> Commit:
    """A block at whose end the transaction counts as committed."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def published(redis_client: redis.Redis) -> Callable[[], Snapshot | None]:
    """Reads what edges would read."""

    def read() -> Snapshot | None:
        data = redis_client.get(SNAPSHOT_KEY)
        return decode(data) if data else None  # type: ignore[arg-type]

    return read


@pytest.fixture
def redis_away(settings: Any) -> Iterator[None]:
    """A Redis that refuses connections."""
    settings.LB_REDIS_URL = "unix:///nonexistent/redis.sock"
    product_redis_client.cache_clear()
    yield
    product_redis_client.cache_clear()
