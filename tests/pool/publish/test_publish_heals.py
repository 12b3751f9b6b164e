"""Redis may be away, emptied, or hold something else: the database is the truth."""

import pytest

from pool.bus import SNAPSHOT_KEY
from pool.choices import EventKind, Severity
from pool.connection import redis_client as product_redis_client
from pool.models import Event, Pool, Revision
from pool.publish import _put, republish_if_lost
from pool.snapshot import build, encode
from tests.unreadable import UNREADABLE

pytestmark = pytest.mark.django_db


def kinds():
    return [event.kind for event in Event.objects.order_by("id")]


def test_saving_succeeds_while_redis_is_away_and_says_so(commit, redis_away):
    with commit():
        Pool.objects.create(name="web")
    assert Pool.objects.exists()
    assert not Revision.objects.get().published
    event = Event.objects.get()
    assert (event.kind, event.severity) == (
        EventKind.CONFIGURATION_NOT_PUBLISHED,
        Severity.ERROR,
    )
    assert event.message.startswith("Revision 1 is saved, but edges do not have it yet: ")


def test_the_tick_publishes_what_was_saved_meanwhile(
    commit, published, redis_away, redis_url, settings
):
    with commit():
        Pool.objects.create(name="web")
    with commit():
        Pool.objects.create(name="api")
    republish_if_lost()
    settings.LB_REDIS_URL = redis_url
    product_redis_client.cache_clear()

    republish_if_lost()

    assert published().number == 2
    assert all(revision.published for revision in Revision.objects.all())
    assert (
        kinds()
        == [EventKind.CONFIGURATION_NOT_PUBLISHED] * 2 + [EventKind.CONFIGURATION_APPLIED] * 2
    )
    told = Event.objects.order_by("id").values_list("message", flat=True)[2:]
    assert list(told) == ["Revision 1: pool web added", "Revision 2: pool api added"]


def test_the_tick_restores_what_redis_lost(commit, published, redis_client):
    with commit():
        Pool.objects.create(name="web")
    before = published()
    redis_client.flushall()
    republish_if_lost()
    assert published() == before
    assert kinds() == [EventKind.CONFIGURATION_APPLIED, EventKind.CONFIGURATION_REPUBLISHED]


@pytest.mark.parametrize("junk", [b"{}", b'{"number": "1"}', *UNREADABLE])
def test_the_tick_replaces_what_is_no_snapshot(commit, published, redis_client, junk):
    with commit():
        Pool.objects.create(name="web")
    redis_client.set(SNAPSHOT_KEY, junk)
    republish_if_lost()
    assert published().number == 1


def test_the_tick_replaces_a_snapshot_with_a_damaged_byte(commit, published, redis_client):
    with commit():
        Pool.objects.create(name="web")
    redis_client.set(SNAPSHOT_KEY, encode(published()).replace(b'"name":"w', b'"name":"\xff'))
    with commit():
        Pool.objects.create(name="api")
    assert published().number == 2


def test_the_tick_is_quiet_when_all_is_well(commit, published):
    with commit():
        Pool.objects.create(name="web")
    republish_if_lost()
    republish_if_lost()
    assert Revision.objects.count() == 1
    assert kinds() == [EventKind.CONFIGURATION_APPLIED]


def test_the_tick_publishes_what_went_around_the_models(commit, published, web):
    with commit():
        web.save()
    Pool.objects.update(retry_attempts=1)
    republish_if_lost()
    assert published().number == 2
    assert published().pools[0].retry.attempts == 1


def test_the_first_tick_publishes_that_nothing_is_configured(published):
    republish_if_lost()
    assert (published().number, published().pools) == (1, ())


def test_an_older_snapshot_is_replaced(commit, published, redis_client):
    with commit():
        pool = Pool.objects.create(name="web")
    older = redis_client.get(SNAPSHOT_KEY)
    with commit():
        pool.delete()
    redis_client.set(SNAPSHOT_KEY, older)
    republish_if_lost()
    assert published().number == 2
    assert kinds()[-1] == EventKind.CONFIGURATION_REPUBLISHED


@pytest.mark.parametrize("number", [1, 7])
def test_a_foreign_snapshot_is_published_over(commit, published, redis_client, number):
    with commit():
        Pool.objects.create(name="web")
    foreign = build(number, (Pool(id=99, name="foreign").compile(),), ())
    redis_client.set(SNAPSHOT_KEY, encode(foreign))
    republish_if_lost()
    assert published().number == number + 1
    assert [pool.name for pool in published().pools] == ["web"]
    assert Event.objects.first().kind == EventKind.CONFIGURATION_REPUBLISHED
    republish_if_lost()
    assert Revision.objects.count() == 2


def test_a_newer_snapshot_of_another_publisher_is_left_alone(commit, published, redis_client):
    with commit():
        Pool.objects.create(name="web")
    newer = build(2, (Pool(id=99, name="newer").compile(),), ())
    redis_client.set(SNAPSHOT_KEY, encode(newer))
    Revision.objects.create(
        number=2,
        content_hash=newer.content_hash,
        summary="by another publisher",
        snapshot=encode(newer).decode(),
    )
    stored, written = _put(Revision.objects.get(number=1))
    assert (stored.number, written) == (2, False)
    assert published() == newer


def test_a_revision_of_another_version_does_not_stop_publishing(commit, published, web):
    Revision.objects.create(number=1, content_hash="x", summary="x", snapshot='{"format": 99}')
    with commit():
        web.save()
    assert published().number == 2
    assert Revision.objects.first().diff[0]["action"] == "added"
