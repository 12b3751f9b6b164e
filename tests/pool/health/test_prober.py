"""A tick: what is due is probed, verdicts are acted on at once, rows follow."""

import logging
import threading
import time

import msgspec
import pytest
from django.db import OperationalError
from redis import ConnectionError as RedisAway

from pool.bus import (
    CIRCUITS_KEY,
    EJECTIONS_KEY,
    FAILOVER_KEY,
    FAILOVER_MOVES,
    HEALTH_CHANNEL,
    HEALTH_KEY,
    PANIC_ALARMS,
    PANIC_KEY,
    SNAPSHOT_KEY,
    HealthChange,
    HealthStatus,
)
from pool.choices import EventKind, HealthState, ProbeResult
from pool.health.probe import Outcome
from pool.health.prober import Prober
from pool.health.schedule import CLAIMS_KEY, DUE_KEY, PACE_KEY, PLAN_KEY, STANDING_KEY
from pool.mending import KINDS, Mender
from pool.models import Backend, Event, HealthRecord, Pool
from pool.snapshot import BackendSpec, HealthPolicy, PoolSpec, build, encode
from tests.integration.edge.harness.waiting import wait_until

pytestmark = pytest.mark.django_db

PASSED = Outcome(result=ProbeResult.PASS, reason="status 200", status=200, latency_ms=1.5)
REFUSED = Outcome(result=ProbeResult.FAIL, reason="connection refused")


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Answers:
    """A probe whose outcome the test sets by origin; refuses to be surprised."""

    def __init__(self):
        self.by_origin = {}
        self.asked = []
        self.block = threading.Event()
        self.block.set()

    def __call__(self, origin, policy, tls, host):
        self.asked.append(origin)
        self.block.wait(60)
        answer = self.by_origin.get(origin, PASSED)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def backends():
    pool = Pool.objects.create(name="shop", health_rise=2, health_fall=3)
    return [Backend.objects.create(pool=pool, url=f"http://h{n}:80") for n in (1, 2)]


def publish(redis_client, number=1, **policy):
    pools = tuple(
        PoolSpec(
            id=pool.pk,
            name=pool.name,
            health=HealthPolicy(**policy),
            backends=tuple(
                BackendSpec(id=backend.pk, name=backend.name, url=backend.url)
                for backend in pool.backends.order_by("pk")
            ),
        )
        for pool in Pool.objects.all()
    )
    redis_client.set(SNAPSHOT_KEY, encode(build(number, pools, ())))


@pytest.fixture
def make_prober(redis_client, answers, clock):
    made = []

    def make(**options):
        options = {"probe": answers, "clock": clock, "sleep": clock.sleep} | options
        made.append(Prober(redis_client, 4, **options))
        return made[-1]

    yield make
    for prober in made:
        prober.close()


@pytest.fixture
def prober(make_prober, backends, redis_client):
    publish(redis_client)
    return make_prober()


def _tick(prober, clock, seconds=2):
    """Ticks for `seconds`, and waits for the probes of each."""
    end = clock.now + seconds
    while clock.now < end:
        started = clock.now
        prober.tick()
        prober.settle()
        clock.now = max(clock.now, started + 1)
    prober.tick()
    prober.settle()
    prober.tick()


def _status(redis_client, backend):
    raw = redis_client.hget(HEALTH_KEY, str(backend.pk))
    return msgspec.json.decode(raw, type=HealthStatus) if raw else None


def test_the_first_pass_makes_a_backend_healthy(prober, clock, backends, redis_client):
    _tick(prober, clock)
    for backend in backends:
        status = _status(redis_client, backend)
        assert (status.state, status.reason) == (HealthState.HEALTHY, "status 200")


def test_each_probe_becomes_a_record(prober, clock, backends, answers):
    answers.by_origin["http://h2:80"] = REFUSED
    _tick(prober, clock)
    passed = HealthRecord.objects.filter(backend=backends[0]).first()
    assert (passed.result, passed.status, passed.latency_ms) == ("pass", 200, 1.5)
    assert (passed.reason, passed.state) == ("", "healthy")
    failed = HealthRecord.objects.filter(backend=backends[1]).earliest("at")
    assert (failed.result, failed.status, failed.latency_ms) == ("fail", None, None)
    assert (failed.reason, failed.state) == ("connection refused", "unknown")
    assert abs(passed.at.timestamp() - clock.now) < 10


