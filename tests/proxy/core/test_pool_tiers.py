"""Tiers, panic and stand-ins in one worker: who is chosen, and what survives a refresh."""

from collections import Counter
from collections.abc import Callable, Container
from random import Random

import pytest

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState, TierMode
from pool.snapshot import BackendSpec, PoolSpec, TierPolicy
from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING, Balancer
from proxy.core.balancing.round_robin import RoundRobin
from proxy.core.pool import Pool
from proxy.core.succession import build_pool

PoolOf = Callable[..., Pool]
SpecOf = Callable[..., BackendSpec]
Health = Callable[[HealthState], HealthStatus]

ILL, WELL = HealthState.UNHEALTHY, HealthState.HEALTHY
SPILL_OVER = TierPolicy(mode=TierMode.SPILL_OVER)


def picks(pool: Pool, count: int = 100, key: bytes | None = None) -> Counter[int]:
    chosen = (pool.choose(key=key) for _ in range(count))
    return Counter(pick.id for pick in chosen if pick is not None)


def by_tier(pool: Pool, count: int = 4000) -> dict[int, float]:
    """Percent of the requests."""
    found: Counter[int] = Counter()
    for backend_id, number in picks(pool, count).items():
        found[pool.backends[backend_id].spec.tier] += number
    return {tier: number * 100 / count for tier, number in found.items()}


def make(pool_of: PoolOf, backend_spec: SpecOf, *tiers: int, **fields: object) -> Pool:
    """Backends 1, 2 … in these tiers."""
    pool = pool_of([backend_spec(n, tier=tier) for n, tier in enumerate(tiers, 1)], **fields)
    pool.chance = Random(1).random
    return pool


def say(pool: Pool, health: Health, state: HealthState, *ids: int) -> None:
    for backend_id in ids:
        pool.set_health(backend_id, health(state))


# --- spill-over ---


def test_what_a_tier_lacks_goes_to_the_next_one(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 0, 1, 1, tiers=SPILL_OVER)
    assert by_tier(pool) == {0: 100}
    say(pool, health, ILL, 1)
    assert by_tier(pool) == {0: pytest.approx(70, abs=3), 1: pytest.approx(30, abs=3)}
    say(pool, health, ILL, 2)
    assert by_tier(pool) == {1: 100}
    say(pool, health, WELL, 1, 2)
    assert by_tier(pool) == {0: 100}


def test_within_each_tier_the_algorithm_keeps_its_turn(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 0, 0, 0, 1, 1, tiers=SPILL_OVER, algorithm="round_robin")
    say(pool, health, ILL, 1, 2)
    counts = picks(pool, 1001)
    assert abs(counts[3] - counts[4]) <= 1
    assert abs(counts[5] - counts[6]) <= 1


# --- algorithms that need keys ---


class ByKey(Balancer):
    needs_key = True

    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        assert key is not None
        return next((backend for backend in self.backends if backend not in excluded), None)


@pytest.fixture
def keyed(backend_spec: SpecOf, health: Health) -> Pool:
    """Spills 30 % over to backend 3."""
    specs = tuple(backend_spec(n, tier=tier) for n, tier in enumerate((0, 0, 1), 1))
    spec = PoolSpec(id=1, name="web", backends=specs, tiers=SPILL_OVER)
    pool = build_pool(spec, ByKey, None, 0, fallback=RoundRobin)
    say(pool, health, ILL, 1)
    return pool


def test_equal_keys_stay_in_one_tier(keyed: Pool) -> None:
    counts: Counter[int] = Counter()
    for number in range(2000):
        (chosen,) = picks(keyed, 5, key=b"client %d" % number)
        counts[chosen] += 1
    assert counts[2] / 2000 == pytest.approx(0.7, abs=0.03)


def test_requests_without_a_key_go_to_the_fallback(keyed: Pool, health: Health) -> None:
    say(keyed, health, WELL, 1)
    assert picks(keyed, 100) == {1: 50, 2: 50}
    assert picks(keyed, 100, key=b"x") == {1: 100}


def test_the_algorithms_of_a_tier_learn_who_has_failed(
    backend_spec: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[type[Balancer], Backend]] = []
    monkeypatch.setattr(
        Balancer, "failed", lambda self, backend: told.append((type(self), backend))
    )
    spec = PoolSpec(id=1, name="web", backends=(backend_spec(1), backend_spec(2)))
    by_turns = build_pool(spec, RoundRobin, None, 0)
    by_turns.failed(by_turns.backends[2])
    assert told == [(RoundRobin, by_turns.backends[2])]
    told.clear()
    by_key = build_pool(spec, ByKey, None, 0, fallback=RoundRobin)
    by_key.failed(by_key.backends[1])
    assert told == [(ByKey, by_key.backends[1]), (RoundRobin, by_key.backends[1])]


# --- when a tier has nobody for this request ---


def test_a_request_that_a_tier_has_nobody_left_for_goes_to_the_next_one(
    pool_of: PoolOf, backend_spec: SpecOf
) -> None:
    pool = make(pool_of, backend_spec, 0, 1, 2)
    first, second, third = pool.backends.values()
    assert pool.choose({first}) is second
    assert pool.choose({first, second}) is third
    assert pool.choose({first, second, third}) is None


