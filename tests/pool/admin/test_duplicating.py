"""A pool and a route are made once more, to be changed."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from pool.models import Backend, Pool, Route
from tests.pool.admin.test_route_screens import NO_LIMIT


def url(pool):
    return reverse("admin:pool_pool_duplicate", args=[pool.pk])


def submit(client, pool, name, **headers):
    return client.post(url(pool), {"_form_submitted": "True", "name": name}, headers=headers)


def test_the_question_suggests_a_name_that_is_free(admin, one, web, redis_client):
    assert url(web) in admin.get(reverse("admin:pool_pool_change", args=[web.pk])).content.decode()
    Pool.objects.create(name="web-copy")
    asked = admin.get(url(web)).content.decode()
    assert 'value="web-copy-2"' in asked
    assert Pool.objects.count() == 2


def test_it_is_made_and_shown(admin, one, web, redis_client):
    response = submit(admin, web, "green")
    green = Pool.objects.get(name="green")
    page = reverse("admin:pool_pool_change", args=[green.pk])
    assert response.url == page
    assert list(green.backends.values_list("name", "url")) == [("one", "http://127.0.0.1:9001")]
    assert (
        "green is a duplicate of web. No route leads to it yet." in admin.get(page).content.decode()
    )
    assert LogEntry.objects.get().change_message == "Duplicated pool web."


def test_the_dialog_leads_to_it(admin, one, web, redis_client):
    response = submit(admin, web, "green", **{"HX-Request": "true"})
    green = Pool.objects.get(name="green")
    assert response["HX-Redirect"] == reverse("admin:pool_pool_change", args=[green.pk])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("web", "Another pool has this name; choose another one."),
        ("two words", "Enter a valid “slug”"),
        ("", "This field is required."),
    ],
)
def test_a_name_that_will_not_do_is_told_in_the_dialog(admin, one, web, redis_client, name, words):
    assert words in submit(admin, web, name).content.decode()
    assert Pool.objects.count() == 1


def test_what_todays_rules_refuse_is_not_duplicated(admin, one, web, redis_client):
    Pool.objects.update(algorithm="uninstalled")
    page = admin.get(submit(admin, web, "green").url).content.decode()
    words = "Nothing changed. algorithm: &#x27;uninstalled&#x27; is not an installed algorithm."
    assert words in page
    assert Pool.objects.count() == 1


def test_the_backend_that_todays_rules_refuse_is_named(admin, one, web, redis_client):
    Backend.objects.filter(pk=one.pk).update(name="two words")
    page = admin.get(submit(admin, web, "green").url).content.decode()
    assert "Nothing changed. backend two words, name: Use letters, digits" in page
    assert Pool.objects.count() == 1


@pytest.mark.parametrize("missing", ["view_pool", "add_pool", "add_backend"])
def test_it_takes_the_rights_to_see_one_and_to_make_one(one, web, redis_client, missing):
    user = User.objects.create_user("pia", is_staff=True)
    rights = Permission.objects.filter(codename__in=["view_pool", "add_pool", "add_backend"])
    user.user_permissions.set(rights.exclude(codename=missing))
    client = Client()
    client.force_login(user)
    assert submit(client, web, "green").status_code == 403
    user.user_permissions.set(rights)
    assert submit(client, web, "green").status_code == 302
    assert Backend.objects.filter(pool__name="green").count() == 1


def test_a_route_is_saved_as_a_new_one(admin, route, redis_client):
    page = reverse("admin:pool_route_change", args=[route.pk])
    assert 'name="_saveasnew"' in admin.get(page).content.decode()
    form = {"path_prefix": "/", "priority": 0, "pool": route.pool_id, **NO_LIMIT}
    admin.post(page, {**form, "host": "new.test", "_saveasnew": "1"})
    assert set(Route.objects.values_list("host", flat=True)) == {"", "new.test"}


def test_a_route_that_matches_the_same_is_refused(admin, route, redis_client):
    page = reverse("admin:pool_route_change", args=[route.pk])
    form = {"path_prefix": "/", "priority": 0, "pool": route.pool_id, **NO_LIMIT}
    response = admin.post(page, {**form, "_saveasnew": "1"})
    assert "Another route has this host and path prefix" in response.content.decode()
    assert Route.objects.count() == 1
