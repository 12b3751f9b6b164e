"""Panic stands on the timeline once, whoever looks, and whatever is away or forgotten."""

import threading

import pytest
from django.db import OperationalError

from pool.alerts import conditions
from pool.alerts.conditions import Effect, Occurrence
from pool.bus import PANIC_ALARMS, PANIC_KEY
from pool.choices import EventKind
from pool.models import Event
from pool.panic import events
from pool.panic.watch import PanicWatch

PANIC, NOBODY, RECOVERED = (
    EventKind.PANIC.value,
    EventKind.NO_HEALTHY_UPSTREAM.value,
    EventKind.POOL_RECOVERED.value,
)


@pytest.fixture
def watch(redis_client, snapshot, well):
    watch = PanicWatch(redis_client)
    watch.take(snapshot())
    watch.follow(100.0)
    return watch


@pytest.fixture
def told(redis_client):
    def read():
        events.write_alarms(redis_client)
        return list(Event.objects.order_by("at", "id").values_list("kind", flat=True))

    return read


def test_it_is_told_when_it_begins_and_when_it_is_over(watch, well, told):
    assert told() == []
    well(1)
    watch.follow(101.0)
    watch.follow(102.0)
    well(2)
    watch.follow(103.0)
    watch.follow(104.0)
    assert told() == [PANIC, RECOVERED]
    event = Event.objects.get(kind=PANIC)
    assert event.message == (
        "Pool shop: panic, unhealthy backends get traffic too (1 of 3 backends well)"
    )
    assert (event.pool.name, event.severity, event.at.timestamp()) == ("shop", "error", 101.0)
    assert Event.objects.get(kind=RECOVERED).severity == "info"


def test_a_pool_without_panic_has_nobody_left(watch, well, told, shop, snapshot):
    shop.panic_threshold = 0
    shop.save()
    watch.take(snapshot())
    well(1)
    watch.follow(101.0)
    assert told() == []
    well(0)
    watch.follow(102.0)
    well(3)
    watch.follow(103.0)
    assert told() == [NOBODY, RECOVERED]


def test_of_many_workers_that_see_the_same_one_tells(watch, well, redis_client, snapshot):
    watches = [PanicWatch(redis_client, recall=lambda ids: {}) for _ in range(8)]
    barrier = threading.Barrier(8)
    for one in watches:
        one.take(snapshot())

    def look(one):
        barrier.wait()
        for second in range(10):
            one.follow(101.0 + second)

    well(0)
    threads = [threading.Thread(target=look, args=[one]) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis_client.llen(PANIC_ALARMS) == 1


def test_an_alarm_that_was_told_but_not_taken_off_is_not_told_again(
    watch, well, told, redis_client
):
    well(0)
    watch.follow(101.0)
    (alarm,) = redis_client.lrange(PANIC_ALARMS, 0, -1)
    assert told() == [PANIC]
    redis_client.rpush(PANIC_ALARMS, alarm, "junk")
    assert told() == [PANIC]
    assert redis_client.llen(PANIC_ALARMS) == 0


def test_alarms_wait_for_the_database(watch, well, told, monkeypatch):
    well(0)
    watch.follow(101.0)
    with monkeypatch.context() as patch:
        patch.setattr(events, "_write", lambda _: (_ for _ in ()).throw(OperationalError("away")))
        assert told() == []
    assert told() == [PANIC]


def test_of_very_many_alarms_that_wait_the_oldest_go(watch, well, redis_client):
    redis_client.rpush(PANIC_ALARMS, *range(10_000))
    well(0)
    watch.follow(101.0)
    assert redis_client.llen(PANIC_ALARMS) == 10_000
    assert b"panic" in redis_client.lindex(PANIC_ALARMS, -1)


@pytest.mark.parametrize(("now_well", "more"), [(0, []), (3, [RECOVERED])])
def test_an_emptied_redis_goes_on_from_what_was_told(
    watch, well, told, redis_client, now_well, more
):
    well(0)
    watch.follow(101.0)
    assert told() == [PANIC]
    redis_client.flushall()
    watch.follow(102.0)
    assert not redis_client.exists(PANIC_KEY)  # nobody knows yet how the backends are
    well(now_well)
    watch.follow(103.0)
    assert told() == [PANIC, *more]


def test_without_a_memory_at_all_nothing_is_told(redis_client, snapshot, well):
    def away(_):
        raise OperationalError("away")

    watch = PanicWatch(redis_client, recall=away)
    watch.take(snapshot())
    well(0)
    watch.follow(100.0)
    assert not redis_client.exists(PANIC_KEY, PANIC_ALARMS)


def test_what_another_version_has_left_is_replaced(watch, well, told, shop, redis_client):
    redis_client.hset(PANIC_KEY, str(shop.pk), "?")
    watch.follow(101.0)
    assert redis_client.hget(PANIC_KEY, str(shop.pk)) == RECOVERED.encode()
    assert told() == []


def test_a_pool_that_is_gone_is_forgotten(watch, shop, snapshot, redis_client):
    shop.delete()
    watch.take(snapshot())
    watch.follow(101.0)
    assert not redis_client.exists(PANIC_KEY)


def test_one_alert_lasts_from_panic_through_the_loss_of_all_until_it_is_over():
    read = [
        conditions.read(Occurrence(kind=kind, message="m", pool_id=7, data={"pool": "shop"}))
        for kind in (PANIC, NOBODY, RECOVERED)
    ]
    assert {condition.subject for condition in read} == {"pool:7:panic"}
    assert [(one.effect, one.title) for one in read] == [
        (Effect.BEGINS, "Pool shop is in panic"),
        (Effect.BEGINS, "Pool shop has nobody left who can serve"),
        (Effect.ENDS, "Pool shop has enough healthy backends"),
    ]
