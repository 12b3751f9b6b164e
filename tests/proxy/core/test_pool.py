"""A pool in one worker: who may be chosen, and what a new configuration leaves alone."""

from collections.abc import Callable, Sequence

import pytest

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing.base import Balancer
from proxy.core.pool import Pool

PoolOf = Callable[..., Pool]
SpecOf = Callable[..., BackendSpec]
Health = Callable[[HealthState], HealthStatus]


def chosen(pool: Pool, count: int = 20) -> set[int]:
    picks = [pool.choose() for _ in range(count)]
    return {pick.id for pick in picks if pick is not None}


# --- who may be chosen ---


@pytest.mark.parametrize(
    "fields",
    [
        {"admin_state": AdminState.DRAINING},
        {"admin_state": AdminState.MAINTENANCE},
        {"weight": 0},
    ],
)
def test_backends_that_the_operator_took_out_get_nothing(
    pool_of: PoolOf, backend_spec: SpecOf, fields: dict[str, object]
) -> None:
    assert chosen(pool_of([backend_spec(1), backend_spec(2, **fields)])) == {1}
    assert chosen(pool_of([backend_spec(2, **fields)])) == set()


@pytest.mark.parametrize(
    ("state", "takes_traffic"),
    [
        (HealthState.UNKNOWN, True),
        (HealthState.HEALTHY, True),
        (HealthState.DEGRADED, True),
        (HealthState.UNHEALTHY, False),
    ],
)
def test_health_decides(
    pool_of: PoolOf,
    backend_spec: SpecOf,
    health: Health,
    state: HealthState,
    takes_traffic: bool,
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)])
    pool.set_health(1, health(state))
    assert chosen(pool) == ({1, 2} if takes_traffic else {2})


def test_a_backend_that_recovers_or_is_not_probed_any_more_takes_traffic_again(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2)])
    for recovery in (health(HealthState.HEALTHY), None):
        pool.set_health(1, health(HealthState.UNHEALTHY))
        assert chosen(pool) == {2}
        pool.set_health(1, recovery)
        assert chosen(pool) == {1, 2}


@pytest.mark.parametrize("algorithm", ["least_response_time", "peak_ewma"])
def test_how_slow_it_was_before_it_fell_ill_is_not_held_against_a_backend_that_is_back(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, algorithm: str
) -> None:
    pool = pool_of([backend_spec(number) for number in (1, 2, 3)], algorithm=algorithm)
    for number, backend in pool.backends.items():
        backend.latency.observe(10**6 if number == 1 else 1000, pool.clock.now)
        backend.latency.elsewhere = backend.latency.mean
    assert 1 not in chosen(pool)
    pool.set_health(1, health(HealthState.UNHEALTHY))
    pool.set_health(1, health(HealthState.HEALTHY))
    assert 1 in chosen(pool)


