"""An ejected backend is out of its tier, as edges have it."""

import msgspec
import pytest

from pool.bus import EJECTIONS_KEY
from pool.failover import events, store
from pool.failover.watch import FailoverWatch
from pool.models import Event
from pool.outliers.records import Ejection, Ejections

START = 1_700_000_000.0


@pytest.fixture
def watch(redis_client, tiered, snapshot, say, monkeypatch):
    tiered.outlier_enabled = True
    tiered.save()
    primary = tiered.backends.get(name="primary")
    ejection = Ejection(since=START, until=START + 30, times=1, cause="5 failures in a row")
    state = msgspec.json.encode(Ejections(by_id={primary.pk: ejection}))
    monkeypatch.setattr(store, "time", lambda: START + 1)
    watch = FailoverWatch(redis_client)
    watch.take(snapshot())
    watch.follow(START)
    redis_client.hset(EJECTIONS_KEY, str(tiered.pk), state)
    return watch


def test_a_tier_lost_to_ejections_fails_over_with_that_cause(watch, redis_client, state):
    watch.follow(START + 1)
    events.write_moves(redis_client)
    assert Event.objects.get(kind="failover").data["cause"] == (
        "tier 0: 0 of 1 backends well, 1 ejected"
    )
    assert state().serving == (1,)


def test_it_counts_for_as_long_as_it_lasts(watch, monkeypatch, state):
    watch.follow(START + 1)
    monkeypatch.setattr(store, "time", lambda: START + 30)
    watch.follow(START + 30)
    assert state().serving == (0,)


def test_where_outliers_are_not_looked_for_nobody_is_out(watch, tiered, snapshot, state):
    tiered.outlier_enabled = False
    tiered.save()
    watch.take(snapshot())
    watch.follow(START + 1)
    assert state().serving == (0,)
