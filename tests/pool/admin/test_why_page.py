"""The page that explains a backend: every fact in words, with one probe, none, and many."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from pool.choices import EventKind, HealthState
from pool.models import Backend, Event, HealthRecord

U = HealthState.UNHEALTHY


def why(backend):
    return reverse("admin:pool_backend_why", args=[backend.pk])


def read(client, backend):
    response = client.get(why(backend))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_backend_without_a_past_is_explained(admin, one, redis_client):
    page = read(admin, one)
    assert "web/one is not probed yet: it gets requests as if it were up." in page
    assert "1 of 1 available: one more loss and panic starts." in page
    assert "No pass was timed" in page


def test_one_probe_is_enough_for_the_drawings(admin, one, redis_client):
    one.health_records.create(result="pass", state="healthy", latency_ms=1.5)
    page = read(admin, one)
    assert page.count("<polyline") == 1
    assert "100 %" in page


def test_thousands_of_probes_are_drawn_in_as_many_shapes_as_few(
    admin, one, redis_client, django_assert_max_num_queries
):
    now = timezone.now()
    HealthRecord.objects.bulk_create(
        HealthRecord(
            backend=one,
            at=now - timedelta(seconds=10 * index),
            result="fail" if index % 7 == 0 else "pass",
            state="healthy" if index % 50 else "unhealthy",
            latency_ms=index % 13,
        )
        for index in range(5000)
    )
    with django_assert_max_num_queries(25):
        page = read(admin, one)
    assert page.count("<rect") == 144


def test_why_it_is_down_is_said_in_words(admin, one, redis_client, say_health):
    say_health(one, U, "connection refused")
    page = read(admin, one)
    assert "Why is web/one down?" in page
    assert "web/one is down, and gets requests all the same: its pool is in panic." in page
    assert "Its probes fail: connection refused" in page


def test_what_is_drained_is_not_called_down(admin, one, redis_client):
    one.drain(by="olga")
    assert "Why does web/one get no new requests?" in read(admin, one)


def test_who_drained_it_is_named_with_a_link_to_the_event(admin, one, redis_client):
    one.drain(by="olga")
    page = read(admin, one)
    event = Event.objects.get(kind=EventKind.ADMIN_STATE_CHANGED)
    assert "It was drained by olga" in page
    assert reverse("admin:pool_event_change", args=[event.pk]) in page


def test_it_says_that_redis_is_away(admin, one, redis_away):
    page = read(admin, one)
    assert "web/one cannot be judged now: Redis is away." in page
    assert "nobody knows when it is probed next" in page


def test_what_a_backend_answers_is_text_on_the_page(admin, one, redis_client):
    one.health_records.create(
        result="fail", state="unhealthy", excerpt="<script>alert(1)</script>", reason="status 500"
    )
    page = read(admin, one)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("table", ["probes", "hours"])
def test_its_history_is_exported_as_csv(admin, one, redis_client, table):
    one.health_records.create(result="fail", state="unhealthy", reason='=cmd|" /c calc"!A1')
    response = admin.get(why(one), {"export": table})
    text = b"".join(response.streaming_content).decode()
    assert response.headers["Content-Disposition"] == f'attachment; filename="web-one-{table}.csv"'
    assert text.startswith("at,result" if table == "probes" else "hour,up")
    assert ",=cmd" not in text
    assert '"=cmd' not in text


def test_an_unknown_export_is_refused(admin, one, redis_client):
    assert admin.get(why(one), {"export": "secrets"}).status_code == 404


def test_whoever_may_look_at_backends_may_ask(viewer, newcomer, one, redis_client):
    assert viewer.get(why(one)).status_code == 200
    assert newcomer.get(why(one)).status_code == 403


@pytest.mark.parametrize("name", ["999", "x", "²"])
def test_a_backend_that_is_not_there_is_not_found(admin, db, redis_client, name):
    url = reverse("admin:pool_backend_why", args=[name])
    assert admin.get(url).status_code == 404


def test_it_can_be_reached_from_the_backends_own_page(admin, one, redis_client):
    page = admin.get(reverse("admin:pool_backend_change", args=[one.pk]))
    assert why(one) in page.content.decode()
    assert Backend.objects.count() == 1