def test_a_change_of_state_becomes_one_event_with_its_reason(prober, clock, backends, answers):
    _tick(prober, clock)
    answers.by_origin["http://h2:80"] = REFUSED
    _tick(prober, clock, 20)
    events = Event.objects.filter(kind=EventKind.HEALTH_CHANGED, backend=backends[1])
    assert [event.message for event in events.order_by("id")] == [
        "Backend shop/h2-80: unknown → healthy (status 200)",
        "Backend shop/h2-80: healthy → unhealthy (connection refused)",
    ]
    down = events.get(data__to="unhealthy")
    assert (down.severity, down.pool.name) == ("warning", "shop")
    assert down.data["reason"] == "connection refused"


def test_an_unhealthy_backend_comes_back_by_itself(prober, clock, backends, answers, redis_client):
    answers.by_origin["http://h1:80"] = REFUSED
    _tick(prober, clock, 10)
    assert _status(redis_client, backends[0]).state is HealthState.UNHEALTHY
    del answers.by_origin["http://h1:80"]
    _tick(prober, clock, 6)
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY


def test_a_first_failure_is_followed_up_fast_and_a_dead_backend_left_alone(
    make_prober, clock, backends, answers, redis_client
):
    publish(redis_client, interval=20.0, fast_interval=0.5, down_interval=60.0, timeout=0.5, fall=3)
    prober = make_prober()
    _tick(prober, clock, 25)
    answers.by_origin["http://h1:80"] = REFUSED
    asked = []
    while _status(redis_client, backends[0]).state is not HealthState.UNHEALTHY:
        before = len(answers.asked)
        prober.tick()
        prober.settle()
        asked += [clock.now] * answers.asked[before:].count("http://h1:80")
        assert len(asked) < 10
    assert asked[-1] - asked[0] <= 2.5  # three failures, half a second apart
    asked = answers.asked.count("http://h1:80")
    _tick(prober, clock, 200)
    assert 2 <= answers.asked.count("http://h1:80") - asked <= 4
    del answers.by_origin["http://h1:80"]
    _tick(prober, clock, 70)
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY


def test_slow_passes_degrade_a_backend_and_tell_why(prober, clock, backends, answers, redis_client):
    _tick(prober, clock)
    reason = "status 200, but only after 1.20 s (limit 1 s)"
    answers.by_origin["http://h2:80"] = Outcome(
        result=ProbeResult.SLOW, reason=reason, status=200, latency_ms=1200.0
    )
    _tick(prober, clock, 10)
    status = _status(redis_client, backends[1])
    assert (status.state, status.reason) == (HealthState.DEGRADED, reason)
    event = Event.objects.get(kind=EventKind.HEALTH_CHANGED, data__to="degraded")
    assert (event.severity, event.backend) == ("warning", backends[1])
    record = HealthRecord.objects.filter(backend=backends[1], result="slow").first()
    assert (record.reason, record.state) == (reason, "degraded")


def test_a_verdict_does_not_wait_for_a_probe_that_hangs(
    make_prober, clock, backends, redis_client, listen
):
    publish(redis_client)
    hanging = threading.Event()

    def probe(origin, policy, tls, host):
        if origin == "http://h1:80":
            hanging.wait(60)
        return PASSED

    announced = listen(HEALTH_CHANNEL)
    prober = make_prober(probe=probe)
    prober.tick()
    clock.now += 1
    prober.tick()
    heard = []
    try:
        wait_until("a verdict is announced", lambda: heard.extend(announced()) or heard)
    finally:
        hanging.set()
    changes = [msgspec.json.decode(data, type=HealthChange) for _, data in heard]
    assert [change.backend_id for change in changes] == [backends[1].pk]


def test_two_probers_share_the_work(make_prober, clock, backends, redis_client, answers):
    publish(redis_client)
    one, other = make_prober(), make_prober()
    started = clock.now
    for _ in range(10):
        one.tick()
        other.tick()
        clock.now += 1
    one.settle()
    other.settle()
    intervals = (clock.now - started) / HealthPolicy().interval
    assert len(answers.asked) <= len(backends) * (intervals + 1)


