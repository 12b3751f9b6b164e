"""What stands in the way of a rollback is named, beforehand too, and nothing is half done."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from pool.models import Backend, Event, Pool, Revision, Route
from pool.publish import publish
from pool.restore import preview_rollback, rehearse_rollback, rollback
from pool.revise import PublishError

Meanwhile = Callable[[type[Model], Callable[[], object]], None]


@pytest.fixture
def first(commit, one, redis_client) -> Revision:
    """To come back to: the pool "web" with the backend "one"; now it is "shop", and there is
    the pool "new" with a backend.
    """
    with commit():
        one.save()
    first = Revision.objects.get()
    with commit():
        one.pool.name = "shop"
        one.pool.save()
        new = Pool.objects.create(name="new")
        Backend.objects.create(pool=new, name="a", url="http://a")
    return first


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    """Lets somebody do something right before a row is written, when its rules are checked."""
    receivers = []

    def add(model: type[Model], act: Callable[[], object]) -> None:
        def receiver(**_: object) -> None:
            pre_save.disconnect(receiver, model)
            act()

        receivers.append((receiver, model))
        pre_save.connect(receiver, model)

    yield add
    for receiver, model in receivers:
        pre_save.disconnect(receiver, model)


def add_route_to_the_new_pool():
    pool = Pool.objects.get(backends__url="http://a")
    Route.objects.bulk_create([Route(pool=pool, host="shop.test")])


def take_the_name():
    Pool.objects.bulk_create([Pool(name="web")])


CONFLICTS = {
    "a route of a pool that is to go": (add_route_to_the_new_pool, r"used by route shop\.test/"),
    "a name that is to come back": (take_the_name, "the like of pool web at the same time"),
}


def everything():
    return [list(model.objects.order_by("pk").values()) for model in (Pool, Backend, Route, Event)]


@pytest.mark.parametrize(("act", "words"), CONFLICTS.values(), ids=CONFLICTS)
@pytest.mark.parametrize("attempt", [lambda to: rollback(to, by="anna"), rehearse_rollback])
def test_a_conflict_names_the_row_and_changes_nothing(first, meanwhile, act, words, attempt):
    before = everything()
    meanwhile(Pool, act)
    with pytest.raises(PublishError, match=rf"Cannot roll back to revision 1: .*{words}"):
        attempt(first)
    assert everything() == before
    assert Revision.objects.count() == 2


def test_a_rehearsal_changes_nothing_where_nothing_stands_in_the_way(first):
    before = everything()
    rehearse_rollback(first)
    assert everything() == before
    assert len(preview_rollback(first)) == 3


def test_a_rehearsal_is_refused_by_todays_rules_as_the_rollback_is(first, monkeypatch):
    def refuse(self):
        raise ValidationError({"name": "Shorter, please."})

    monkeypatch.setattr(Pool, "clean", refuse)
    with pytest.raises(ValidationError, match="pool web, name"):
        rehearse_rollback(first)


@pytest.fixture
def boss(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.mark.parametrize(("act", "words"), CONFLICTS.values(), ids=CONFLICTS)
def test_the_admin_tells_of_a_conflict(boss, first, meanwhile, act, words):
    url = reverse("admin:pool_revision_roll_back", args=[first.pk])
    meanwhile(Pool, act)
    asked = boss.get(url).content.decode()
    assert re.search(words, asked)
    assert "shop" in asked
    assert "_rollback" not in asked
    meanwhile(Pool, act)
    assert re.search(words, boss.post(url, follow=True).content.decode())
    assert "_rollback" in boss.get(url).content.decode()


@pytest.mark.parametrize(("act", "words"), CONFLICTS.values(), ids=CONFLICTS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_rest_tells_of_a_conflict(boss, first, meanwhile, act, words, method):
    meanwhile(Pool, act)
    answer = getattr(boss, method)("/api/v1/revisions/1/rollback/")
    assert answer.status_code == 409
    assert re.search(words, answer.json()["detail"])


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: see test_on_postgresql"
)
@pytest.mark.django_db(transaction=True)
def test_who_takes_a_name_over_another_connection_is_told_of_as_well(redis_client, meanwhile):
    pool = Pool.objects.create(name="web")
    first = publish()
    pool.name = "shop"
    pool.save()
    meanwhile(Pool, over_another_connection(take_the_name))
    with pytest.raises(PublishError, match="the like of pool web at the same time"):
        rollback(first, by="anna")
    assert set(Pool.objects.values_list("name", flat=True)) == {"shop", "web"}


def over_another_connection(act: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    def wait_for_it() -> None:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)

    return wait_for_it
