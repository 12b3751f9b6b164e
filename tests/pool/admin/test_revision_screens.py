"""Revisions in the admin: what changed, who runs it, and the way back."""

import time

import msgspec
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from pool.bus import EDGES_KEY
from pool.models import Backend, Revision
from pool.publish import publish
from tests.edge_reports import edge_report

LIST = reverse("admin:pool_revision_changelist")
EDGES = reverse("admin:pool_edges")


@pytest.fixture
def history(one, redis_client):
    """Two revisions: in the first, backend `one` has weight 1, in the second 9."""
    first = publish("ada")
    one.weight = 9
    one.save()
    return first, publish("olga", "Shift traffic")


@pytest.fixture
def run_on_edge(redis_client):
    """Lets an edge worker report that it runs a revision."""

    def run(revision, worker="w1", **fields):
        now = time.time()
        told = {
            "worker_id": worker,
            "pid": 4242,
            "snapshot_number": revision.number,
            "snapshot_hash": revision.content_hash,
            "seen_at": now + 2,  # after it could have taken what was published just now
            "requests": 1234,
        }
        report = edge_report(now - 3600, **(told | fields))
        redis_client.hset(EDGES_KEY, worker, msgspec.json.encode(report))

    return run


def rollback_url(revision):
    return reverse("admin:pool_revision_roll_back", args=[revision.pk])


def text(response):
    return response.content.decode()


def test_the_list_says_who_changed_what(admin, history):
    page = text(admin.get(LIST))
    assert "Shift traffic: backend web/one changed: weight 1 → 9" in page
    assert "ada" in page


def test_a_revision_shows_each_change_with_both_values(admin, history):
    page = admin.get(reverse("admin:pool_revision_change", args=[history[1].pk]))
    (row,) = page.context["changes"]["rows"]
    assert row[1:] == ["Backend web/one", "Weight", "1", "9"]


def test_the_list_says_how_many_edges_run_a_revision(admin, history, run_on_edge):
    run_on_edge(history[1], "w1")
    run_on_edge(history[1], "w2")
    assert "on 2 edge workers" in text(admin.get(LIST))


def test_a_revision_waits_while_redis_is_away(admin, one, redis_away):
    publish("olga")
    assert "waiting for Redis" in text(admin.get(LIST))


def test_asking_for_a_rollback_shows_what_it_would_change_and_changes_nothing(admin, history, one):
    page = admin.get(rollback_url(history[0]))
    (row,) = page.context["changes"]["rows"]
    assert row[1:] == ["Backend web/one", "Weight", "9", "1"]
    one.refresh_from_db()
    assert one.weight == 9


def test_a_rollback_is_a_new_revision_of_who_ran_it(admin, history, one, commit, published):
    with commit():
        response = admin.post(rollback_url(history[0]), follow=True)
    assert "The configuration is that of revision 1." in text(response)
    assert published().pools[0].backends[0].weight == 1
    newest = Revision.objects.latest("number")
    assert (newest.number, newest.actor) == (3, "olga")
    assert newest.summary.startswith("Rolled back to revision 1")


def test_a_rollback_to_what_is_already_so_offers_nothing(admin, history):
    page = text(admin.get(rollback_url(history[1])))
    assert "there is nothing to roll back" in page
    assert "_rollback" not in page


def test_a_rollback_needs_its_own_right(viewer, history, one):
    assert viewer.get(rollback_url(history[0])).status_code == 403
    assert viewer.post(rollback_url(history[0])).status_code == 403
    one.refresh_from_db()
    assert one.weight == 9


def test_the_right_to_roll_back_is_offered_to_those_who_have_it(admin, viewer, history):
    page = reverse("admin:pool_revision_change", args=[history[0].pk])
    assert "Roll back to this" in text(admin.get(page))
    assert "Roll back to this" not in text(viewer.get(page))


def test_a_rollback_from_a_foreign_page_is_refused(admin, history):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = admin.cookies
    assert strict.post(rollback_url(history[0])).status_code == 403


def test_a_revision_of_another_format_cannot_be_brought_back(admin, history):
    Revision.objects.filter(pk=history[0].pk).update(snapshot="{}")
    assert "Cannot roll back to revision 1" in text(admin.get(rollback_url(history[0])))
    response = admin.post(rollback_url(history[0]), follow=True)
    assert "Cannot roll back to revision 1" in text(response)


def test_a_revision_that_todays_rules_refuse_changes_nothing(admin, history, monkeypatch):
    def refuse(self):
        raise ValidationError({"weight": "Weights must be 9 now."})

    monkeypatch.setattr(Backend, "clean", refuse)
    response = admin.post(rollback_url(history[0]), follow=True)
    assert "backend web/one, weight: Weights must be 9 now." in text(response)
    assert Backend.objects.get().weight == 9


def test_a_revision_that_is_not_there_is_not_found(admin, history):
    url = rollback_url(history[0])
    Revision.objects.all().delete()
    assert admin.get(url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_rollback_while_redis_is_away_says_so(admin, history, settings, redis_away):
    response = admin.post(rollback_url(history[0]), follow=True)
    assert "is saved, but Redis is away" in text(response)


def test_the_edges_page_tells_what_each_worker_runs(admin, history, run_on_edge):
    run_on_edge(history[1])
    page = text(admin.get(EDGES))
    assert "edge-1" in page
    assert "runs 2" in page
    assert "1,234" in page


def test_an_edge_that_lags_says_what_it_runs_and_what_is_saved(admin, history, run_on_edge):
    run_on_edge(history[0], error="unknown field")
    page = text(admin.get(EDGES))
    assert "runs 1, saved 2" in page
    assert "1 of 1 edge workers do not run what is saved" in page
    assert "unknown field" in page


def test_an_edge_on_which_something_does_not_work_says_so(admin, history, run_on_edge):
    run_on_edge(history[1], "w1", error="No stickiness in shop")
    run_on_edge(history[1], "w2", error="No stickiness in shop")
    page = text(admin.get(EDGES))
    assert page.count("No stickiness in shop") == 3  # once for all, and at each worker
    assert "do not run what is saved" not in page


def test_the_edges_page_says_when_there_is_none(admin, history):
    assert "Nothing forwards traffic now" in text(admin.get(EDGES))


def test_the_edges_page_works_while_redis_is_away(admin, db, redis_away):
    assert "unknown (Redis is away)" in text(admin.get(EDGES))


def test_the_edges_page_needs_the_right_to_see_revisions(newcomer):
    assert newcomer.get(EDGES).status_code == 403


def test_a_revision_is_found_by_its_number(admin, history):
    page = admin.get(reverse("admin:pool_revision_numbered", args=[history[0].number]))
    assert page.url == reverse("admin:pool_revision_change", args=[history[0].pk])
    assert admin.get(reverse("admin:pool_revision_numbered", args=[99])).status_code == 404
