"""Backends in the admin: the list, the verbs on one and on many, and a backend's history."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from pool.choices import AdminState, HealthState
from pool.models import Backend, Event, Revision

LIST = reverse("admin:pool_backend_changelist")


@pytest.fixture
def two(web):
    return Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002")


def verb_url(verb, backend):
    return reverse(f"admin:pool_backend_{verb}", args=[backend.pk])


def run_on_selected(client, action, *backends):
    selected = [backend.pk for backend in backends]
    return client.post(LIST, {"action": action, "_selected_action": selected}, follow=True)


def names(response):
    return [backend.name for backend in response.context["cl"].result_list]


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("drain_selected", AdminState.DRAINING),
        ("maintain_selected", AdminState.MAINTENANCE),
        ("enable_selected", AdminState.ACTIVE),
    ],
)
def test_a_verb_runs_on_all_that_are_selected(admin, one, two, redis_client, commit, action, state):
    with commit():
        run_on_selected(admin, action, one, two)
    assert {backend.admin_state for backend in Backend.objects.all()} == {state}


def test_a_verb_on_many_is_one_revision_of_who_ran_it(admin, one, two, redis_client, commit):
    with commit():
        run_on_selected(admin, "drain_selected", one, two)
    revision = Revision.objects.get()
    assert revision.actor == "olga"
    assert Event.objects.filter(kind="admin_state_changed", actor="olga").count() == 2


def test_a_verb_on_many_changes_nothing_if_one_is_not_valid(admin, one, two, redis_client):
    Backend.objects.filter(pk=two.pk).update(name="not valid!")  # as an older version could
    response = run_on_selected(admin, "drain_selected", one, two)
    one.refresh_from_db()
    assert one.admin_state == AdminState.ACTIVE
    assert "Nothing changed, because web/not valid! is not valid" in response.content.decode()


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("drain", AdminState.DRAINING),
        ("maintain", AdminState.MAINTENANCE),
        ("enable", AdminState.ACTIVE),
    ],
)
def test_a_row_has_each_verb(admin, one, redis_client, commit, verb, state):
    with commit():
        admin.post(verb_url(verb, one), {"_form_submitted": "True"})
    one.refresh_from_db()
    assert one.admin_state == state


def test_looking_at_a_verb_does_not_run_it(admin, one, redis_client):
    page = admin.get(verb_url("drain", one)).content.decode()
    one.refresh_from_db()
    assert one.admin_state == AdminState.ACTIVE
    assert "Drain this backend?" in page
    assert "csrfmiddlewaretoken" in page


def test_a_verb_reloads_the_page_that_asked_with_htmx(admin, one, redis_client):
    form = {"_form_submitted": "True"}
    response = admin.post(verb_url("drain", one), form, headers={"hx-request": "true"})
    assert response.headers["HX-Refresh"] == "true"


def test_a_verb_is_refused_without_the_right_to_change(viewer, one, redis_client):
    response = viewer.post(verb_url("drain", one), {"_form_submitted": "True"})
    one.refresh_from_db()
    assert response.status_code == 403
    assert one.admin_state == AdminState.ACTIVE


def test_a_verb_on_a_backend_that_is_gone_is_not_found(admin, one, redis_client):
    url = verb_url("drain", one)
    one.delete()
    assert admin.post(url, {"_form_submitted": "True"}).status_code == 404


def test_a_verb_is_in_the_history_of_the_backend(admin, one, redis_client):
    admin.post(verb_url("drain", one), {"_form_submitted": "True"})
    assert LogEntry.objects.get().get_change_message() == "Made it draining."


@pytest.mark.django_db(transaction=True)
def test_a_verb_while_redis_is_away_says_so(admin, one, redis_away):
    response = run_on_selected(admin, "drain_selected", one)
    assert "is saved, but Redis is away" in response.content.decode()


def test_the_list_is_filtered_by_live_health(admin, one, two, say_health):
    say_health(one, HealthState.UNHEALTHY)
    say_health(two, HealthState.HEALTHY)
    assert names(admin.get(LIST, {"health": "unhealthy"})) == ["one"]
    assert names(admin.get(LIST, {"health": "healthy"})) == ["two"]
    assert names(admin.get(LIST, {"health": "unknown"})) == []


def test_every_backend_is_unknown_while_redis_is_away(admin, one, redis_away):
    response = admin.get(LIST, {"health": "unknown"})
    assert names(response) == ["one"]
    assert "unknown (Redis is away)" in response.content.decode()


def test_the_list_is_filtered_by_state_and_pool(admin, one, two, redis_client):
    one.drain()
    assert names(admin.get(LIST, {"admin_state__exact": "draining"})) == ["one"]
    assert names(admin.get(LIST, {"pool__id__exact": one.pool_id})) == ["one", "two"]


def test_a_backend_is_found_by_its_url(admin, one, two, redis_client):
    assert names(admin.get(LIST, {"q": "9002"})) == ["two"]


def test_a_backend_shows_its_latest_probes_and_events(admin, one, redis_client):
    one.health_records.create(result="fail", state="unhealthy", reason="connection refused")
    one.health_records.create(result="pass", state="healthy", status=204, latency_ms=1.25)
    one.drain(by="olga")
    page = admin.get(reverse("admin:pool_backend_change", args=[one.pk])).content.decode()
    assert "connection refused" in page
    assert "1.2 ms" in page
    assert "Backend web/one: active → draining" in page


def test_a_probe_result_of_a_newer_version_does_not_break_the_page(admin, one, redis_client):
    one.health_records.create(result="skipped", state="resting")
    url = reverse("admin:pool_backend_change", args=[one.pk])
    assert "skipped" in admin.get(url).content.decode()


def test_metadata_that_is_no_object_is_an_error_at_the_field(admin, one, redis_client):
    form = {
        "pool": one.pool_id,
        "name": "one",
        "url": one.url,
        "weight": 1,
        "tier": 0,
        "max_connections": 0,
        "admin_state": "active",
        "metadata": "[1]",
    }
    response = admin.post(reverse("admin:pool_backend_change", args=[one.pk]), form)
    assert "Give a JSON object" in response.context["adminform"].form.errors["metadata"][0]


def test_a_backend_with_health_records_can_be_deleted(admin, one, redis_client):
    one.health_records.create(result="pass", state="healthy")
    admin.post(reverse("admin:pool_backend_delete", args=[one.pk]), {"post": "yes"})
    assert not Backend.objects.exists()
