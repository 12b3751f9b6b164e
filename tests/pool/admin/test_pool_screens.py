"""Pools in the admin: what the list tells, and what the form with its backends does."""

import pytest
from django.urls import reverse

from pool.choices import HealthState
from pool.models import Backend, Event, Pool, Revision, Route

LIST = reverse("admin:pool_pool_changelist")
ADD = reverse("admin:pool_pool_add")


def change_url(pool):
    return reverse("admin:pool_pool_change", args=[pool.pk])


@pytest.fixture
def two(web):
    return Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002")


def test_the_list_counts_the_backends_that_may_get_requests(admin, one, two, say_health):
    say_health(one, HealthState.UNHEALTHY, "connection refused")
    page = admin.get(LIST).content.decode()
    assert "1 of 2" in page
    assert "one: connection refused, for" in page
    assert "1 of 2 left: one more loss and panic starts." in page


def test_the_list_counts_neither_draining_backends_nor_those_without_weight(
    admin, one, two, redis_client
):
    one.drain()
    two.weight = 0
    two.save()
    page = admin.get(LIST).content.decode()
    assert "0 of 2" in page
    assert "one: draining" in page
    assert "two: weight 0" in page


def test_the_outlook_says_that_it_does_not_count_what_is_out_of_service(
    admin, one, two, redis_client
):
    one.drain()
    page = admin.get(LIST).content.decode()
    assert "1 of 2" in page
    assert "1 of 1 in service available" in page


def test_the_list_counts_all_backends_of_a_pool_that_is_not_checked(admin, one, say_health):
    say_health(one, HealthState.UNHEALTHY)
    one.pool.health_enabled = False
    one.pool.save()
    assert "1 of 1" in admin.get(LIST).content.decode()


def test_the_list_says_when_a_pool_has_no_backends(admin, web, redis_client):
    assert "no backends" in admin.get(LIST).content.decode()


def test_the_list_works_while_redis_is_away(admin, one, redis_away):
    assert "1, health unknown (Redis is away)" in admin.get(LIST).content.decode()


def test_a_change_of_a_backend_is_the_last_change_of_its_pool(admin, one, redis_client):
    Pool.objects.update(updated_at="2020-01-01T00:00:00Z")
    Backend.objects.update(updated_at="2021-02-03T04:05:06Z")
    assert "2021-02-03 04:05:06" in admin.get(LIST).content.decode()


def test_a_pool_is_found_by_the_url_of_a_backend(admin, one, redis_client):
    Pool.objects.create(name="other")
    found = admin.get(LIST, {"q": "9001"}).context["cl"].result_list
    assert [pool.name for pool in found] == ["web"]


def test_a_pool_is_made_with_its_backends(admin, pool_form, redis_client, commit):
    backends = ({"url": "http://10.0.0.1:80"}, {"name": "b", "url": "http://10.0.0.2", "weight": 5})
    with commit():
        response = admin.post(ADD, pool_form(None, *backends, name="api"))
    assert response.status_code == 302
    made = Backend.objects.order_by("name").values_list("pool__name", "name", "weight")
    assert list(made) == [("api", "10.0.0.1-80", 1), ("api", "b", 5)]


def test_each_backend_of_the_form_leads_to_its_explanation(admin, one, redis_client):
    page = admin.get(change_url(one.pool)).content.decode()
    assert reverse("admin:pool_backend_why", args=[one.pk]) in page


def test_a_pool_without_a_route_is_saved_with_the_way_to_one(
    admin, web, pool_form, redis_client, commit
):
    with commit():
        page = admin.post(change_url(web), pool_form(web), follow=True).content.decode()
    assert "No route leads to web: it gets no requests." in page
    assert f"{reverse('admin:pool_route_add')}?pool={web.pk}" in page
    assert "It gets no requests until a route leads to it." in page
    Route.objects.create(pool=web)
    with commit():
        page = admin.post(change_url(web), pool_form(web), follow=True).content.decode()
    assert "it gets no requests" not in page


def test_a_changed_weight_is_published_when_the_form_is_saved(
    admin, one, pool_form, commit, published
):
    row = {"id": one.pk, "pool": one.pool_id, "name": one.name, "url": one.url, "weight": 7}
    with commit():
        admin.post(change_url(one.pool), pool_form(one.pool, row))
    assert published().pools[0].backends[0].weight == 7


def test_a_revision_names_who_saved_the_form(admin, web, pool_form, redis_client, commit):
    with commit():
        admin.post(change_url(web), pool_form(web, retry_attempts=1))
    assert Revision.objects.latest("number").actor == "olga"


def test_a_state_chosen_in_the_form_is_told_on_the_timeline(
    admin, one, pool_form, redis_client, commit
):
    row = {"id": one.pk, "pool": one.pool_id, "name": one.name, "url": one.url}
    with commit():
        admin.post(change_url(one.pool), pool_form(one.pool, row | {"admin_state": "draining"}))
    event = Event.objects.get(kind="admin_state_changed")
    assert (event.backend, event.actor) == (one, "olga")