def test_a_worker_claims_no_more_than_it_can_run(
    make_prober, clock, backends, answers, redis_client
):
    pool = backends[0].pool
    more = [Backend.objects.create(pool=pool, url=f"http://h{n}:80") for n in range(3, 31)]
    publish(redis_client)
    answers.block.clear()
    slow, other = make_prober(), make_prober()  # of four threads each
    slow.tick()
    slow.tick()
    claimed = redis_client.zcard(CLAIMS_KEY)
    assert claimed < 20  # of the thirty that are due: one that runs and one that waits a thread
    other.tick()
    assert redis_client.zcard(CLAIMS_KEY) > claimed  # what one cannot do is the other's
    answers.block.set()
    slow.settle()
    other.settle()
    for _ in range(30):
        _tick(slow, clock, 1)
    probed = {backend.url for backend in [*backends, *more]}
    assert set(answers.asked) == probed


def test_a_restart_keeps_the_failures_that_were_counted(
    make_prober, clock, backends, answers, redis_client
):
    publish(redis_client, fall=4)
    answers.by_origin["http://h1:80"] = REFUSED
    for _ in range(8):
        prober = make_prober()
        prober.tick()
        prober.close()
        clock.now += 1
    assert _status(redis_client, backends[0]).state is HealthState.UNHEALTHY


def test_a_deleted_backend_leaves_the_schedule_and_the_states(
    prober, clock, backends, redis_client
):
    _tick(prober, clock)
    gone = backends[1].pk
    backends[1].delete()
    publish(redis_client, number=2)
    _tick(prober, clock)
    assert redis_client.zscore(DUE_KEY, str(gone)) is None
    assert not redis_client.hexists(HEALTH_KEY, str(gone))
    assert redis_client.hexists(HEALTH_KEY, str(backends[0].pk))


def test_findings_of_a_backend_deleted_meanwhile_do_not_hold_up_the_others(prober, clock, backends):
    prober.tick()
    clock.now += 1
    prober.tick()
    prober.settle()
    Backend.objects.filter(pk=backends[1].pk).delete()
    prober.tick()
    assert HealthRecord.objects.filter(backend=backends[0]).exists()


def test_results_wait_for_a_database_that_is_away(
    prober, clock, backends, monkeypatch, caplog, redis_client
):
    def away(*args, **kwargs):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(HealthRecord.objects, "bulk_create", away)
        _tick(prober, clock, 10)
    assert HealthRecord.objects.count() == 0
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1

    _tick(prober, clock)
    assert HealthRecord.objects.count() >= 10
    assert Event.objects.filter(kind=EventKind.HEALTH_CHANGED).count() == 2
    assert "written again; 0 were lost" in caplog.text


def test_health_starts_from_nothing_when_the_database_cannot_remember(
    prober, clock, backends, monkeypatch, redis_client
):
    def away(*args):
        raise OperationalError("gone")

    monkeypatch.setattr("pool.health.records.recall", away)
    _tick(prober, clock)
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY


def test_redis_away_is_said_once_and_probing_goes_on_after_it(
    prober, clock, backends, monkeypatch, caplog, redis_client, answers
):
    def away(*args, **kwargs):
        raise RedisAway("refused")

    with monkeypatch.context() as patch:
        patch.setattr(redis_client, "get", away)
        _tick(prober, clock, 5)
    assert answers.asked == []
    assert caplog.text.count("probing waits for Redis") == 1
    _tick(prober, clock)
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY


def test_states_come_back_after_redis_was_emptied(prober, clock, backends, answers, redis_client):
    answers.by_origin["http://h1:80"] = REFUSED
    _tick(prober, clock, 10)
    since = _status(redis_client, backends[0]).since
    snapshot = redis_client.get(SNAPSHOT_KEY)
    redis_client.flushall()
    redis_client.set(SNAPSHOT_KEY, snapshot)

    prober.tick()
    clock.now += 1
    prober.tick()
    prober.settle()
    status = _status(redis_client, backends[0])
    assert (status.state, status.reason) == (HealthState.UNHEALTHY, "connection refused")
    assert status.since == pytest.approx(since, abs=0.01)  # remembered, not found out again


