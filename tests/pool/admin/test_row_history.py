"""The history of a pool, backend or route: all that changed it, whichever way."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from pool.models import Route
from pool.publish import publish


def history(client, row):
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_history"
    return client.get(reverse(name, args=[row.pk]))


def told(response):
    """Who did what to what, without times and links."""
    return [[who, what, *rest] for _, _, who, _, what, *rest in response.context["changes"]["rows"]]


@pytest.fixture
def shifted(one, redis_client):
    """Backend `one` of the pool `web`, which somebody gave another weight without the admin."""
    publish("ada")
    one.weight = 9
    one.save()
    publish("olga")
    return one


def test_a_backends_history_tells_what_was_changed_outside_the_admin(admin, shifted):
    newest, *_ = told(history(admin, shifted))
    assert newest == ["olga", "Backend web/one", "Weight", "1", "9"]


def test_a_pools_history_has_its_backends_even_under_its_former_name(admin, shifted):
    pool = shifted.pool
    pool.name = "shop"
    pool.save()
    publish("nils")
    rows = told(history(admin, pool))
    assert ["nils", "Pool shop", "Name", "web", "shop"] in rows
    assert ["olga", "Backend web/one", "Weight", "1", "9"] in rows


def test_a_history_has_nothing_of_other_rows(admin, shifted, redis_client):
    route = Route.objects.create(pool=shifted.pool)
    publish("ada")
    assert told(history(admin, route)) == [["ada", "Route */ → web", "-", "-", "-"]]


def test_a_row_that_no_revision_has_changed_says_so(admin, one):
    assert (
        "None of the newest 5000 revisions has changed it." in history(admin, one).content.decode()
    )


def test_a_history_links_to_revisions_only_for_those_who_may_see_them(viewer, shifted):
    link = reverse("admin:pool_revision_numbered", args=[2])
    assert link in history(viewer, shifted).content.decode()
    right = Permission.objects.get(codename="view_revision")
    User.objects.get(username="vera").user_permissions.remove(right)
    assert link not in history(viewer, shifted).content.decode()


def test_a_history_is_closed_to_those_who_may_not_see_the_row(newcomer, shifted):
    assert history(newcomer, shifted).status_code == 403


def test_the_history_of_a_row_that_is_gone_leads_back_to_the_list(admin, db):
    response = admin.get(reverse("admin:pool_backend_history", args=[77]))
    assert response.status_code == 302
