"""A backend that has become healthy grows into its share."""

from collections.abc import Callable

import pytest

from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, BalancingPolicy, PoolSpec
from proxy.core.balancing import balancer_class
from proxy.core.clock import Clock
from proxy.core.pool import Pool
from proxy.core.slow_start import grown
from proxy.core.succession import build_pool

SECOND = 1_000_000_000
MINUTE = BalancingPolicy(slow_start=60.0)

SpecOf = Callable[..., BackendSpec]
Health = Callable[[HealthState], HealthStatus]


@pytest.mark.parametrize(
    ("seconds", "percent"), [(0, 10), (1, 10), (6, 10), (15, 25), (30, 50), (59.9, 99), (60, 100)]
)
def test_it_grows_steadily_from_the_least(seconds: float, percent: int) -> None:
    assert grown(MINUTE, int(seconds * SECOND)) == percent


def test_aggression_makes_it_grow_fast_at_first() -> None:
    policy = BalancingPolicy(slow_start=60.0, slow_start_aggression=2.0)
    assert grown(policy, 15 * SECOND) == 50  # (15 / 60) ** (1 / 2)
    assert grown(policy, 0) == 12  # t counts as 1 s at least


def test_a_short_window_is_not_longer_than_it_says() -> None:
    assert grown(BalancingPolicy(slow_start=0.5), SECOND // 4) == 100
    assert grown(BalancingPolicy(), 0) == 100


@pytest.fixture
def clock() -> Clock:
    return Clock(5 * SECOND)


@pytest.fixture
def pool(backend_spec: SpecOf, clock: Clock) -> Pool:
    return make_pool([backend_spec(1, weight=4), backend_spec(2)], clock)


def make_pool(
    specs: list[BackendSpec],
    clock: Clock,
    previous: Pool | None = None,
    balancing: BalancingPolicy = MINUTE,
) -> Pool:
    spec = PoolSpec(id=1, name="web", backends=tuple(specs), balancing=balancing)
    return build_pool(spec, balancer_class("weighted_round_robin"), previous, 0, clock)


def recover(pool: Pool, health: Health, backend_id: int = 1) -> None:
    pool.set_health(backend_id, health(HealthState.UNHEALTHY))
    pool.set_health(backend_id, health(HealthState.HEALTHY))


def count(pool: Pool, turns: int) -> int:
    return [pick.id for pick in (pool.choose() for _ in range(turns)) if pick].count(1)


def test_the_weight_grows_and_ends_exactly_at_what_is_configured(
    pool: Pool, clock: Clock, health: Health
) -> None:
    recover(pool, health)
    weights = []
    for _ in range(5):
        pool.refresh()
        weights.append(pool.backends[1].weight)
        clock.now += 15 * SECOND
    assert weights == [0.4, 1.0, 2.0, 3.0, 4]
    assert isinstance(weights[-1], int)
    assert not pool.starting


def test_the_algorithm_goes_by_it(pool: Pool, clock: Clock, health: Health) -> None:
    recover(pool, health)
    clock.now += 15 * SECOND
    pool.refresh()
    assert count(pool, 100) == 50  # weights 1.0 and 1
    clock.now += 60 * SECOND
    pool.refresh()
    assert count(pool, 100) == 80


@pytest.mark.parametrize("first", [None, HealthState.UNKNOWN])
def test_nobody_starts_slowly_with_the_process(
    pool: Pool, health: Health, first: HealthState | None
) -> None:
    if first is not None:
        pool.set_all_health({1: health(first)})
    pool.set_all_health({1: health(HealthState.HEALTHY), 2: health(HealthState.DEGRADED)})
    assert not pool.starting
    assert pool.backends[1].weight == 4


def test_who_falls_ill_again_starts_from_the_beginning(
    pool: Pool, clock: Clock, health: Health
) -> None:
    recover(pool, health)
    clock.now += 30 * SECOND
    pool.set_health(1, health(HealthState.UNHEALTHY))
    assert not pool.starting
    pool.set_health(1, health(HealthState.HEALTHY))
    assert pool.backends[1].weight == 0.4


def test_a_new_configuration_goes_on_with_it(
    pool: Pool, clock: Clock, health: Health, backend_spec: SpecOf
) -> None:
    recover(pool, health)
    clock.now += 30 * SECOND
    new = make_pool([backend_spec(1, weight=10), backend_spec(2)], clock, pool)
    assert new.backends[1].weight == 5.0
    off = make_pool([backend_spec(1, weight=10)], clock, new, BalancingPolicy())
    assert (off.backends[1].weight, off.starting) == (10, False)


def test_a_pool_that_others_have_taken_over_from_goes_on_with_nothing(
    pool: Pool, clock: Clock, health: Health, backend_spec: SpecOf
) -> None:
    """It has requests still, and to refresh it would bring back who has left."""
    recover(pool, health)
    make_pool([backend_spec(1, weight=4)], clock, pool)
    assert not pool.starting


def test_who_is_removed_grows_no_more(
    pool: Pool, clock: Clock, health: Health, backend_spec: SpecOf
) -> None:
    recover(pool, health)
    assert not make_pool([backend_spec(2)], clock, pool).starting