def test_a_full_tier_is_helped_by_the_next_one(pool_of: PoolOf, backend_spec: SpecOf) -> None:
    pool = pool_of([backend_spec(1, max_connections=1), backend_spec(2, tier=1)])
    pool.backends[1].take()
    assert picks(pool, 5) == {2: 5}
    pool.backends[1].give_back()
    assert picks(pool, 5) == {1: 5}


def test_an_empty_pool_has_nobody(pool_of: PoolOf) -> None:
    assert pool_of([]).choose() is None


# --- panic ---


def test_in_panic_the_unhealthy_are_used_too(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 0, 0)
    say(pool, health, ILL, 1)
    assert picks(pool, 90) == {2: 45, 3: 45}
    say(pool, health, ILL, 2)
    assert picks(pool, 90) == {1: 30, 2: 30, 3: 30}
    assert not pool.hopeless
    say(pool, health, ILL, 3)
    assert picks(pool, 90) == {1: 30, 2: 30, 3: 30}
    assert pool.hopeless
    say(pool, health, WELL, 1, 2)
    assert picks(pool, 90) == {1: 45, 2: 45}


def test_without_panic_nobody_serves_when_nobody_is_well(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 0, tiers=TierPolicy(panic_threshold=0))
    say(pool, health, ILL, 1, 2)
    assert pool.choose() is None


# --- stand-ins ---


def test_a_stand_in_takes_exactly_the_share_of_its_backend(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    specs = [backend_spec(1, weight=3), backend_spec(2), backend_spec(9, backup_of=1, tier=5)]
    pool = pool_of(specs)
    assert picks(pool, 80) == {1: 60, 2: 20}
    say(pool, health, ILL, 1)
    assert picks(pool, 80) == {9: 60, 2: 20}
    say(pool, health, ILL, 9)
    assert picks(pool, 80) == {2: 80}
    say(pool, health, WELL, 1)
    assert picks(pool, 80) == {1: 60, 2: 20}


def test_a_drained_backend_is_stood_in_for(pool_of: PoolOf, backend_spec: SpecOf) -> None:
    drained = backend_spec(1, weight=3, admin_state=AdminState.DRAINING)
    pool = pool_of([drained, backend_spec(2), backend_spec(9, backup_of=1)])
    assert picks(pool, 80) == {9: 60, 2: 20}


# --- the floor ---


def test_tiers_below_the_floor_serve_only_what_nobody_above_can(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 1)
    pool.set_floor(1)
    assert picks(pool) == {2: 100}
    assert pool.choose({pool.backends[2]}) is pool.backends[1]
    say(pool, health, ILL, 2)
    assert picks(pool) == {1: 100}
    say(pool, health, WELL, 2)
    pool.set_floor(0)
    assert picks(pool) == {1: 100}


def test_a_new_configuration_keeps_the_floor(pool_of: PoolOf, backend_spec: SpecOf) -> None:
    old = make(pool_of, backend_spec, 0, 1)
    old.set_floor(1)
    assert picks(make_again(pool_of, backend_spec, old)) == {2: 100}


def make_again(pool_of: PoolOf, backend_spec: SpecOf, old: Pool) -> Pool:
    return pool_of([backend_spec(1), backend_spec(2, tier=1), backend_spec(3)], old)


# --- what is kept ---


def test_the_turn_of_a_tier_goes_on_after_another_one_has_served(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health
) -> None:
    pool = make(pool_of, backend_spec, 0, 0, 1)
    tier = pool.tiers[0].balancer
    say(pool, health, ILL, 1, 2)
    assert picks(pool) == {3: 100}
    say(pool, health, WELL, 1, 2)
    assert picks(pool) == {1: 50, 2: 50}
    assert pool.tiers[0].balancer is tier


def test_what_does_not_change_a_tier_does_not_rebuild_it(
    pool_of: PoolOf, backend_spec: SpecOf, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(pool_of, backend_spec, 0, 1, 1)
    monkeypatch.setattr(pool.tiers[0].balancer, "update", lambda *_: pytest.fail("rebuilt"))
    say(pool, health, ILL, 2)
    assert picks(pool) == {1: 100}


# --- sticky clients ---


@pytest.mark.parametrize(
    ("fields", "state", "keeps"),
    [
        ({}, WELL, True),
        ({"admin_state": AdminState.DRAINING}, WELL, True),
        ({"weight": 0}, WELL, True),
        ({"admin_state": AdminState.MAINTENANCE}, WELL, False),
        ({}, ILL, False),
        ({"admin_state": AdminState.DRAINING}, ILL, False),
    ],
)
def test_who_keeps_its_clients(
    backend_spec: SpecOf, health: Health, fields: dict[str, object], state: HealthState, keeps: bool
) -> None:
    backend = Backend(backend_spec(**fields))
    backend.set_health(health(state))
    assert backend.keeps_clients is keeps
