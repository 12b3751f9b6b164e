"""Health checks in the admin: a pool's on their tab, a backend's own folded away."""

import pytest
from django.urls import reverse

from pool.models import Backend

pytestmark = pytest.mark.django_db


def page(backend):
    return reverse("admin:pool_backend_change", args=[backend.pk])


def form_of(response, **fields):
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in (values | fields).items() if value is not None}


def test_a_backends_own_checks_are_folded_away_and_show_the_pools(admin, one, redis_client):
    one.pool.health_path = "/from-the-pool"
    one.pool.save()
    response = admin.get(page(one))
    fieldset = next(
        fieldset
        for fieldset in response.context["adminform"]
        if fieldset.name == "Health checks of its own"
    )
    assert "collapse" in fieldset.classes
    form = response.context["adminform"].form
    assert form["health_path"].value() is None
    assert form.fields["health_path"].widget.attrs["placeholder"] == "/from-the-pool"
    assert form.fields["health_method"].choices[0] == ("", "As in its pool: GET")


def test_an_override_is_saved_and_emptied_again(admin, one, redis_client):
    response = admin.get(page(one))
    admin.post(
        page(one),
        form_of(response, health_path="/up", health_kind="tcp", health_headers="set A: b"),
    )
    one.refresh_from_db()
    assert (one.health_path, one.health_kind, one.health_rise) == ("/up", "tcp", None)
    assert one.health_headers == [{"action": "set", "name": "A", "value": "b"}]
    response = admin.get(page(one))
    admin.post(page(one), form_of(response, health_path="", health_kind="", health_headers=""))
    one.refresh_from_db()
    assert (one.health_path, one.health_kind, one.health_headers) == (None, None, None)


def test_an_override_that_cannot_be_is_an_error_at_its_field(admin, one, redis_client):
    response = admin.post(page(one), form_of(admin.get(page(one)), health_timeout="60"))
    assert (
        "longer than the interval" in response.context["adminform"].form.errors["health_timeout"][0]
    )
    assert Backend.objects.get().health_timeout is None


def test_a_new_backend_can_be_made_without_any(admin, web, redis_client):
    add = reverse("admin:pool_backend_add")
    fields = form_of(admin.get(add), pool=web.pk, name="new", url="http://127.0.0.1:9009")
    assert admin.post(add, fields).status_code == 302
    assert Backend.objects.get(name="new").health_interval is None


@pytest.mark.parametrize("own", [{}, {"health_timeout": 1.5}], ids=["as its pool", "of its own"])
def test_a_pool_that_conflicts_is_told_beside_its_backends(admin, web, one, pool_form, own):
    """The backends' rows do not show the settings that their pool gives them."""
    Backend.objects.filter(pk=one.pk).update(**own)
    row = {"id": one.pk, "pool": web.pk, "name": "one", "url": one.url}
    fields = {"health_interval": "1", "health_timeout": "60"}
    url = reverse("admin:pool_pool_change", args=[web.pk])
    response = admin.post(url, pool_form(web, row, **fields))
    assert response.status_code == 200
    assert "health_timeout" in response.context["adminform"].form.errors
    (formset,) = (one.formset for one in response.context["inline_admin_formsets"])
    told = [str(error).partition(":")[0] for error in formset.forms[0].non_field_errors()]
    assert told == (["Health timeout of this backend"] if own else [])
