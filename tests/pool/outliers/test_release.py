"""A probe that passes brings an ejected backend back, told once."""

import threading

import msgspec
import pytest

from pool.bus import EJECTIONS_CHANNEL, EJECTIONS_KEY, EVENTS_FIELD, EVENTS_STREAM, Happening
from pool.choices import EventKind
from pool.outliers.records import Ejection, Ejections, EjectionsChange, read_ejections
from pool.outliers.release import Release

START = 1_700_000_000.0
OUT = Ejection(since=START, until=START + 30, times=2, cause="5 failures in a row")


@pytest.fixture
def release(redis_client):
    state = Ejections(by_id={7: OUT, 8: OUT})
    redis_client.hset(EJECTIONS_KEY, "1", msgspec.json.encode(state))
    return Release(redis_client)


@pytest.fixture
def told(redis_client):
    def read():
        entries = redis_client.xrange(EVENTS_STREAM)
        return [msgspec.json.decode(one[EVENTS_FIELD], type=Happening) for _, one in entries]

    return read


def test_it_comes_back_and_the_other_does_not(release, redis_client, listen, told):
    announced = listen(EJECTIONS_CHANNEL)
    release.passed(1, 7, START + 4)
    state = read_ejections(redis_client.hget(EJECTIONS_KEY, "1"))
    assert set(state.out(START + 4)) == {8}
    (event,) = told()
    assert (event.kind, event.backend_id, event.at) == (EventKind.UNEJECTED, 7, START + 4)
    assert event.message == "back after 4.0 s of ejection (a probe has passed)"
    ((_, data),) = announced()
    change = msgspec.json.decode(data, type=EjectionsChange)
    assert change == EjectionsChange(pool_id=1, ejections=state)


def test_of_many_that_find_it_well_one_tells(release, redis_client, told):
    barrier = threading.Barrier(8)

    def find_it_well():
        barrier.wait()
        release.passed(1, 7, START + 4)
        release.passed(1, 8, START + 4)

    threads = [threading.Thread(target=find_it_well) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event.backend_id for event in told()) == [7, 8]
    assert read_ejections(redis_client.hget(EJECTIONS_KEY, "1")).out(START + 4) == {}


def test_who_is_not_ejected_is_left_as_it_is(release, redis_client, told):
    before = redis_client.hget(EJECTIONS_KEY, "1")
    release.passed(1, 9, START)
    release.passed(2, 7, START)
    assert (redis_client.hget(EJECTIONS_KEY, "1"), told()) == (before, [])
