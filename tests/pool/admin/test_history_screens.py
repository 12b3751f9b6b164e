"""Health records and events in the admin: to look at, to filter, and nothing else."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from pool.choices import EventKind, Severity
from pool.models import Event

EVENTS = reverse("admin:pool_event_changelist")
RECORDS = reverse("admin:pool_healthrecord_changelist")


@pytest.fixture
def event(one):
    return Event.objects.record(
        EventKind.HEALTH_CHANGED, "one fell ill", severity=Severity.ERROR, backend=one
    )


@pytest.fixture
def record(one):
    return one.health_records.create(result="fail", state="unhealthy", reason="timed out")


def listed(response):
    return list(response.context["cl"].result_list)


@pytest.mark.parametrize(
    "filters",
    [
        {"pool__id__exact": "{pool}"},
        {"backend__id__exact": "{backend}"},
        {"kind__exact": "health_changed"},
        {"severity__exact": "error"},
        {"last": "5m"},
        {"q": "ill"},
    ],
)
def test_events_are_filtered(admin, one, event, filters):
    old = timezone.now() - timedelta(days=30)
    Event.objects.record(EventKind.EDGE_JOINED, "an edge joined", at=old)
    query = {
        name: value.format(pool=one.pool_id, backend=one.pk) for name, value in filters.items()
    }
    assert listed(admin.get(EVENTS, query)) == [event]


@pytest.mark.parametrize(
    "filters",
    [
        {"backend__pool__id__exact": "{pool}"},
        {"backend__id__exact": "{backend}"},
        {"result__exact": "fail"},
        {"state__exact": "unhealthy"},
        {"last": "1h"},
    ],
)
def test_records_are_filtered(admin, one, record, filters):
    old = timezone.now() - timedelta(days=30)
    other = type(one).objects.create(pool=type(one.pool).objects.create(name="x"), url="http://x")
    other.health_records.create(result="pass", state="healthy", at=old)
    query = {
        name: value.format(pool=one.pool_id, backend=one.pk) for name, value in filters.items()
    }
    assert listed(admin.get(RECORDS, query)) == [record]


def test_the_list_tells_how_many_passes_a_record_stands_for(admin, one):
    one.health_records.create(result="pass", state="healthy", status=200, omitted=29)
    page = admin.get("/admin/pool/healthrecord/").content.decode()
    assert "29 more passes before it" in page


def test_a_record_shows_its_reason(admin, record):
    page = admin.get(reverse("admin:pool_healthrecord_change", args=[record.pk]))
    assert "timed out" in page.content.decode()


def test_a_record_which_nobody_can_change_offers_no_history_of_changes(admin, one, record):
    history = "/history/"
    assert history in admin.get(f"/admin/pool/backend/{one.pk}/change/").content.decode()
    page = admin.get(f"/admin/pool/healthrecord/{record.pk}/change/")
    assert history not in page.content.decode()


def test_an_event_shows_who_caused_it(admin, one, redis_client):
    one.drain(by="olga")
    event = Event.objects.get()
    page = admin.get(reverse("admin:pool_event_change", args=[event.pk]))
    assert "olga" in page.content.decode()


@pytest.mark.parametrize("model", ["event", "healthrecord", "revision"])
def test_history_cannot_be_added_to(admin, model):
    assert admin.get(reverse(f"admin:pool_{model}_add")).status_code == 403


@pytest.mark.parametrize("page", ["change", "delete"])
def test_an_event_can_be_neither_changed_nor_deleted(admin, event, page):
    url = reverse(f"admin:pool_event_{page}", args=[event.pk])
    assert admin.post(url, {"message": "changed", "post": "yes"}).status_code == 403
    event.refresh_from_db()
    assert event.message == "one fell ill"


def test_a_list_of_many_records_does_not_count_them(admin, record, django_assert_max_num_queries):
    with django_assert_max_num_queries(12) as queries:
        admin.get(RECORDS)
    assert not [
        query for query in queries if "COUNT(" in query["sql"] and "healthrecord" in query["sql"]
    ]
