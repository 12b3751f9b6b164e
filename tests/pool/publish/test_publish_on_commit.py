"""Saving publishes once a transaction, as one numbered revision."""

import pytest
from django.db import transaction

from pool.actor import acting_as
from pool.bus import SNAPSHOT_CHANNEL
from pool.choices import EventKind
from pool.models import Backend, Event, Pool, Revision, Route

pytestmark = pytest.mark.django_db


def test_many_saves_in_a_transaction_are_one_revision(commit, published):
    with commit():
        pool = Pool.objects.create(name="web")
        for number in range(5):
            Backend.objects.create(pool=pool, url=f"http://127.0.0.1:{9000 + number}")
        Route.objects.create(pool=pool)

    assert [revision.number for revision in Revision.objects.all()] == [1]
    snapshot = published()
    assert snapshot.number == 1
    assert [backend.name for backend in snapshot.pools[0].backends] == [
        f"127.0.0.1-{9000 + number}" for number in range(5)
    ]
    assert snapshot.routes[0].pool_id == pool.pk


def test_what_is_published_is_what_the_revision_holds(commit, published):
    with commit():
        Pool.objects.create(name="web")
    revision = Revision.objects.get()
    assert published().content_hash == revision.content_hash
    assert revision.published


def test_the_number_is_announced(commit, listen):
    announced = listen(SNAPSHOT_CHANNEL)
    with commit():
        Pool.objects.create(name="web")
    assert announced() == [(SNAPSHOT_CHANNEL, b"1")]


def test_a_save_that_changes_nothing_makes_no_revision(commit, published):
    with commit():
        pool = Pool.objects.create(name="web")
    with commit():
        pool.save()
    assert Revision.objects.count() == 1
    assert published().number == 1


@pytest.mark.parametrize(
    "delete",
    [
        lambda pool: Backend.objects.get().delete(),
        lambda pool: Backend.objects.all().delete(),
        lambda pool: pool.delete(),
    ],
    ids=["row", "queryset", "cascade"],
)
def test_every_way_of_deleting_publishes(commit, published, one, delete):
    with commit():
        one.pool.save()
    with commit():
        delete(one.pool)
    snapshot = published()
    assert snapshot.number == 2
    assert not [backend for pool in snapshot.pools for backend in pool.backends]


def test_a_savepoint_that_is_rolled_back_takes_no_publish_with_it(commit, published):
    with commit():
        savepoint = transaction.savepoint()
        Pool.objects.create(name="undone")
        transaction.savepoint_rollback(savepoint)
        Pool.objects.create(name="kept")
    assert [pool.name for pool in published().pools] == ["kept"]


def test_nothing_is_published_before_the_commit(commit, published):
    with commit():
        Pool.objects.create(name="web")
        assert published() is None


def test_a_revision_says_who_changed_what(commit, published, one):
    with commit():
        one.save()
    with commit(), acting_as("anna"):
        one.weight = 5
        one.url = "http://127.0.0.1:9009"
        one.save()
    revision = Revision.objects.first()
    assert revision.actor == "anna"
    assert revision.summary == (
        "backend web/one changed: url http://127.0.0.1:9001 → http://127.0.0.1:9009, weight 1 → 5"
    )
    assert revision.diff == [
        {
            "action": "changed",
            "kind": "backend",
            "id": one.pk,
            "name": "web/one",
            "fields": {
                "url": ["http://127.0.0.1:9001", "http://127.0.0.1:9009"],
                "weight": [1, 5],
            },
            "pools": [one.pool_id],
        }
    ]
    event = Event.objects.get(kind=EventKind.CONFIGURATION_APPLIED, data__revision=2)
    assert event.actor == "anna"
    assert (event.pool, event.backend) == (one.pool, one)


def test_each_pool_that_a_revision_changes_has_its_part_on_its_timeline(
    commit, published, one, route
):
    with commit():
        api = Pool.objects.create(name="api")
        one.save()
    with commit():
        one.weight = 5
        one.save()
        one.pool.retry_attempts = 1
        one.pool.save()
        route.pool = api
        route.save()
    told = Event.objects.filter(data__revision=2).order_by("id")
    moved = "route */ → api changed: pool web → api"
    assert {event.pool: event.message for event in told} == {
        api: f"Revision 2: {moved}",
        one.pool: "Revision 2: pool web changed: retry.attempts 3 → 1; "
        f"backend web/one changed: weight 1 → 5; {moved}",
    }
    assert {event.backend for event in told} == {None}


def test_the_end_of_a_pool_is_told_by_its_name(commit, published, one):
    with commit():
        one.save()
    with commit():
        one.pool.delete()
    event = Event.objects.get(data__revision=2)
    assert (event.pool, event.backend, event.data["pool"]) == (None, None, "web")
    assert event.message == "Revision 2: pool web removed; backend web/one removed"


@pytest.mark.parametrize("backends", [1, 30])
def test_compiling_takes_three_queries(web, django_assert_num_queries, backends):
    from pool.compilation import compile_configuration

    for number in range(backends):
        Backend.objects.create(pool=web, url=f"http://127.0.0.1:{9000 + number}")
    with django_assert_num_queries(3):
        compile_configuration()
