"""A published configuration, what Redis knows besides, and people who ask."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
import redis
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from pool.bus import (
    EDGES_KEY,
    HEALTH_KEY,
    SNAPSHOT_KEY,
    BackendLoad,
    HealthStatus,
    load_key,
)
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, build, encode
from tests.edge_reports import edge_report

Ask = Callable[..., Any]


@pytest.fixture
def specs() -> Callable[..., tuple[BackendSpec, ...]]:
    """`specs("a", b={"weight": 5})`: numbered from 1."""

    def make(*names: str, **changed: dict[str, Any]) -> tuple[BackendSpec, ...]:
        wanted = [(name, {}) for name in names] + list(changed.items())
        return tuple(
            BackendSpec(**{"id": number, "name": name, "url": f"http://{name}"} | fields)
            for number, (name, fields) in enumerate(wanted, 1)
        )

    return make


@pytest.fixture
def publish(redis_client: redis.Redis) -> Callable[..., None]:
    """One pool "shop" with these backends, for every host and path unless routes are given."""

    def put(*backends: BackendSpec, routes: Any = None, **policies: Any) -> None:
        pool = PoolSpec(id=1, name="shop", backends=backends, **policies)
        routes = (RouteSpec(id=1, pool_id=1),) if routes is None else routes
        redis_client.set(SNAPSHOT_KEY, encode(build(7, (pool,), routes)))

    return put


@pytest.fixture
def say_health(redis_client: redis.Redis) -> Callable[..., None]:
    def say(number: int, state: HealthState, reason: str = "") -> None:
        status = HealthStatus(state=state, since=1_700_000_000, reason=reason)
        redis_client.hset(HEALTH_KEY, str(number), msgspec.json.encode(status))

    return say


@pytest.fixture
def report(redis_client: redis.Redis) -> Callable[..., None]:
    """What a worker tells: `report("w1", {1: (in_flight, microseconds)})`, so many seconds ago."""

    def tell(
        worker: str,
        loads: dict[int, tuple[int, int]],
        age: float = 0.0,
        weights: Mapping[int, float] = MappingProxyType({}),
    ) -> None:
        now = time.time() - age
        edge = edge_report(now, worker_id=worker, snapshot_number=7)
        redis_client.hset(EDGES_KEY, worker, msgspec.json.encode(edge))
        for number, (in_flight, latency) in loads.items():
            load = BackendLoad(in_flight=in_flight, latency=latency, weight=weights.get(number, 1))
            redis_client.hset(load_key(worker), str(number), msgspec.json.encode(load))

    return tell


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def reader(db: None) -> APIClient:
    """May view pools, backends and routes, and nothing else."""
    user = User.objects.create_user("reader", is_staff=True)
    names = ["view_pool", "view_backend", "view_route"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return client_of(user)


@pytest.fixture
def half_reader(db: None) -> APIClient:
    user = User.objects.create_user("half", is_staff=True)
    names = ["view_pool", "view_route"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return client_of(user)


@pytest.fixture
def ask(reader: APIClient, redis_client: redis.Redis) -> Ask:
    """`ask(path="/x")`: the answer to a question about shop.test."""

    def post(status: int = 200, **question: Any) -> Any:
        question = {"host": "shop.test", **question}
        response = reader.post("/api/v1/explain/", question, format="json")
        assert response.status_code == status, response.content
        return response.json()

    return post
