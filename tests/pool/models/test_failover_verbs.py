"""Failing over and back by hand, through the model that the admin and REST use."""

import msgspec
import pytest
from django.core.exceptions import ValidationError
from redis import RedisError

from pool.bus import FAILOVER_KEY, FailoverState
from pool.failover.store import FailoverStore
from pool.models import Backend, Event, Pool


@pytest.fixture
def shop(db, redis_client):
    pool = Pool.objects.create(name="shop")
    for tier, name in enumerate(("primary", "backup")):
        Backend.objects.create(pool=pool, name=name, url=f"http://{name}:80", tier=tier)
    return pool


def test_the_timeline_tells_who_moved_the_traffic(shop):
    shop.fail_over(1, by="olga")
    shop.fail_back(by="otto")
    over, back = Event.objects.order_by("at", "id")
    assert (over.kind, over.actor, over.message) == (
        "failover",
        "olga",
        "Pool shop: traffic moved from tier 0 to tier 1 (by hand)",
    )
    assert over.data == {
        "pool": "shop",
        "from": [0],
        "to": [1],
        "cause": "by hand",
        "floor": 1,
        "manual": True,
    }
    assert (back.kind, back.actor, back.data["to"]) == ("failback", "otto", [0])


def test_what_cannot_be_done_names_the_field_and_changes_nothing(shop, redis_client):
    with pytest.raises(ValidationError) as refused:
        shop.fail_over(7)
    assert refused.value.message_dict == {
        "tier": ["No backend serves in tier 7; choose one of these: 0, 1."]
    }
    with pytest.raises(ValidationError):
        shop.fail_back()
    assert not redis_client.exists(FAILOVER_KEY)
    assert not Event.objects.exists()


def test_while_redis_is_away_nothing_is_told_that_did_not_happen(shop, redis_away):
    with pytest.raises(RedisError):
        shop.fail_over(1)
    assert not Event.objects.exists()


def test_what_somebody_else_did_meanwhile_is_where_the_move_begins(shop, redis_client, monkeypatch):
    replace = FailoverStore.replace
    meanwhile = [FailoverState(serving=(1,))]

    def late(store, replacement):
        if meanwhile:
            redis_client.hset(FAILOVER_KEY, str(shop.pk), msgspec.json.encode(meanwhile.pop()))
        return replace(store, replacement)

    monkeypatch.setattr(FailoverStore, "replace", late)
    shop.fail_over(1)
    assert [event.data["from"] for event in Event.objects.all()] == [[1]]
