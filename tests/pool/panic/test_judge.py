"""When a pool is in panic, when nobody of it can serve, and when neither."""

import pytest

from pool.choices import AdminState, CircuitMode, CircuitState, EventKind, HealthState
from pool.outage import Known
from pool.panic.judge import judge
from pool.snapshot import BackendSpec, CircuitPolicy, PoolSpec, TierPolicy

CLOSED, OPEN, HALF_OPEN, FORCED = CircuitState
WELL = Known(HealthState.HEALTHY, CLOSED)
ILL = Known(HealthState.UNHEALTHY, CLOSED)
SHUT = Known(HealthState.HEALTHY, OPEN)
TRIED = Known(HealthState.UNHEALTHY, HALF_OPEN)
FINE, PANIC, NOBODY = (
    EventKind.POOL_RECOVERED,
    EventKind.PANIC,
    EventKind.NO_HEALTHY_UPSTREAM,
)


def verdict(*known, tiers=(), threshold=50, floor=0, **more):
    """Of backends of which this is known, all in tier 0 unless said."""
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url="http://h", tier=dict(enumerate(tiers, 1)).get(n, 0))
        for n in range(1, len(known) + 1)
    )
    policy = TierPolicy(panic_threshold=threshold)
    pool = PoolSpec(id=7, name="web", backends=backends, tiers=policy, **more)
    return judge(pool, dict(enumerate(known, 1)), floor)


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ([WELL, WELL, WELL], FINE),
        ([WELL, WELL, ILL], FINE),
        ([WELL, ILL, ILL], PANIC),
        ([ILL, ILL, ILL], PANIC),
        ([WELL, SHUT, SHUT], PANIC),
        ([SHUT, SHUT, SHUT], NOBODY),
        ([ILL, SHUT, SHUT], PANIC),
        ([TRIED, SHUT, SHUT], PANIC),
        ([Known(HealthState.UNHEALTHY, FORCED)] * 3, NOBODY),
    ],
)
def test_too_few_are_a_panic_and_circuits_stay_shut_in_it(known, kind):
    assert verdict(*known).kind is kind


@pytest.mark.parametrize(("known", "kind"), [([WELL, ILL], FINE), ([ILL, ILL], NOBODY)])
def test_a_pool_without_panic_serves_until_the_last_one(known, kind):
    assert verdict(*known, threshold=0).kind is kind


def test_a_backup_makes_up_for_it():
    assert verdict(ILL, ILL, WELL, tiers=(0, 0, 1)).kind is FINE
    assert verdict(ILL, ILL, ILL, tiers=(0, 0, 1)).kind is PANIC


def test_a_backup_whose_circuit_lets_through_can_still_be_asked():
    assert verdict(SHUT, SHUT, ILL, tiers=(0, 0, 1)).kind is PANIC


def test_circuits_that_are_off_shut_nobody():
    policy = CircuitPolicy(mode=CircuitMode.OFF)
    assert verdict(SHUT, SHUT, circuit=policy).kind is FINE


def test_of_a_pool_with_nobody_in_service_there_is_nothing_to_be_said():
    backend = BackendSpec(id=1, name="a", url="http://h", admin_state=AdminState.MAINTENANCE)
    for backends in ((), (backend,)):
        found = judge(PoolSpec(id=7, name="web", backends=backends), {1: ILL}, 0)
        assert found.kind is FINE
        assert str(found) == "nobody has to be healthy any more (no backend is in service)"


def test_the_words_tell_how_many_are_left():
    assert str(verdict(WELL, ILL, ILL)) == (
        "panic, unhealthy backends get traffic too (1 of 3 backends well)"
    )
