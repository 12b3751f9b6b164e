"""What the dialogs of a page answer when there is nothing to ask about."""

import pytest
from django.urls import reverse

DIALOGS = [
    *("pool_duplicate", "pool_fail_over", "pool_fail_back"),
    *("backend_drain", "backend_enable", "backend_maintain"),
    *("backend_open_circuit", "backend_release_circuit", "backend_reset_circuit"),
    "alertchannel_send_test",
]


@pytest.mark.parametrize("dialog", DIALOGS)
@pytest.mark.parametrize("key", ["9999", "abc", "_5F", "9" * 40])
def test_nothing_is_asked_about_what_is_not_there(admin, redis_client, dialog, key):
    page = reverse(f"admin:pool_{dialog}", args=[key])
    assert admin.get(page).status_code == 404
    order = {"_form_submitted": "True", "name": "green", "tier": "1"}
    assert admin.post(page, order).status_code == 404


@pytest.mark.parametrize("dialog", DIALOGS)
def test_who_has_no_right_is_not_told_whether_it_is_there(newcomer, redis_client, dialog):
    page = reverse(f"admin:pool_{dialog}", args=["9999"])
    assert newcomer.get(page).status_code == 403
