"""A backend that is well but slow: used, with a part of its weight."""

from collections import Counter
from collections.abc import Callable

import pytest

from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, BalancingPolicy, HealthOverrides, HealthPolicy
from proxy.core.pool import Pool

PoolOf = Callable[..., Pool]
SpecOf = Callable[..., BackendSpec]
Health = Callable[[HealthState], HealthStatus]


def shares(pool: Pool, count: int) -> dict[int, int]:
    picks = [pool.choose() for _ in range(count)]
    return Counter(pick.id for pick in picks if pick is not None)


@pytest.mark.parametrize(("percent", "expected"), [(25, 1), (50, 2), (100, 4)])
def test_it_gets_its_percentage_of_its_weight(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, percent: int, expected: int
) -> None:
    policy = HealthPolicy(degraded_weight=percent)
    pool = pool_of([backend_spec(1), backend_spec(2)], health=policy)
    pool.set_health(1, health(HealthState.DEGRADED))
    assert shares(pool, (4 + expected) * 10) == {1: 10 * expected, 2: 40}


@pytest.mark.parametrize(("percent", "expected"), [(25, 10), (50, 20), (100, 40)])
def test_it_gets_that_percentage_of_its_turns_where_weights_do_not_count(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, percent: int, expected: int
) -> None:
    policy = HealthPolicy(degraded_weight=percent)
    backends = [backend_spec(1, weight=9), backend_spec(2), backend_spec(3)]
    pool = pool_of(backends, health=policy, algorithm="round_robin")
    pool.set_health(1, health(HealthState.DEGRADED))
    assert shares(pool, 80 + expected) == {1: expected, 2: 40, 3: 40}


def test_turns_are_even_where_all_are_degraded_and_one_gets_them_all_if_it_is_alone(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)], algorithm="round_robin")
    pool.set_all_health({1: health(HealthState.DEGRADED), 2: health(HealthState.DEGRADED)})
    assert shares(pool, 20) == {1: 10, 2: 10}
    pool.set_health(2, health(HealthState.UNHEALTHY))
    assert shares(pool, 10) == {1: 10}


def test_the_percentage_may_be_the_backends_own(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    own = HealthOverrides(degraded_weight=25)
    pool = pool_of([backend_spec(1, health=own), backend_spec(2)])
    pool.set_all_health({1: health(HealthState.DEGRADED), 2: health(HealthState.DEGRADED)})
    assert shares(pool, 30) == {1: 10, 2: 20}


def test_it_has_its_whole_weight_again_at_once_when_it_is_healthy(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)], balancing=BalancingPolicy(slow_start=60.0))
    pool.set_health(1, health(HealthState.DEGRADED))
    assert pool.backends[1].weight == 0.5
    pool.set_health(1, health(HealthState.HEALTHY))
    assert pool.backends[1].weight == 1
    assert not pool.starting  # it was never out


def test_one_that_recovers_as_degraded_starts_slowly_to_that_part(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)], balancing=BalancingPolicy(slow_start=60.0))
    pool.set_health(1, health(HealthState.UNHEALTHY))
    pool.set_health(1, health(HealthState.DEGRADED))
    assert pool.starting
    assert pool.backends[1].weight == pytest.approx(0.5 * 0.1)


def test_the_last_one_serves_everything(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)])
    pool.set_all_health({1: health(HealthState.DEGRADED), 2: health(HealthState.UNHEALTHY)})
    assert shares(pool, 10) == {1: 10}
