"""The admin's front page: how everything is, for those who may know."""

import time

import msgspec
import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from pool.bus import EDGES_KEY, HEALTH_KEY, HealthStatus
from pool.choices import EventKind, HealthState
from pool.connection import redis_client as product_redis_client
from pool.models import Backend, Event, Pool
from pool.publish import publish
from tests.edge_reports import edge_report

INDEX = reverse("admin:index")


@pytest.fixture
def backend(db):
    return Backend.objects.create(pool=Pool.objects.create(name="web"), name="a", url="http://a")


@pytest.fixture
def redis_away(settings):
    settings.LB_REDIS_URL = "unix:///nonexistent/redis.sock"
    product_redis_client.cache_clear()
    yield
    product_redis_client.cache_clear()


def figures(response):
    return {figure.name: (figure.value, figure.note) for figure in response.context["figures"]}


def test_a_backend_that_is_out_of_rotation_is_named_with_the_reason(
    admin_client, backend, redis_client
):
    status = HealthStatus(state=HealthState.UNHEALTHY, since=1, reason="connection refused")
    redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))
    page = admin_client.get(INDEX)
    assert figures(page)["Backends available"] == ("0 of 1", "in 1 pool")
    text = page.content.decode()
    assert "a: connection refused, for" in text
    assert "0 of 1 left, and panic: unhealthy backends get traffic too." in text


def test_an_edge_that_lags_is_counted(admin_client, backend, redis_client):
    revision = publish()
    now = time.time()
    report = edge_report(now, snapshot_number=0, seen_at=now + 5)
    redis_client.hset(EDGES_KEY, "w", msgspec.json.encode(report))
    page = admin_client.get(INDEX)
    assert figures(page)["Edge workers"] == ("1", "1 behind what is saved")
    assert f"runs 0, saved {revision.number}" in page.content.decode()


def test_traffic_and_events_are_shown(admin_client, backend, redis_client):
    Event.objects.record(EventKind.HEALTH_CHANGED, "a fell ill", backend=backend)
    page = admin_client.get(INDEX)
    assert figures(page)["Requests, last 5 minutes"] == ("0", "no traffic")
    assert "a fell ill" in page.content.decode()


def test_it_works_while_redis_is_away(admin_client, backend, redis_away):
    page = admin_client.get(INDEX)
    assert figures(page)["Backends available"][0] == "? of 1"
    assert figures(page)["Edge workers"][0] == "?"
    assert "unknown (Redis is away)" in page.content.decode()


def test_before_anything_is_configured_it_says_how_to_begin(admin_client, redis_client):
    page = admin_client.get(INDEX)
    assert figures(page)["Edge workers"] == ("0", "nothing forwards traffic")
    assert reverse("admin:pool_pool_add") in page.content.decode()


def test_it_says_how_to_begin_no_more_when_there_is_a_pool(admin_client, backend, redis_client):
    assert reverse("admin:pool_pool_add") not in admin_client.get(INDEX).content.decode()


def test_who_has_no_rights_sees_nothing_of_it(client, backend):
    client.force_login(User.objects.create_user("nils", is_staff=True))
    page = client.get(INDEX)
    assert figures(page) == {}
    assert "Backends" not in page.content.decode()


def test_its_cost_does_not_grow_with_the_number_of_pools(
    admin_client, backend, redis_client, django_assert_max_num_queries
):
    with django_assert_max_num_queries(50) as few:
        admin_client.get(INDEX)
    for index in range(30):
        pool = Pool.objects.create(name=f"pool-{index}")
        Backend.objects.create(pool=pool, url="http://a")
        Event.objects.record(EventKind.HEALTH_CHANGED, "ill", pool=pool)
    with django_assert_max_num_queries(len(few)):
        admin_client.get(INDEX)
