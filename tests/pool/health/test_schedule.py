"""Due times in Redis: nothing is probed twice, nothing is forgotten."""

import itertools
import threading

import msgspec
import pytest

from pool.bus import HEALTH_CHANNEL, HEALTH_KEY, HealthChange, HealthStatus
from pool.choices import AdminState, HealthState, ProbeResult
from pool.health.hysteresis import Standing
from pool.health.plan import plan_of
from pool.health.schedule import CLAIMS_KEY, DUE_KEY, PLAN_KEY, STANDING_KEY, Next, Schedule, Stale
from pool.snapshot import BackendSpec, HealthPolicy, PoolSpec, build

NOW = 1_700_000_000.0
HEALTHY = Standing(state=HealthState.HEALTHY, since=NOW, last=ProbeResult.PASS, streak=1)
USUAL = Next(due=NOW, pace=b"", hurry=False)


def make_plan(count=3, number=1, *, idle=(), **policy):
    backends = tuple(
        BackendSpec(
            id=n,
            name=f"b{n}",
            url="http://h:80",
            admin_state=AdminState.MAINTENANCE if n in idle else AdminState.ACTIVE,
        )
        for n in range(1, count + 1)
    )
    pool = PoolSpec(id=1, name="shop", health=HealthPolicy(**policy), backends=backends)
    return plan_of(build(number, (pool,), ()))


@pytest.fixture
def schedule(redis_client):
    return Schedule(redis_client)


@pytest.fixture
def announced(listen):
    """Reads what was announced since the last call."""
    heard = listen(HEALTH_CHANNEL)
    return lambda: [msgspec.json.decode(data, type=HealthChange) for _, data in heard()]


def _claim(schedule, plan, start, end, step=1.0):
    """Everything that ticks at start, start + step … claim until `end`."""
    claims = []
    while start < end:
        claims += schedule.claim(plan.version, start, min(start + step, end))
        start += step
    return claims


def _by_backend(claims):
    found = {}
    for claim in claims:
        found.setdefault(claim.backend_id, []).append(claim.due)
    return found


def test_an_unknown_version_has_to_be_synced_first(schedule):
    plan = make_plan()
    assert schedule.claim(plan.version, NOW, NOW + 1) is None
    schedule.sync(plan, NOW)
    assert schedule.claim(plan.version, NOW, NOW + 1) is not None
    assert schedule.claim(make_plan(number=2).version, NOW, NOW + 1) is None


@pytest.mark.parametrize("interval", [0.1, 0.7, 1, 2, 5, 60])
def test_every_backend_is_due_once_an_interval(schedule, interval):
    plan = make_plan(10, interval=interval, timeout=min(interval, 2))
    schedule.sync(plan, NOW)
    _claim(schedule, plan, NOW, NOW + 2 * interval)  # until all are on their grid
    start = NOW + 2 * interval
    dues = _by_backend(_claim(schedule, plan, start, start + 20 * interval, max(1, interval)))
    assert set(dues) == set(plan.targets)
    for backend_id, times in dues.items():
        assert len(times) == pytest.approx(20, abs=1)
        for before, after in itertools.pairwise(times):
            assert after - before == pytest.approx(interval, abs=1e-4)
        offset = (times[0] - plan.targets[backend_id].phase) / interval
        assert offset == pytest.approx(round(offset), abs=1e-3)


def test_every_backend_is_probed_within_two_seconds_of_being_added(schedule):
    plan = make_plan(20, interval=600)
    schedule.sync(plan, NOW)
    assert len(schedule.claim(plan.version, NOW, NOW + 2)) == 20


def test_many_new_backends_are_no_burst(schedule):
    plan = make_plan(1000, interval=5)
    schedule.sync(plan, NOW)
    per_second = [len(schedule.claim(plan.version, NOW + n, NOW + n + 1)) for n in range(5)]
    assert all(190 <= count <= 230 for count in per_second)


def test_claims_come_in_the_order_of_their_due_times(schedule):
    plan = make_plan(20)
    schedule.sync(plan, NOW)
    dues = [claim.due for claim in schedule.claim(plan.version, NOW, NOW + 5)]
    assert dues == sorted(dues)


