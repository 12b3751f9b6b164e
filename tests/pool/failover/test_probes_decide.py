"""A probe's verdict and what it makes of the pool's failover reach Redis in one step."""

import msgspec
import pytest

from pool.bus import (
    FAILOVER_CHANNEL,
    FAILOVER_MOVES,
    HEALTH_CHANNEL,
    SNAPSHOT_KEY,
    FloorChange,
    HealthChange,
)
from pool.choices import Failback, HealthState, ProbeResult
from pool.failover.watch import FailoverWatch
from pool.health.probe import Outcome
from pool.health.prober import Prober
from pool.models import Backend, Event
from pool.snapshot import encode

PASSED = Outcome(result=ProbeResult.PASS, reason="status 200", status=200, latency_ms=1.5)
REFUSED = Outcome(result=ProbeResult.FAIL, reason="connection refused")


class Clock:
    """Time passes when somebody sleeps."""

    now = 1_700_000_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def primaries(tiered):
    """Eight of them."""
    tiered.failback = Failback.MANUAL.value
    tiered.save()
    for n in range(7):
        Backend.objects.create(pool=tiered, url=f"http://primary-{n}:80")
    return tiered.backends.filter(tier=0)


@pytest.fixture
def run(primaries, redis_client, snapshot):
    """Ticks for some seconds; the probes of `dead` origins fail."""
    redis_client.set(SNAPSHOT_KEY, encode(snapshot()))
    clock, dead = Clock(), set()

    def probe(origin, policy, tls, host):
        return REFUSED if origin in dead else PASSED

    prober = Prober(redis_client, 8, probe=probe, clock=clock, sleep=clock.sleep)

    def run(seconds, *origins):
        dead.update(origins)
        end = clock.now + seconds
        while clock.now < end:
            started = clock.now
            prober.tick()
            prober.settle()
            clock.now = max(clock.now, started + 1)

    yield run
    prober.close()


def test_backends_that_die_at_once_are_one_failover_and_no_look_is_needed(
    run, primaries, redis_client, state, monkeypatch
):
    run(4)
    assert state().serving == (0,)
    monkeypatch.setattr(FailoverWatch, "follow", lambda *_: None)
    run(12, *(backend.url for backend in primaries))
    assert (state().serving, state().floor, len(state().out)) == ((1,), 1, 8)
    (event,) = Event.objects.filter(kind="failover")
    assert (event.data["from"], event.data["to"]) == ([0], [1])
    assert redis_client.llen(FAILOVER_MOVES) == 0


def test_edges_hear_of_the_floor_before_they_hear_of_the_last_backend(run, primaries, listen):
    run(4)
    announced = listen(FAILOVER_CHANNEL, HEALTH_CHANNEL)
    run(12, *(backend.url for backend in primaries))
    records = {FAILOVER_CHANNEL: FloorChange, HEALTH_CHANNEL: HealthChange}
    heard = [msgspec.json.decode(data, type=records[channel]) for channel, data in announced()]
    changes = [one.status.state for one in heard if isinstance(one, HealthChange)]
    assert changes == [HealthState.UNHEALTHY] * 8
    assert [isinstance(one, FloorChange) for one in heard] == [False] * 7 + [True, False]