def count_updates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many backends each update of an algorithm has told it of, from now on."""
    updates: list[int] = []
    update = Balancer.update

    def counting(balancer: Balancer, backends: Sequence[Backend]) -> None:
        updates.append(len(backends))
        update(balancer, backends)

    monkeypatch.setattr(Balancer, "update", counting)
    return updates


def test_news_of_an_unknown_backend_is_ignored(pool_of: PoolOf, health: Health) -> None:
    pool_of([]).set_health(99, health(HealthState.UNHEALTHY))


def test_backends_of_a_higher_tier_wait_until_the_lower_one_is_gone(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(1), backend_spec(2, tier=1), backend_spec(3, tier=1)])
    assert chosen(pool) == {1}
    pool.set_health(1, health(HealthState.UNHEALTHY))
    assert chosen(pool) == {2, 3}
    pool.set_health(1, health(HealthState.HEALTHY))
    assert chosen(pool) == {1}


def test_the_health_of_all_is_taken_at_once(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of([backend_spec(number) for number in range(1, 101)])
    updates = count_updates(monkeypatch)
    unhealthy = health(HealthState.UNHEALTHY)
    pool.set_all_health(dict.fromkeys([*range(1, 51), 999], unhealthy))
    assert chosen(pool, 200) == set(range(51, 101))
    assert updates == [50]


def test_what_redis_has_lost_is_still_believed_until_the_probes_speak(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = pool_of([backend_spec(number) for number in (1, 2)])
    pool.set_all_health({1: health(HealthState.UNHEALTHY)})
    pool.set_all_health({})
    assert chosen(pool, 10) == {2}
    pool.set_all_health({1: health(HealthState.UNKNOWN)})
    assert chosen(pool, 10) == {1, 2}


def test_news_that_does_not_change_who_may_be_chosen_rebuilds_nothing(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of([backend_spec(1)])
    monkeypatch.setattr(Balancer, "update", lambda *_: pytest.fail("rebuilt"))
    pool.set_health(1, health(HealthState.UNKNOWN))
    pool.set_all_health({1: health(HealthState.HEALTHY)})
    assert pool.backends[1].health == health(HealthState.HEALTHY)


def test_max_connections_bound_what_is_in_flight(backend_spec: SpecOf) -> None:
    backend = Backend(backend_spec(max_connections=2))
    backend.in_flight = 1
    assert backend.available()
    backend.in_flight = 2
    assert not backend.available()
    backend.configure(backend_spec(max_connections=0))
    assert backend.available()


# --- a new configuration ---


def test_what_stays_keeps_its_live_state(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    old = pool_of([backend_spec(1), backend_spec(2)])
    old.backends[1].in_flight = 7
    old.set_health(1, health(HealthState.UNHEALTHY))
    new = pool_of([backend_spec(1, weight=5, name="renamed"), backend_spec(2)], old)
    assert new.backends[1] is old.backends[1]
    assert (new.backends[1].in_flight, new.backends[1].spec.weight) == (7, 5)
    assert chosen(new) == {2}


def test_the_turn_goes_on_where_it_was(pool_of: PoolOf, backend_spec: SpecOf) -> None:
    old = pool_of([backend_spec(1), backend_spec(2)])
    old.choose()
    pick = pool_of([backend_spec(1), backend_spec(2)], old).choose()
    assert pick is not None
    assert pick.id == 2


def test_another_url_is_another_server(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    old = pool_of([backend_spec(1)])
    old.backends[1].in_flight = 7
    old.set_health(1, health(HealthState.UNHEALTHY))
    new = pool_of([backend_spec(1, url="http://10.9.9.9")], old)
    assert new.backends[1] is not old.backends[1]
    assert (new.backends[1].in_flight, new.backends[1].health) == (0, None)
    assert chosen(new) == {1}


def test_what_is_gone_is_not_chosen_and_may_end_in_peace(
    pool_of: PoolOf, backend_spec: SpecOf
) -> None:
    old = pool_of([backend_spec(1), backend_spec(2)])
    leaving = old.backends[2]
    leaving.in_flight = 1
    new = pool_of([backend_spec(1)], old)
    assert chosen(new) == {1}
    leaving.in_flight -= 1
    assert leaving.in_flight == 0


def test_another_algorithm_starts_anew_with_the_same_backends(
    pool_of: PoolOf, backend_spec: SpecOf
) -> None:
    old = pool_of([backend_spec(1), backend_spec(2)])
    new = pool_of([backend_spec(1), backend_spec(2)], old, algorithm="round_robin")
    assert type(new.tiers[0].balancer) is not type(old.tiers[0].balancer)
    assert new.backends == old.backends
    assert chosen(new) == {1, 2}


def test_verdicts_that_come_together_cost_one_refresh(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of([backend_spec(number) for number in range(1, 6)])
    updates = count_updates(monkeypatch)
    ill = health(HealthState.UNHEALTHY)
    pool.update_health({1: ill, 2: ill, 99: ill})
    assert updates == [3]
    assert all(pool.backends[number].health is ill for number in (1, 2))
