"""Who may see and change what in the admin, and what a page costs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pool.choices import EventKind
from pool.models import Backend, Event, Pool, Route
from pool.publish import publish

MODELS = ["pool", "backend", "route", "healthrecord", "event", "revision"]


@pytest.fixture
def one_of_each(route, redis_client):
    backend = Backend.objects.create(pool=route.pool, name="one", url="http://127.0.0.1:9001")
    return {
        "pool": route.pool,
        "backend": backend,
        "route": route,
        "healthrecord": backend.health_records.create(result="pass", state="healthy"),
        "event": Event.objects.record(EventKind.HEALTH_CHANGED, "ill", backend=backend),
        "revision": publish(),
    }


def list_url(model):
    return reverse(f"admin:pool_{model}_changelist")


@pytest.mark.parametrize("model", MODELS)
def test_every_page_loads(admin, one_of_each, model):
    row = one_of_each[model]
    assert admin.get(list_url(model)).status_code == 200
    assert admin.get(reverse(f"admin:pool_{model}_change", args=[row.pk])).status_code == 200
    assert admin.get(reverse(f"admin:pool_{model}_history", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", ["pool", "backend", "route"])
def test_every_form_for_a_new_row_loads(admin, db, redis_client, model):
    assert admin.get(reverse(f"admin:pool_{model}_add")).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_who_may_only_look_sees_no_way_to_change(viewer, one_of_each, model):
    row = one_of_each[model]
    page = viewer.get(reverse(f"admin:pool_{model}_change", args=[row.pk]))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


@pytest.mark.parametrize("model", ["pool", "backend", "route"])
@pytest.mark.parametrize("page", ["change", "delete"])
def test_who_may_only_look_cannot_change(viewer, one_of_each, model, page):
    row = one_of_each[model]
    response = viewer.post(reverse(f"admin:pool_{model}_{page}", args=[row.pk]), {"post": "yes"})
    assert response.status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
def test_a_newcomer_sees_nothing(newcomer, one_of_each, model):
    assert newcomer.get(list_url(model)).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_a_stranger_is_asked_to_log_in(client, db, model):
    response = client.get(list_url(model))
    assert response.status_code == 302
    assert "/login/" in response.url


def add_rows(count):
    for index in range(count):
        pool = Pool.objects.create(name=f"pool-{count}-{index}")
        Route.objects.create(pool=pool, path_prefix=f"/{count}-{index}")
        backend = Backend.objects.create(pool=pool, url="http://10.0.0.1")
        Backend.objects.create(pool=pool, url="http://10.0.0.2")
        backend.health_records.create(result="pass", state="healthy")
        Event.objects.record(EventKind.HEALTH_CHANGED, "ill", backend=backend)
        publish()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_with_many_rows(
    admin, redis_client, model, django_assert_max_num_queries, monkeypatch
):
    add_rows(2)
    few = _cost(admin, list_url(model), django_assert_max_num_queries, monkeypatch)
    add_rows(8)
    many = _cost(admin, list_url(model), django_assert_max_num_queries, monkeypatch)
    assert many == few


def test_the_form_of_a_pool_costs_the_same_with_many_backends(
    admin, web, redis_client, django_assert_max_num_queries, monkeypatch
):
    url = reverse("admin:pool_pool_change", args=[web.pk])
    Backend.objects.create(pool=web, url="http://10.0.0.1")
    few = _cost(admin, url, django_assert_max_num_queries, monkeypatch)
    for index in range(2, 12):
        Backend.objects.create(pool=web, url=f"http://10.0.0.{index}")
    assert _cost(admin, url, django_assert_max_num_queries, monkeypatch) == few


def test_the_form_of_a_pool_reads_its_backends_twice(admin, web, redis_client):
    """As rows of the form, and for what is said of them."""
    Backend.objects.create(pool=web, url="http://10.0.0.1")
    with CaptureQueriesContext(connection) as queries:
        admin.get(reverse("admin:pool_pool_change", args=[web.pk]))
    reading = [one for one in queries if 'FROM "pool_backend"' in one["sql"]]
    assert len(reading) == 2


def _cost(client, url, count_queries, monkeypatch):
    """Queries to the database and commands to Redis."""
    commands = []
    with monkeypatch.context() as patch, count_queries(50) as queries:
        original = __import__("redis").Redis.execute_command

        def spy(self, *args, **options):
            commands.append(args[0])
            return original(self, *args, **options)

        patch.setattr("redis.Redis.execute_command", spy)
        assert client.get(url).status_code == 200
    return len(queries), len(commands)