def test_a_probe_is_claimed_once_however_many_ask(schedule, redis_client):
    plan = make_plan(50)
    schedule.sync(plan, NOW)
    claimed = []
    barrier = threading.Barrier(8)

    def worker():
        barrier.wait()
        for second in range(10):
            claimed.extend(schedule.claim(plan.version, NOW + second, NOW + second + 1))

    workers = [threading.Thread(target=worker) for _ in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    keys = [claim.key for claim in claimed]
    assert len(keys) == len(set(keys))
    assert len(keys) == pytest.approx(50 * 5, rel=0.2)


def test_missed_times_are_not_caught_up_with(schedule):
    plan = make_plan(3, interval=2)
    schedule.sync(plan, NOW)
    schedule.claim(plan.version, NOW, NOW + 2)
    late = schedule.claim(plan.version, NOW + 100, NOW + 101)
    times = _by_backend(late)
    assert set(times) == {1, 2, 3}
    assert all(len(dues) <= 2 for dues in times.values())


def test_a_probe_that_was_not_concluded_is_run_again_when_its_claim_expires(schedule):
    plan = make_plan(1, interval=60, timeout=2)
    schedule.sync(plan, NOW)
    (lost,) = schedule.claim(plan.version, NOW, NOW + 2)
    assert schedule.claim(plan.version, lost.expiry - 0.1, lost.expiry - 0.1) == []
    (again,) = schedule.claim(plan.version, lost.expiry + 0.1, lost.expiry + 1)
    assert again.due == pytest.approx(lost.expiry + 0.1)
    assert schedule.record(lost, b"", HEALTHY, USUAL) is False
    assert schedule.record(again, b"", HEALTHY, USUAL) is True


def test_a_concluded_probe_is_not_run_again(schedule):
    plan = make_plan(1, interval=60)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 2)
    schedule.record(claim, b"", HEALTHY, USUAL)
    assert schedule.claim(plan.version, claim.expiry + 1, claim.expiry + 2) == []


def test_a_verdict_is_stored_and_announced_in_one_step(schedule, redis_client, announced):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 1.9)
    schedule.record(claim, b"", HEALTHY, USUAL)
    status = HealthStatus(state=HealthState.HEALTHY, since=NOW, reason="")
    stored = msgspec.json.decode(redis_client.hget(HEALTH_KEY, "1"), type=HealthStatus)
    assert stored == status
    assert announced() == [HealthChange(backend_id=1, status=status)]


def test_the_same_verdict_again_is_not_announced(schedule, announced):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    first, second = _claim(schedule, plan, NOW, NOW + 3.9)[:2]
    schedule.record(first, b"", HEALTHY, USUAL)
    announced()
    schedule.record(second, msgspec.json.encode(HEALTHY), HEALTHY, USUAL)
    assert announced() == []


def test_a_standing_that_somebody_else_moved_on_is_not_overwritten(schedule, redis_client):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 1.9)
    moved_on = msgspec.json.encode(HEALTHY)
    redis_client.hset(STANDING_KEY, "1", moved_on)
    assert schedule.record(claim, b"", Standing(), USUAL) == Stale(moved_on)
    assert schedule.record(claim, moved_on, HEALTHY, USUAL) is True


def test_a_claim_brings_the_standing_along(schedule):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    first, _ = schedule.claim(plan.version, NOW, NOW + 3.9)[:2]
    assert first.standing == b""
    schedule.record(first, b"", HEALTHY, USUAL)
    (third,) = schedule.claim(plan.version, NOW + 4, NOW + 5.9)
    assert msgspec.json.decode(third.standing, type=Standing) == HEALTHY


def test_a_backend_that_is_gone_is_forgotten_and_edges_are_told(schedule, redis_client, announced):
    plan = make_plan(2)
    schedule.sync(plan, NOW)
    claims = {claim.backend_id: claim for claim in schedule.claim(plan.version, NOW, NOW + 1.9)}
    for claim in claims.values():
        schedule.record(claim, b"", HEALTHY, USUAL)
    announced()
    schedule.sync(make_plan(1, number=2), NOW + 2)
    assert redis_client.hkeys(HEALTH_KEY) == redis_client.hkeys(STANDING_KEY) == [b"1"]
    assert redis_client.zrange(DUE_KEY, 0, -1) == [b"1"]
    assert sorted(redis_client.hkeys(PLAN_KEY)) == [b"1", b"version"]
    (change,) = announced()
    assert (change.backend_id, change.status.state) == (2, HealthState.UNKNOWN)


