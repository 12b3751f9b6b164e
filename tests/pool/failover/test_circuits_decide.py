"""An open circuit keeps traffic from its backend, and so from its tier: as edges have it."""

import pytest

from pool.bus import FAILOVER_MOVES
from pool.choices import CircuitMode, CircuitState, EventKind, Failback, HealthState
from pool.failover import events
from pool.failover.watch import FailoverWatch
from pool.models import Event

CLOSED, OPEN, HALF_OPEN, FORCED = CircuitState
ILL, WELL = HealthState.UNHEALTHY, HealthState.HEALTHY
OVER, BACK = EventKind.FAILOVER.value, EventKind.FAILBACK.value


@pytest.fixture
def watch(redis_client, snapshot, say):
    watch = FailoverWatch(redis_client)
    watch.take(snapshot())
    watch.follow(100.0)
    return watch


@pytest.fixture
def told(redis_client):
    def read():
        events.write_moves(redis_client)
        return list(Event.objects.order_by("at", "id").values_list("kind", "data__cause"))

    return read


@pytest.mark.parametrize("state", [OPEN, FORCED])
def test_a_tier_lost_to_circuits_fails_over_and_back_with_that_cause(watch, circuits, told, state):
    circuits(primary=state)
    watch.follow(101.0)
    watch.follow(102.0)
    circuits(primary=HALF_OPEN)  # edges let requests try it
    watch.follow(103.0)
    assert told() == [
        (OVER, "tier 0: 0 of 1 backends well, 1 circuit open"),
        (BACK, "tier 0: 1 of 1 backends well"),
    ]


def test_traffic_that_a_circuit_has_moved_waits_for_its_failback(
    watch, circuits, tiered, snapshot, state, told
):
    tiered.failback = Failback.MANUAL.value
    tiered.save()
    watch.take(snapshot())
    circuits(primary=OPEN)
    watch.follow(101.0)
    circuits(primary=CLOSED)
    watch.follow(102.0)
    assert (state().floor, state().serving) == (1, (1,))
    tiered.fail_back()
    assert (state().floor, state().serving) == (0, (0,))


def test_a_failback_delay_runs_from_the_circuits_trial(watch, circuits, tiered, snapshot, state):
    tiered.failback_delay = 10.0
    tiered.save()
    watch.take(snapshot())
    circuits(primary=OPEN)
    watch.follow(101.0)
    circuits(primary=HALF_OPEN)
    watch.follow(105.0)
    watch.follow(114.9)
    assert state().floor == 1
    watch.follow(115.0)
    assert (state().floor, state().serving) == (0, (0,))


def test_circuits_that_are_off_leave_nobody_out(watch, circuits, tiered, snapshot, state):
    circuits(primary=OPEN)
    tiered.circuit_mode = CircuitMode.OFF.value
    tiered.save()
    watch.take(snapshot())
    watch.follow(101.0)
    assert state().serving == (0,)


def test_a_circuit_that_cannot_be_read_leaves_nobody_out(watch, redis_client, tiered, state):
    redis_client.hset("lb:circuits", str(tiered.backends.get(name="primary").pk), "{")
    watch.follow(101.0)
    assert state().serving == (0,)


def test_a_pass_that_has_the_circuit_tried_returns_the_traffic_in_the_same_step(
    watch, circuits, say, tiered, redis_client, state
):
    say(primary=ILL)
    circuits(primary=OPEN)
    watch.follow(101.0)
    replacement = watch.foresee(tiered.backends.get(name="primary").pk, WELL, 102.0)
    assert b'"failback"' in replacement.move
    circuits(primary=FORCED)
    replacement = watch.foresee(tiered.backends.get(name="primary").pk, WELL, 102.0)
    assert replacement.move == b""


def test_the_first_pass_of_all_does_not_have_it_tried(watch, circuits, redis_client, tiered):
    redis_client.hdel("lb:health", str(tiered.backends.get(name="primary").pk))
    circuits(primary=OPEN)
    watch.follow(101.0)
    assert redis_client.llen(FAILOVER_MOVES) == 0  # nobody knows yet how the backends are
    replacement = watch.foresee(tiered.backends.get(name="primary").pk, WELL, 102.0)
    assert b'"failover"' in replacement.move