def test_rows_without_a_name_are_named_by_their_urls(admin, web, pool_form, redis_client, commit):
    with commit():
        response = admin.post(
            change_url(web), pool_form(web, {"url": "http://a:1"}, {"url": "http://b:2"})
        )
    assert response.status_code == 302
    assert [row.name for row in web.backends.all()] == ["a-1", "b-2"]


def errors(response):
    inline = response.context["inline_admin_formsets"][0].formset
    return response.context["adminform"].form.errors, inline.errors


def test_a_bad_url_is_an_error_at_the_url(admin, web, pool_form, redis_client):
    response = admin.post(change_url(web), pool_form(web, {"url": "http://a:1/path"}))
    _, (row,) = errors(response)
    assert row["url"] == ["Remove the path: only scheme, host and port belong here."]


def test_a_password_in_a_url_is_refused(admin, web, pool_form, redis_client):
    response = admin.post(change_url(web), pool_form(web, {"url": "http://u:secret@a:1"}))
    _, (row,) = errors(response)
    assert "user name and password" in row["url"][0]


def test_a_name_that_is_taken_is_an_error_of_its_row(admin, one, pool_form, redis_client):
    kept = {"id": one.pk, "pool": one.pool_id, "name": "one", "url": one.url}
    response = admin.post(
        change_url(one.pool), pool_form(one.pool, kept, {"name": "one", "url": "http://a:1"})
    )
    _, (_, row) = errors(response)
    assert row["__all__"] == ["name: another row has this name; choose another one."]


def test_a_timeout_longer_than_the_interval_is_an_error_at_the_timeout(
    admin, web, pool_form, redis_client
):
    response = admin.post(change_url(web), pool_form(web, health_interval=1, health_timeout=2))
    form, _ = errors(response)
    assert "Must not be longer than the interval" in form["health_timeout"][0]


def test_a_backend_is_deleted_in_the_form(admin, one, two, pool_form, commit, published):
    rows = [
        {"id": row.pk, "pool": row.pool_id, "name": row.name, "url": row.url} for row in (one, two)
    ]
    with commit():
        admin.post(change_url(one.pool), pool_form(one.pool, rows[0] | {"DELETE": "on"}, rows[1]))
    assert [row.name for row in published().pools[0].backends] == ["two"]


def test_the_form_shows_health_with_its_reason(admin, one, say_health):
    say_health(one, HealthState.UNHEALTHY, "status 500")
    page = admin.get(change_url(one.pool)).content.decode()
    assert "unhealthy" in page
    assert "status 500, for" in page


def test_the_form_works_while_redis_is_away(admin, one, redis_away):
    assert "unknown (Redis is away)" in admin.get(change_url(one.pool)).content.decode()


def test_the_form_has_every_field_that_can_be_edited(admin, web, redis_client):
    editable = {field.name for field in Pool._meta.fields if field.editable} - {"id"}
    form = admin.get(change_url(web)).context["adminform"].form
    assert set(form.fields) == editable


def test_help_texts_name_the_units(admin, web, redis_client):
    page = admin.get(change_url(web)).content.decode()
    assert "Seconds between two probes of a backend." in page


@pytest.mark.django_db(transaction=True)
def test_a_save_while_redis_is_away_is_kept_and_says_so(admin, web, pool_form, redis_away):
    response = admin.post(change_url(web), pool_form(web, retry_attempts=2), follow=True)
    web.refresh_from_db()
    assert web.retry_attempts == 2
    assert "is saved, but Redis is away" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_save_that_reached_redis_gives_no_warning(admin, web, pool_form, redis_client):
    response = admin.post(change_url(web), pool_form(web, retry_attempts=2), follow=True)
    assert "Redis is away" not in response.content.decode()


def test_a_pool_with_health_records_can_be_deleted(admin, one, redis_client, commit):
    one.health_records.create(result="pass", state="healthy")
    url = reverse("admin:pool_pool_delete", args=[one.pool_id])
    assert "Backend web/one" in admin.get(url).content.decode()
    with commit():
        admin.post(url, {"post": "yes"})
    assert not Pool.objects.exists()


def test_a_pool_that_routes_lead_to_is_not_deleted(admin, route, redis_client):
    url = reverse("admin:pool_pool_delete", args=[route.pool_id])
    assert "Route */" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    assert Pool.objects.exists()


def test_selected_pools_that_routes_lead_to_are_not_deleted(admin, route, redis_client):
    action = {"action": "delete_selected", "_selected_action": [route.pool_id], "post": "yes"}
    admin.post(LIST, action)
    assert Pool.objects.exists()
    assert Route.objects.exists()


def test_a_pool_of_many_backends_is_saved(admin, web, pool_form, redis_client):
    backends = [
        Backend.objects.create(pool=web, name=f"b{number}", url=f"http://b{number}:80")
        for number in range(150)
    ]
    rows = [
        {"id": row.pk, "pool": web.pk, "name": row.name, "url": row.url, "weight": row.weight}
        for row in backends
    ]
    rows[-1]["weight"] = 7
    assert admin.post(change_url(web), pool_form(web, *rows)).status_code == 302
    assert web.backends.get(weight=7) == backends[-1]