def test_a_probe_under_way_does_not_bring_a_deleted_backend_back(schedule, redis_client):
    plan = make_plan(2)
    schedule.sync(plan, NOW)
    claims = {claim.backend_id: claim for claim in schedule.claim(plan.version, NOW, NOW + 1.9)}
    schedule.sync(make_plan(1, number=2), NOW + 2)
    assert schedule.record(claims[2], b"", HEALTHY, USUAL) is False
    assert not redis_client.hexists(HEALTH_KEY, "2")
    assert redis_client.zrange(CLAIMS_KEY, 0, -1) == [claims[1].key.encode()]


def test_maintenance_stops_the_probes_and_keeps_the_verdict(schedule, redis_client, announced):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 1.9)
    schedule.record(claim, b"", HEALTHY, USUAL)
    announced()
    resting = make_plan(1, number=2, idle={1})
    schedule.sync(resting, NOW + 2)
    assert schedule.claim(resting.version, NOW + 2, NOW + 100) == []
    assert redis_client.hexists(HEALTH_KEY, "1")
    assert announced() == []


def test_switching_health_checks_off_forgets_an_unhealthy_verdict(schedule, redis_client):
    plan = make_plan(1)
    schedule.sync(plan, NOW)
    (claim,) = schedule.claim(plan.version, NOW, NOW + 1.9)
    schedule.record(claim, b"", Standing(state=HealthState.UNHEALTHY), USUAL)
    schedule.sync(make_plan(1, number=2, enabled=False), NOW + 2)
    assert not redis_client.exists(HEALTH_KEY, STANDING_KEY, DUE_KEY)


def test_a_shorter_interval_takes_effect_at_once(schedule):
    plan = make_plan(5, interval=600)
    schedule.sync(plan, NOW)
    _claim(schedule, plan, NOW, NOW + 2)
    faster = make_plan(5, number=2, interval=1, timeout=1)
    schedule.sync(faster, NOW + 2)
    claims = schedule.claim(faster.version, NOW + 2, NOW + 3.001)
    assert {claim.backend_id for claim in claims} == {1, 2, 3, 4, 5}


def test_a_clock_that_stepped_back_does_not_stop_the_probes(schedule):
    plan = make_plan(5)
    schedule.sync(plan, NOW + 3600)
    _claim(schedule, plan, NOW + 3600, NOW + 3604)
    schedule.sync(plan, NOW)
    assert len(schedule.claim(plan.version, NOW, NOW + 2.001)) >= 5


def test_a_second_sync_moves_no_due_time(schedule, redis_client):
    plan = make_plan(20)
    schedule.sync(plan, NOW)
    _claim(schedule, plan, NOW, NOW + 3)
    before = redis_client.zrange(DUE_KEY, 0, -1, withscores=True)
    schedule.sync(plan, NOW + 3)
    assert redis_client.zrange(DUE_KEY, 0, -1, withscores=True) == before


def test_a_schedule_is_whole_again_after_redis_was_emptied(schedule, redis_client):
    plan = make_plan(5)
    schedule.sync(plan, NOW)
    redis_client.flushall()
    assert schedule.claim(plan.version, NOW, NOW + 2) is None
    schedule.sync(plan, NOW)
    assert len(schedule.claim(plan.version, NOW, NOW + 2)) >= 5


def test_seeding_fills_gaps_only(schedule, redis_client, announced):
    redis_client.hset(STANDING_KEY, "1", msgspec.json.encode(HEALTHY))
    down = Standing(state=HealthState.UNHEALTHY, since=NOW, reason="connection refused")
    schedule.seed({1: down, 2: down})
    assert [change.backend_id for change in announced()] == [2]
    assert redis_client.hkeys(HEALTH_KEY) == [b"2"]
    assert msgspec.json.decode(redis_client.hget(STANDING_KEY, "1"), type=Standing) == HEALTHY
