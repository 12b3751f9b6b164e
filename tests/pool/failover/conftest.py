"""A pool of two tiers, and the probes' part played by hand."""

from collections.abc import Callable

import msgspec
import pytest
import redis

from pool.bus import CIRCUITS_KEY, FAILOVER_KEY, HEALTH_KEY, FailoverState, HealthStatus
from pool.choices import CircuitState, HealthState
from pool.circuits.records import Circuit
from pool.compilation import compile_configuration
from pool.models import Backend, Pool
from pool.snapshot import Snapshot, build


@pytest.fixture
def tiered(db: None, redis_client: redis.Redis) -> Pool:
    pool = Pool.objects.create(name="shop")
    for tier, name in enumerate(("primary", "backup")):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80", tier=tier)
    return pool


@pytest.fixture
def say(tiered: Pool, redis_client: redis.Redis) -> Callable[..., None]:
    """Puts states into Redis: say(primary=UNHEALTHY)."""

    def put(**states: HealthState) -> None:
        for name, state in states.items():
            status = HealthStatus(state=state, since=1.0)
            pk = str(tiered.backends.get(name=name).pk)
            redis_client.hset(HEALTH_KEY, pk, msgspec.json.encode(status))

    put(primary=HealthState.HEALTHY, backup=HealthState.HEALTHY)
    return put


@pytest.fixture
def circuits(tiered: Pool, redis_client: redis.Redis) -> Callable[..., None]:
    """Puts circuits into Redis: circuits(primary=OPEN)."""

    def put(**states: CircuitState) -> None:
        for name, state in states.items():
            circuit = Circuit(state=state, generation=1, since=1.0)
            pk = str(tiered.backends.get(name=name).pk)
            redis_client.hset(CIRCUITS_KEY, pk, msgspec.json.encode(circuit))

    return put


@pytest.fixture
def snapshot(tiered: Pool) -> Callable[[], Snapshot]:
    """What would be published now."""
    return lambda: build(1, *compile_configuration())


@pytest.fixture
def state(tiered: Pool, redis_client: redis.Redis) -> Callable[[], FailoverState | None]:
    def read() -> FailoverState | None:
        raw = redis_client.hget(FAILOVER_KEY, str(tiered.pk))
        return msgspec.json.decode(raw, type=FailoverState) if raw else None

    return read
