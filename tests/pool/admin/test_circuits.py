"""A backend's page shows its circuit and takes orders; the pool's form explains the limit."""

import time

import msgspec
import pytest
from django.urls import reverse

from pool import bus
from pool.choices import CircuitState
from pool.circuits.records import Circuit
from pool.circuits.script import read_circuit
from pool.models import Backend


@pytest.fixture
def page(one: Backend) -> str:
    return reverse("admin:pool_backend_change", args=[one.pk])


def put(redis_client, backend, **fields):
    circuit = Circuit(generation=1, since=time.time(), **fields)
    redis_client.hset(bus.CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))


def text_of(client, url):
    return client.get(url).content.decode()


def test_a_circuit_that_nothing_has_happened_to(admin, page, redis_client):
    assert "Nothing has failed." in text_of(admin, page)


def test_an_open_circuit_tells_since_when_why_and_until_when(admin, page, one, redis_client):
    put(redis_client, one, state=CircuitState.OPEN, cause="5 failures in a row", until=time.time())
    text = text_of(admin, page)
    assert "5 failures in a row. Tried at " in text


def test_a_half_open_circuit_tells_its_counts(admin, page, one, redis_client):
    put(redis_client, one, state=CircuitState.HALF_OPEN, successes=2)
    assert "Successes in a row: 2." in text_of(admin, page)


def test_a_pool_without_circuits_says_so(admin, page, one, redis_client):
    one.pool.circuit_mode = "off"
    one.pool.save()
    assert "The pool&#x27;s circuit breaker is off." in text_of(admin, page)


def test_without_redis_nobody_knows(admin, page, redis_away):
    assert "Redis is away." in text_of(admin, page)


def test_an_open_circuit_counts_as_not_available(admin, one, redis_client):
    put(redis_client, one, state=CircuitState.OPEN, cause="5 failures in a row")
    text = text_of(admin, reverse("admin:pool_pool_changelist"))
    assert "0 of 1" in text
    assert "one: circuit open: 5 failures in a row" in text


@pytest.mark.parametrize(
    ("orders", "state"),
    [
        (["open"], CircuitState.FORCED_OPEN),
        (["open", "release"], CircuitState.HALF_OPEN),
        (["open", "reset"], CircuitState.CLOSED),
    ],
)
def test_orders(admin, one, page, redis_client, orders, state):
    for order in orders:
        url = reverse(f"admin:pool_backend_{order}_circuit", args=[one.pk])
        assert "the circuit?" in admin.get(url).content.decode()
        answer = admin.post(url, {"_form_submitted": "1"}, follow=True)
    assert f"The circuit of web/one is {state.replace('_', ' ')}." in answer.content.decode()
    record = redis_client.hget(bus.CIRCUITS_KEY, str(one.pk))
    assert read_circuit(record).state is state


def test_what_cannot_be_done_is_told(admin, one, redis_client):
    url = reverse("admin:pool_backend_release_circuit", args=[one.pk])
    answer = admin.post(url, {"_form_submitted": "1"}, follow=True)
    assert "there is nothing to release" in answer.content.decode()


def test_without_redis_nothing_changes(admin, one, redis_away):
    url = reverse("admin:pool_backend_open_circuit", args=[one.pk])
    answer = admin.post(url, {"_form_submitted": "1"}, follow=True)
    assert "Nothing changed, because Redis cannot be reached" in answer.content.decode()


def test_a_viewer_gives_no_orders(viewer, one, redis_client):
    url = reverse("admin:pool_backend_open_circuit", args=[one.pk])
    assert viewer.post(url, {"_form_submitted": "1"}).status_code == 403
    assert not redis_client.exists(bus.CIRCUITS_KEY)


def test_the_pools_form_says_what_its_limit_comes_to(admin, one, redis_client):
    url = reverse("admin:pool_pool_change", args=[one.pool_id])
    assert "The only backend's circuit may be open at once" in text_of(admin, url)


def test_a_saved_limit_that_says_something_else_is_explained(admin, one, pool_form, redis_client):
    url = reverse("admin:pool_pool_change", args=[one.pool_id])
    form = pool_form(one.pool, circuit_max_open=0)
    answer = admin.post(url, form, follow=True)
    assert "no circuit ever opens" in answer.content.decode()
