"""A backend's page shows its ejection; the pool's form says what its settings come to."""

import time

import msgspec
import pytest
from django.urls import reverse

from pool.bus import EJECTIONS_KEY
from pool.outliers.records import Ejection, Ejections


@pytest.fixture
def page(admin, one):
    url = reverse("admin:pool_backend_change", args=[one.pk])
    return lambda: admin.get(url).content.decode()


@pytest.fixture
def watched(one):
    one.pool.outlier_enabled = True
    one.pool.save()
    return one


@pytest.fixture
def eject(redis_client):
    def put(backend, lasts=30.0):
        now = time.time()
        one = Ejection(since=now, until=now + lasts, times=2, cause="5 failures in a row")
        state = msgspec.json.encode(Ejections(by_id={backend.pk: one}))
        redis_client.hset(EJECTIONS_KEY, str(backend.pool_id), state)

    return put


def test_a_pool_that_looks_for_none_says_so(page, one, eject):
    eject(one)
    assert "The pool&#x27;s outlier detection is off." in page()


def test_an_ejection_tells_why_and_until_when(page, watched, eject):
    assert "Nothing speaks against it." in page()
    eject(watched)
    assert "2 times in a row now: 5 failures in a row." in page()


def test_one_whose_time_is_over_is_none(page, watched, eject):
    eject(watched, lasts=-1.0)
    assert "Nothing speaks against it." in page()


def test_the_page_works_while_redis_is_away(page, watched, redis_away):
    assert "unknown" in page()


def test_an_ejected_backend_counts_as_not_available(admin, watched, eject):
    eject(watched)
    text = admin.get(reverse("admin:pool_pool_changelist")).content.decode()
    assert "one: ejected: 5 failures in a row" in text


def test_the_pools_traffic_counts_it_as_out(admin, watched, eject):
    eject(watched)
    text = admin.get(reverse("admin:pool_pool_change", args=[watched.pool_id])).content.decode()
    assert "0 of 1 well" in text


def test_the_form_says_that_a_tenth_of_a_few_is_nobody(admin, watched, redis_client):
    text = admin.get(reverse("admin:pool_pool_change", args=[watched.pool_id])).content.decode()
    assert "10 % of 1 backend is less than one: nobody is ever ejected." in text


def test_turning_it_on_warns_of_it(admin, one, web, pool_form, redis_client):
    url = reverse("admin:pool_pool_change", args=[web.pk])
    answer = admin.post(url, pool_form(web, outlier_enabled="on"), follow=True)
    assert "nobody is ever ejected" in answer.content.decode()
    web.refresh_from_db()
    assert web.outlier_enabled
