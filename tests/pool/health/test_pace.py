"""How often a backend is probed follows from where it stands."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.choices import HealthState, ProbeResult
from pool.health.hysteresis import Standing
from pool.health.plan import Target, plan_of
from pool.health.schedule import CLAIMS_KEY, DUE_KEY, PACE_KEY, Next, Schedule
from pool.snapshot import BackendSpec, HealthPolicy, PoolSpec, build

NOW = 1_700_000_000.0
PASS, FAIL = ProbeResult.PASS, ProbeResult.FAIL
WELL = Standing(state=HealthState.HEALTHY, last=PASS, streak=1, passes=1)
DOUBTED = Standing(state=HealthState.HEALTHY, last=FAIL, streak=1)
DOWN = Standing(state=HealthState.UNHEALTHY, last=FAIL, streak=3)
RISING = Standing(state=HealthState.UNHEALTHY, last=PASS, streak=1, passes=1)

PACED = {"interval": 10.0, "fast_interval": 1.0, "down_interval": 30.0}


def _target(backend_id=7, **policy):
    return Target(backend_id=backend_id, origin="", name="", policy=HealthPolicy(**policy))


def _plan(*ids, **policy):
    backends = tuple(BackendSpec(id=one, name=f"b{one}", url="http://h:80") for one in ids)
    pool = PoolSpec(id=1, name="shop", health=HealthPolicy(**policy), backends=backends)
    return plan_of(build(1, (pool,), ()))


@pytest.fixture
def schedule(redis_client):
    return Schedule(redis_client)


def _conclude(schedule, plan, claim, standing, now):
    """As a prober does; for what stood before, the claim's own is taken."""
    following = Next.after(plan.targets[claim.backend_id], standing, now)
    assert schedule.record(claim, claim.standing, standing, following) is True


def _probe_until(schedule, plan, start, end, standing, step=0.25):
    """Due times of the probes from start to end, each of which ends at once with `standing`."""
    dues = []
    for tick in range(int((end - start) / step)):
        now = start + tick * step
        for claim in schedule.claim(plan.version, now, now + step):
            dues.append(claim.due)
            _conclude(schedule, plan, claim, standing, max(now, claim.due))
    return dues


def _gaps(dues):
    return [after - before for before, after in itertools.pairwise(dues)]


# --- which interval holds ---


@pytest.mark.parametrize(
    ("standing", "seconds"), [(Standing(), 10), (WELL, 10), (DOUBTED, 1), (DOWN, 30), (RISING, 1)]
)
def test_each_standing_has_its_interval(schedule, standing, seconds):
    plan = _plan(7, **PACED, timeout=0.5)
    schedule.sync(plan, NOW)
    dues = _probe_until(schedule, plan, NOW, NOW + 125, standing)
    assert _gaps(dues)[1:] == [pytest.approx(seconds, abs=1e-3)] * (len(dues) - 2)
    assert len(dues) >= 4


@pytest.mark.parametrize("standing", [WELL, DOUBTED, DOWN, RISING])
def test_without_intervals_of_their_own_all_have_the_same(standing):
    assert _target(interval=5.0).period_after(standing) == 5
    assert not _target(interval=5.0).hurries(standing)


def test_a_fast_interval_may_be_shorter_than_the_timeout(schedule):
    plan = _plan(7, interval=10.0, fast_interval=0.5, timeout=5.0)
    schedule.sync(plan, NOW)
    dues = _probe_until(schedule, plan, NOW, NOW + 30, DOUBTED)
    assert _gaps(dues)[1:] == [pytest.approx(0.5, abs=1e-3)] * (len(dues) - 2)


def test_while_a_probe_hangs_no_second_one_is_started_however_fast(schedule):
    plan = _plan(7, interval=10.0, fast_interval=0.5, timeout=5.0)
    schedule.sync(plan, NOW)
    dues = _probe_until(schedule, plan, NOW, NOW + 8, DOUBTED)
    (hanging,) = schedule.claim(plan.version, NOW + 8, NOW + 8.6)
    assert hanging.due > dues[-1]
    assert schedule.claim(plan.version, NOW + 8.6, hanging.due + 4.9) == []


@given(st.integers(1, 10_000), st.floats(0.1, 3600), st.floats(0, 1e6))
def test_the_next_probe_comes_after_half_an_interval_at_least(backend_id, interval, passed):
    target = _target(backend_id, interval=interval, timeout=0.05)
    now = NOW + passed
    wait = target.next_after(WELL, now) - now
    assert 0.5 * interval - 1e-3 <= wait <= 1.5 * interval + 1e-3


# --- moving between them ---


def test_a_first_failure_brings_the_next_probe_forward(schedule, redis_client):
    plan = _plan(7, **PACED, timeout=0.5)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 2)
    _conclude(schedule, plan, claim, DOUBTED, claim.due)
    assert 0.5 <= redis_client.zscore(DUE_KEY, "7") - claim.due <= 1.5


def test_a_recovery_returns_to_the_grid_of_the_plan(schedule, redis_client):
    plan = _plan(7, **PACED, timeout=0.5)
    schedule.sync(plan, NOW)
    _probe_until(schedule, plan, NOW, NOW + 20, DOUBTED)
    dues = _probe_until(schedule, plan, NOW + 20, NOW + 120, WELL)
    assert _gaps(dues)[1:] == [pytest.approx(10, abs=1e-3)] * (len(dues) - 2)
    assert not redis_client.hexists(PACE_KEY, "7")


def test_a_new_interval_holds_whatever_the_pace_was(schedule, redis_client):
    schedule.sync(_plan(7, **PACED), NOW)
    _probe_until(schedule, _plan(7, **PACED), NOW, NOW + 60, DOWN)
    other = _plan(7, interval=2.0)
    schedule.sync(other, NOW + 60)
    assert redis_client.zscore(DUE_KEY, "7") <= NOW + 62
    assert not redis_client.hexists(PACE_KEY, "7")


def test_comparing_with_the_plan_leaves_a_slow_pace_alone(schedule, redis_client):
    plan = _plan(7, **PACED)
    schedule.sync(plan, NOW)
    _probe_until(schedule, plan, NOW, NOW + 60, DOWN)
    due = redis_client.zscore(DUE_KEY, "7")
    schedule.sync(plan, NOW + 60)
    assert redis_client.zscore(DUE_KEY, "7") == due


def test_a_backend_that_leaves_takes_its_pace_along(schedule, redis_client):
    plan = _plan(7, **PACED)
    schedule.sync(plan, NOW)
    _probe_until(schedule, plan, NOW, NOW + 20, DOWN)
    assert redis_client.hexists(PACE_KEY, "7")
    schedule.sync(_plan(), NOW + 20)
    assert not redis_client.exists(PACE_KEY, DUE_KEY, CLAIMS_KEY)


# --- jitter ---


def test_jitter_is_at_most_its_share_of_the_interval_and_never_adds_up(schedule):
    plan = _plan(7, interval=10.0, jitter=20)
    schedule.sync(plan, NOW)
    dues = _probe_until(schedule, plan, NOW, NOW + 2000, WELL, step=1.0)[2:]
    offsets = [(due - plan.targets[7].phase + 1e-3) % 10 for due in dues]
    assert len(dues) == pytest.approx(198, abs=1)
    assert max(offsets) <= 2 + 2e-3
    assert 0.8 < sum(offsets) / len(offsets) < 1.2
    assert len({round(offset, 2) for offset in offsets}) > 50
