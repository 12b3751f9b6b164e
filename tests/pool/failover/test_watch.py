"""States in Redis: brought up to date by whoever comes first, told once, never lost."""

import threading

import msgspec
import pytest
from django.db import OperationalError

from pool.bus import FAILOVER_CHANNEL, FAILOVER_KEY, FAILOVER_MOVES, FailoverState, FloorChange
from pool.choices import EventKind, Failback, HealthState
from pool.failover import events
from pool.failover.watch import FailoverWatch
from pool.models import Event
from tests.unreadable import UNREADABLE

ILL, WELL = HealthState.UNHEALTHY, HealthState.HEALTHY


@pytest.fixture
def watch(redis_client, snapshot, say):
    watch = FailoverWatch(redis_client)
    watch.take(snapshot())
    return watch


@pytest.fixture
def held(tiered):
    tiered.failback = Failback.MANUAL.value
    tiered.save()


@pytest.fixture
def announced(listen):
    heard = listen(FAILOVER_CHANNEL)
    return lambda: [msgspec.json.decode(data, type=FloorChange) for _, data in heard()]


def told():
    return list(Event.objects.order_by("at", "id").values_list("kind", "data__from", "data__to"))


def tell(redis_client):
    events.write_moves(redis_client)
    return told()


OVER, BACK = (EventKind.FAILOVER.value, [0], [1]), (EventKind.FAILBACK.value, [1], [0])


def test_what_happens_between_two_looks_is_told_with_names_and_cause(watch, say, redis_client):
    watch.follow(100.0)
    assert tell(redis_client) == []
    say(primary=ILL)
    watch.follow(101.0)
    watch.follow(102.0)
    say(primary=WELL)
    watch.follow(103.0)
    assert tell(redis_client) == [OVER, BACK]
    event = Event.objects.get(kind=EventKind.FAILOVER.value)
    assert event.message == (
        "Pool shop: traffic moved from tier 0 to tier 1 (tier 0: 0 of 1 backends well)"
    )
    assert (event.pool.name, event.severity, event.at.timestamp()) == ("shop", "warning", 101.0)


def test_a_floor_is_announced_when_it_rises_and_when_it_falls(
    held, watch, say, tiered, announced, redis_client
):
    watch.follow(100.0)
    assert announced() == []
    say(primary=ILL)
    watch.follow(101.0)
    assert announced() == [FloorChange(pool_id=tiered.pk, floor=1)]
    say(primary=WELL)
    watch.follow(102.0)
    assert announced() == []
    tiered.fail_back()
    assert announced() == [FloorChange(pool_id=tiered.pk, floor=0)]


def test_of_many_workers_that_see_the_same_one_tells(redis_client, snapshot, say):
    watches = [FailoverWatch(redis_client, recall=lambda ids: {}) for _ in range(8)]
    for watch in watches:
        watch.take(snapshot())
    watches[0].follow(100.0)
    barrier = threading.Barrier(8)

    def look(watch):
        barrier.wait()
        for second in range(10):
            watch.follow(101.0 + second)

    say(primary=ILL)
    threads = [threading.Thread(target=look, args=[watch]) for watch in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis_client.llen(FAILOVER_MOVES) == 1


def test_a_move_that_was_told_but_not_taken_off_is_not_told_again(watch, say, redis_client):
    watch.follow(100.0)
    say(primary=ILL)
    watch.follow(101.0)
    (move,) = redis_client.lrange(FAILOVER_MOVES, 0, -1)
    assert tell(redis_client) == [OVER]
    redis_client.rpush(FAILOVER_MOVES, move)  # as after a kill between the two
    assert tell(redis_client) == [OVER]
    assert redis_client.llen(FAILOVER_MOVES) == 0


def test_moves_wait_while_the_database_is_away(watch, say, redis_client, monkeypatch):
    watch.follow(100.0)
    say(primary=ILL)
    watch.follow(101.0)
    with monkeypatch.context() as patch:
        patch.setattr(events, "_write", lambda _: (_ for _ in ()).throw(OperationalError("away")))
        assert tell(redis_client) == []
    assert tell(redis_client) == [OVER]


def test_of_very_many_moves_that_wait_the_oldest_go(watch, say, redis_client):
    watch.follow(100.0)
    redis_client.rpush(FAILOVER_MOVES, *range(10_000))
    say(primary=ILL)
    watch.follow(101.0)
    assert redis_client.llen(FAILOVER_MOVES) == 10_000
    assert b"failover" in redis_client.lindex(FAILOVER_MOVES, -1)


@pytest.mark.parametrize("junk", [*UNREADABLE, b'{"kind": "failover"}'])
def test_a_malformed_move_does_not_stop_the_others(watch, say, redis_client, junk):
    redis_client.rpush(FAILOVER_MOVES, junk)
    watch.follow(100.0)
    say(primary=ILL)
    watch.follow(101.0)
    assert tell(redis_client) == [OVER]


def test_an_emptied_redis_learns_again_where_the_traffic_was_held(
    held, watch, say, redis_client, state
):
    watch.follow(100.0)
    say(primary=ILL)
    watch.follow(101.0)
    tell(redis_client)
    redis_client.flushall()
    watch.follow(102.0)
    assert state() is None  # nobody knows yet how the backends are
    say(primary=WELL, backup=WELL)
    watch.follow(103.0)
    assert (state().floor, state().serving) == (1, (1,))
    assert tell(redis_client) == [OVER]


def test_what_an_operator_tied_stays_tied_when_redis_is_emptied(
    watch, say, tiered, redis_client, state
):
    tiered.fail_over(1)
    redis_client.flushall()
    say(primary=WELL, backup=WELL)
    watch.follow(103.0)
    assert (state().floor, state().manual) == (1, True)


def test_while_the_database_is_away_an_emptied_redis_learns_nothing_wrong(
    redis_client, snapshot, say, state
):
    def away(_):
        raise OperationalError("away")

    watch = FailoverWatch(redis_client, recall=away)
    watch.take(snapshot())
    watch.follow(100.0)
    assert state() is None


def test_a_pool_that_is_gone_or_has_one_tier_only_is_forgotten(
    held, watch, say, tiered, redis_client, snapshot, announced
):
    watch.follow(100.0)
    say(primary=ILL)
    watch.follow(101.0)
    announced()
    tiered.backends.filter(name="backup").delete()
    watch.take(snapshot())
    watch.follow(102.0)
    assert not redis_client.exists(FAILOVER_KEY)
    assert announced() == [FloorChange(pool_id=tiered.pk, floor=0)]


def test_an_unreadable_state_is_begun_anew(watch, redis_client, tiered, state):
    redis_client.hset(FAILOVER_KEY, str(tiered.pk), "{")
    watch.follow(100.0)
    assert state().serving == (0,)


def test_without_a_snapshot_nothing_is_touched(redis_client, tiered):
    redis_client.hset(FAILOVER_KEY, str(tiered.pk), msgspec.json.encode(FailoverState(floor=1)))
    FailoverWatch(redis_client).follow(100.0)
    assert redis_client.hlen(FAILOVER_KEY) == 1


def test_health_checks_that_are_off_leave_nobody_out(watch, say, tiered, snapshot, state):
    say(primary=ILL)
    tiered.health_enabled = False
    tiered.save()
    watch.take(snapshot())
    watch.follow(100.0)
    assert state().serving == (0,)
