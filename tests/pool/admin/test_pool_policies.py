"""Header rules, limits and TLS in the pool's form."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from pool.admin.pool_tabs import LISTENER_SETTINGS
from proxy.engine.settings import EdgeSettings

KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def save(admin, web, pool_form, redis_client):
    """Sends the form with these fields changed."""
    url = reverse("admin:pool_pool_change", args=[web.pk])
    return lambda **fields: admin.post(url, pool_form(web, **fields))


def form_of(response):
    return response.context["adminform"].form


def test_rules_are_typed_as_lines(save, admin, web):
    rules = "set X-Frame-Options:DENY\r\n\r\nREMOVE server"
    assert save(response_headers=rules).status_code == 302
    web.refresh_from_db()
    assert web.response_headers == [
        {"action": "set", "name": "X-Frame-Options", "value": "DENY"},
        {"action": "remove", "name": "server"},
    ]
    page = admin.get(reverse("admin:pool_pool_change", args=[web.pk]))
    shown = form_of(page)["response_headers"].value()
    assert shown == "set X-Frame-Options: DENY\nremove server"


def test_emptied_rules_are_none(save, web):
    web.request_headers = [{"action": "remove", "name": "Cookie"}]
    web.save()
    assert save(request_headers="").status_code == 302
    web.refresh_from_db()
    assert web.request_headers == []


def test_each_bad_line_is_told_and_the_text_stays(save, web):
    text = "set Content-Length: 1\nremove Server\nset X-A"
    form = form_of(save(response_headers=text))
    first, last = form.errors["response_headers"]
    assert first.startswith("Line 1: Content-Length cannot be changed by a rule: ")
    assert last.startswith("Line 3: write a colon between name and value")
    assert form["response_headers"].value() == text
    web.refresh_from_db()
    assert web.response_headers == []


def test_unchanged_rules_count_as_unchanged(save, web):
    web.response_headers = [{"action": "remove", "name": "Server"}]
    web.save()
    save(response_headers="remove Server", max_body=5)
    logged = LogEntry.objects.get().get_change_message()
    assert "Max. request body" in logged
    assert "Response headers" not in logged


def test_a_host_is_an_error_at_the_host(save):
    assert (
        "without scheme or path" in form_of(save(host_header="http://a")).errors["host_header"][0]
    )


def test_limits_are_stored_in_bytes_and_seconds(save, web):
    assert save(max_body=2**40, request_timeout=1.5).status_code == 302
    web.refresh_from_db()
    assert (web.max_body, web.request_timeout) == (2**40, 1.5)


def test_certificates_are_stored(save, web, certificate):
    fields = {"tls_ca": f"our authority:\r\n{certificate}", "tls_server_name": "App.internal"}
    assert save(**fields).status_code == 302
    web.refresh_from_db()
    assert (web.tls_ca, web.tls_server_name) == (certificate, "app.internal")


def test_a_private_key_is_neither_stored_nor_shown_again(save, web, certificate):
    response = save(tls_ca=certificate + KEY)
    assert "Remove the private key" in form_of(response).errors["tls_ca"][0]
    assert "c2VjcmV0" not in response.content.decode()
    web.refresh_from_db()
    assert web.tls_ca == ""


def test_a_certificate_that_cannot_be_read_stays_to_be_corrected(save, certificate):
    broken = certificate[:-10]
    assert form_of(save(tls_ca=broken))["tls_ca"].value() == broken


def test_the_form_names_defaults_and_units(admin, web, redis_client):
    page = admin.get(reverse("admin:pool_pool_change", args=[web.pk])).content.decode()
    assert "Seconds to wait for the head of a response; then 504. Default: 60." in page
    assert "Bytes of a request's body, up to 1 TiB" in page
    assert LISTENER_SETTINGS in page


def test_the_settings_that_the_form_names_are_those_of_the_edge_with_its_defaults():
    named = re.findall(r"LB_(\w+)[^(]*\((\d+)", LISTENER_SETTINGS)
    assert len(named) == LISTENER_SETTINGS.count("LB_") == 7
    for name, default in named:
        assert getattr(EdgeSettings(), name.lower()) == int(default)
