"""A pool's page says where its traffic goes and what its tiers come to, and moves it."""

import msgspec
import pytest
from django.urls import reverse

from pool.bus import CIRCUITS_KEY
from pool.choices import CircuitState, HealthState
from pool.circuits.records import Circuit
from pool.models import Backend, Event


@pytest.fixture
def two(web):
    return Backend.objects.create(pool=web, name="two", url="http://127.0.0.1:9002", tier=1)


@pytest.fixture
def page(admin, web):
    return lambda: admin.get(reverse("admin:pool_pool_change", args=[web.pk])).content.decode()


def verb_url(verb, pool):
    return reverse(f"admin:pool_pool_{verb}", args=[pool.pk])


def submit(client, verb, pool, **fields):
    form = {"_form_submitted": "True", **fields}
    return client.post(verb_url(verb, pool), form, follow=True).content.decode()


def test_the_page_shows_which_tier_serves(page, one, two, say_health, redis_client):
    assert "tier 0: 100 %, 1 of 1 well" in page()
    say_health(one, HealthState.UNHEALTHY)
    assert "tier 1: 100 %, 1 of 1 well" in page()
    say_health(two, HealthState.UNHEALTHY)
    assert "tier 0: 100 %, 0 of 1 well, panic" in page()


def test_the_page_counts_an_open_circuit_as_out(page, one, two, redis_client):
    circuit = Circuit(state=CircuitState.OPEN, generation=1, since=1.0)
    redis_client.hset(CIRCUITS_KEY, str(one.pk), msgspec.json.encode(circuit))
    assert "tier 1: 100 %, 1 of 1 well" in page()


def test_the_page_shows_what_holds_the_traffic(page, one, two, web, redis_client):
    web.fail_over(1)
    assert "held from tier 1 on, by an operator" in page()


def test_the_page_works_while_redis_is_away(page, one, redis_away):
    assert "unknown (Redis is away)" in page()


def test_the_page_of_a_new_pool_works(admin, redis_client):
    assert admin.get(reverse("admin:pool_pool_add")).status_code == 200


def test_the_page_says_what_the_settings_come_to_with_the_pools_backends(page, one, redis_client):
    for number in (2, 3):
        Backend.objects.create(pool=one.pool, url=f"http://127.0.0.1:900{number}")
    assert "Tier 0 with 3 backends: panic when fewer than 2 are healthy." in page()
    Backend.objects.create(pool=one.pool, url="http://127.0.0.1:9009", tier=1)
    one.pool.tier_mode = "spill_over"
    one.pool.panic_threshold = 0
    one.pool.save()
    text = page()
    assert (
        "Tier 0 with 3 backends: spills over when fewer than 3 are healthy, no panic. "
        "Tier 1 with 1 backend: spills over when none is healthy, no panic."
    ) in text


def test_the_question_says_what_will_happen_and_names_the_tiers(admin, one, two, redis_client):
    asked = admin.get(verb_url("fail_over", one.pool)).content.decode()
    assert "until somebody fails back" in asked
    assert "Tier 1: 1 of 1 backends well" in asked
    assert "Tier 0:" not in asked
    assert not Event.objects.exists()


def test_traffic_is_moved_and_let_go(admin, one, two, web, redis_client):
    assert "web: tier 1 serves." in submit(admin, "fail_over", web, tier=1)
    assert "web: tier 0 serves." in submit(admin, "fail_back", web)
    moves = Event.objects.order_by("at", "id").values_list("kind", "actor")
    assert list(moves) == [("failover", "olga"), ("failback", "olga")]


def test_what_cannot_be_done_is_said(admin, one, two, web, say_health, redis_client):
    say_health(two, HealthState.UNHEALTHY)
    assert "Nothing changed. No backend of tier 1 is well" in submit(
        admin, "fail_over", web, tier=1
    )
    assert "Nothing changed. Traffic is not kept from any tier" in submit(admin, "fail_back", web)
    assert not Event.objects.exists()


def test_a_tier_that_is_not_offered_is_not_taken(admin, one, two, web, redis_client):
    assert "Select a valid choice" in submit(admin, "fail_over", web, tier=7)
    assert "All backends of this pool are in one tier" in submit(
        admin, "fail_over", type(web).objects.create(name="empty"), tier=1
    )


def test_while_redis_is_away_nothing_is_moved_and_that_is_said(admin, one, two, web, redis_away):
    assert "Redis cannot be reached" in submit(admin, "fail_over", web, tier=1)
    assert not Event.objects.exists()


@pytest.mark.parametrize("verb", ["fail_over", "fail_back"])
def test_traffic_is_not_moved_without_the_right_to_change(viewer, one, two, web, verb):
    assert viewer.post(verb_url(verb, web), {"_form_submitted": "True"}).status_code == 403


def test_a_pool_that_is_gone_is_not_found(admin, web, redis_client):
    url = verb_url("fail_back", web)
    web.delete()
    assert admin.post(url, {"_form_submitted": "True"}).status_code == 404


# --- stand-ins ---


@pytest.fixture
def spare(one):
    return Backend.objects.create(
        pool=one.pool, name="spare", url="http://127.0.0.1:9009", backup_of=one
    )


def primaries(response):
    field = response.context["adminform"].form.fields["backup_of"]
    return [row.name for row in field.queryset]


def test_only_backends_of_the_same_pool_are_offered_to_stand_in_for(
    admin, one, two, spare, redis_client
):
    other = type(one.pool).objects.create(name="other")
    Backend.objects.create(pool=other, name="far", url="http://127.0.0.1:9003")
    page = admin.get(reverse("admin:pool_backend_change", args=[two.pk]))
    assert primaries(page) == ["one"]
    assert primaries(admin.get(reverse("admin:pool_backend_add"))) == ["far", "one", "two"]


def test_a_backend_with_a_stand_in_is_not_deleted(admin, one, spare, redis_client):
    url = reverse("admin:pool_backend_delete", args=[one.pk])
    assert "Backend web/spare, its stand-in" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    assert Backend.objects.count() == 2


def test_a_backend_is_deleted_together_with_its_stand_in(admin, one, spare, redis_client):
    action = {"action": "delete_selected", "_selected_action": [one.pk, spare.pk], "post": "yes"}
    admin.post(reverse("admin:pool_backend_changelist"), action)
    assert not Backend.objects.exists()


def test_the_pools_form_refuses_to_delete_a_backend_with_a_stand_in(
    admin, one, spare, pool_form, redis_client
):
    rows = [
        {"id": row.pk, "pool": row.pool_id, "name": row.name, "url": row.url}
        for row in (one, spare)
    ]
    response = admin.post(
        reverse("admin:pool_pool_change", args=[one.pool_id]),
        pool_form(one.pool, rows[0] | {"DELETE": "on"}, rows[1]),
    )
    formset = response.context["inline_admin_formsets"][0].formset
    assert "web/spare" in f"{formset.errors} {formset.non_form_errors()}"
    assert Backend.objects.count() == 2


def test_a_pool_is_deleted_with_stand_ins_and_all(admin, one, spare, redis_client):
    admin.post(reverse("admin:pool_pool_delete", args=[one.pool_id]), {"post": "yes"})
    assert not Backend.objects.exists()
