"""Circuits that edges moved without Redis reach the failover states, and the timeline once."""

import threading

import pytest

from pool.bus import FAILOVER_MOVES, LONE_CHANGES
from pool.choices import CircuitState, EventKind, Failback, HealthState
from pool.circuits import script
from pool.circuits.records import Circuit, Merge, Told, terms_of
from pool.failover import events
from pool.failover.watch import FailoverWatch
from pool.models import Event

CLOSED, OPEN, _, _ = CircuitState
WELL = HealthState.HEALTHY
OVER, BACK = EventKind.FAILOVER.value, EventKind.FAILBACK.value
KINDS = {OPEN: EventKind.CIRCUIT_OPENED, CLOSED: EventKind.CIRCUIT_CLOSED}


@pytest.fixture
def watch(redis_client, snapshot, say):
    watch = FailoverWatch(redis_client)
    watch.take(snapshot())
    watch.follow(100.0)
    return watch


@pytest.fixture
def merge(tiered, redis_client):
    """Lays before all what a worker knows of the primary: merge((110.0, OPEN), …)."""
    run = redis_client.register_script(script.source())
    primary = tiered.backends.get(name="primary").pk

    def lay(*changes, now=200.0):
        terms = terms_of(tiered.compile(row.compile() for row in tiered.backends.all()))
        untold, before = [], CLOSED
        for generation, (at, after) in enumerate(changes, 1):
            told = Told(
                kind=KINDS[after],
                at=at,
                before=before,
                after=after,
                generation=generation,
                cause="",
                until=0.0,
            )
            untold.append(told)
            before = after
        circuit = Circuit(state=before, generation=len(changes), since=changes[-1][0])
        operation = Merge(circuit=circuit, untold=tuple(untold))
        run(script.keys(terms), script.arguments(primary, operation, terms, now))

    return lay


@pytest.fixture
def told(redis_client):
    def read():
        events.write_moves(redis_client)
        rows = Event.objects.order_by("at", "id").values_list("kind", "at", "data__to")
        return [(kind, at.timestamp(), to) for kind, at, to in rows]

    return read


THERE_AND_BACK = [(OVER, 110.0, [1]), (BACK, 120.0, [0])]


def test_what_began_and_ended_without_redis_stands_on_the_timeline(
    watch, merge, told, redis_client, tiered
):
    merge((110.0, OPEN), (120.0, CLOSED))
    watch.follow(200.0)
    watch.follow(201.0)
    assert told() == THERE_AND_BACK
    assert Event.objects.get(kind=OVER).message == (
        "Pool shop: traffic moved from tier 0 to tier 1 "
        "(tier 0: 0 of 1 backends well, 1 circuit open; decided by edges without Redis)"
    )
    assert not redis_client.exists(LONE_CHANGES % tiered.pk)


def test_workers_that_were_alone_together_tell_the_same_once(watch, merge, told):
    merge((110.0, OPEN), (120.0, CLOSED))
    watch.follow(200.0)
    merge((110.5, OPEN), (120.5, CLOSED))
    watch.follow(201.0)
    assert told() == THERE_AND_BACK


def test_of_many_watches_that_take_it_up_one_tells(watch, merge, redis_client, snapshot):
    watches = [FailoverWatch(redis_client, recall=lambda ids: {}) for _ in range(8)]
    for one in watches:
        one.take(snapshot())
    barrier = threading.Barrier(8)

    def look(one):
        barrier.wait()
        one.follow(200.0)

    merge((110.0, OPEN), (120.0, CLOSED))
    threads = [threading.Thread(target=look, args=[one]) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis_client.llen(FAILOVER_MOVES) == 2


def test_a_failover_that_lasts_is_held_from_now_on_and_told_when_it_was(
    watch, merge, told, tiered, snapshot, state
):
    tiered.failback = Failback.MANUAL.value
    tiered.save()
    watch.take(snapshot())
    merge((110.0, OPEN))
    watch.follow(200.0)
    assert (state().floor, state().since) == (1, 110.0)
    assert told() == [(OVER, 110.0, [1])]


def test_a_circuit_that_must_not_stay_open_gives_the_traffic_back(watch, merge, told, tiered):
    tiered.circuit_max_open = 0
    merge((110.0, OPEN))
    watch.follow(200.0)
    assert told() == [(OVER, 110.0, [1]), (BACK, 200.0, [0])]


def test_a_verdict_of_the_probes_is_looked_at_after_what_was_before_it(
    watch, merge, told, tiered, state
):
    merge((110.0, OPEN), (120.0, CLOSED))
    primary = tiered.backends.get(name="primary").pk
    replacement = watch.foresee(primary, HealthState.UNHEALTHY, 200.0)
    assert b'"failover"' in replacement.move
    assert state().since == 120.0
    assert told() == THERE_AND_BACK


def test_it_waits_until_the_health_of_all_is_known(watch, merge, told, say, redis_client):
    redis_client.flushall()
    merge((110.0, OPEN), (120.0, CLOSED))
    watch.follow(200.0)
    assert told() == []
    say(primary=WELL, backup=WELL)
    watch.follow(201.0)
    assert told() == THERE_AND_BACK


def test_what_is_malformed_holds_nothing_up(watch, merge, told, redis_client, tiered):
    redis_client.rpush(LONE_CHANGES % tiered.pk, "{")
    merge((110.0, OPEN), (120.0, CLOSED))
    watch.follow(200.0)
    assert told() == THERE_AND_BACK


def test_those_of_a_pool_that_nobody_looks_at_go_by_themselves(merge, redis_client, tiered):
    for second in range(10, 12):
        merge(*[(float(second * 10 + n), (CLOSED, OPEN)[(n + 1) % 2]) for n in range(600)])
        redis_client.delete("lb:circuits")
    assert redis_client.llen(LONE_CHANGES % tiered.pk) == 1000
    assert 0 < redis_client.ttl(LONE_CHANGES % tiered.pk) <= 3600