def test_a_known_snapshot_is_gone_by_while_redis_has_none(
    prober, clock, backends, answers, redis_client
):
    _tick(prober, clock)
    redis_client.flushall()
    asked = len(answers.asked)
    _tick(prober, clock, 4)
    assert len(answers.asked) > asked


def test_a_snapshot_that_cannot_be_read_changes_nothing(
    prober, clock, backends, answers, redis_client, caplog
):
    _tick(prober, clock)
    redis_client.set(SNAPSHOT_KEY, b"{}")
    asked = len(answers.asked)
    _tick(prober, clock, 4)
    assert len(answers.asked) > asked
    assert caplog.text.count("probing goes on by the snapshot before") == 1


def test_an_error_in_the_probe_itself_counts_against_the_backend(prober, clock, backends, answers):
    answers.by_origin["http://h1:80"] = RuntimeError("surprise")
    _tick(prober, clock)
    record = HealthRecord.objects.filter(backend=backends[0]).first()
    assert (record.result, record.reason) == ("fail", "probing failed: RuntimeError")


def test_no_claim_is_left_behind(prober, clock, backends, redis_client):
    _tick(prober, clock, 6)
    prober.settle()
    assert redis_client.zcard(CLAIMS_KEY) == 0


def test_without_a_configuration_there_is_nothing_to_do(make_prober, clock, redis_client, answers):
    make_prober().tick()
    assert answers.asked == []


@pytest.mark.parametrize(
    "key",
    [FAILOVER_KEY, FAILOVER_MOVES, PANIC_KEY, PANIC_ALARMS, EJECTIONS_KEY, CIRCUITS_KEY],
)
def test_keys_of_others_that_are_of_a_wrong_type_keep_no_probe(
    make_prober, clock, backends, answers, redis_client, key
):
    publish(redis_client, fall=1)
    prober = make_prober()
    redis_client.set(key, "slip")
    _tick(prober, clock, 10)
    answers.by_origin["http://h1:80"] = REFUSED
    _tick(prober, clock, 10)
    assert _status(redis_client, backends[0]).state is HealthState.UNHEALTHY
    del answers.by_origin["http://h1:80"]
    _tick(prober, clock, 10)
    assert _status(redis_client, backends[0]).state is HealthState.HEALTHY
    assert HealthRecord.objects.filter(backend=backends[0], result="fail").exists()


def test_probing_goes_on_by_the_last_snapshot_while_its_key_is_of_a_wrong_type(
    prober, clock, backends, answers, redis_client
):
    _tick(prober, clock)
    redis_client.delete(SNAPSHOT_KEY)
    redis_client.rpush(SNAPSHOT_KEY, "slip")
    answers.asked.clear()
    _tick(prober, clock, 20)
    assert {*answers.asked} == {"http://h1:80", "http://h2:80"}


@pytest.mark.parametrize("key", [DUE_KEY, PLAN_KEY, PACE_KEY, CLAIMS_KEY, STANDING_KEY])
def test_a_schedule_that_was_spoilt_is_whole_again_with_the_tick_after_its_mending(
    prober, clock, backends, answers, redis_client, key
):
    _tick(prober, clock)
    redis_client.delete(key)
    redis_client.set(key, "slip")
    prober.tick()
    Mender().mend(redis_client, KINDS)
    answers.asked.clear()
    _tick(prober, clock, 8)
    assert {*answers.asked} == {"http://h1:80", "http://h2:80"}


def test_ticks_go_on_while_one_waits_for_the_database_to_tell_it_something(
    prober, clock, answers, monkeypatch
):
    waits, let_go = threading.Event(), threading.Event()

    def hang(_):
        waits.set()
        let_go.wait(60)

    monkeypatch.setattr("pool.health.prober.write_alarms", hang)
    first = threading.Thread(target=prober.tick)
    first.start()
    assert waits.wait(20)
    _tick(prober, clock)
    assert {*answers.asked} == {"http://h1:80", "http://h2:80"}
    let_go.set()
    first.join()
