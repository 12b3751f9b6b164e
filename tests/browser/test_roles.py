"""A viewer's and an operator's way through the admin."""

import importlib

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from selenium.webdriver.common.by import By

from pool.models import Backend, Pool, Revision, Route
from pool.publish import publish


@pytest.fixture
def enter(guest_pages, transactional_db, redis_client):
    """`enter(group)`: the admin, opened by somebody of this group."""
    roles = importlib.import_module("lbsite.migrations.0001_roles")
    roles.make_roles(apps, connection.schema_editor())

    def enter(group):
        user = User.objects.create_user(group.lower(), password="a long one", is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "path": "/"}
        guest_pages.driver.add_cookie(cookie)
        return guest_pages

    return enter


@pytest.fixture
def backend(transactional_db, redis_client):
    pool = Pool.objects.create(name="web")
    Route.objects.create(pool=pool)
    backend = Backend.objects.create(pool=pool, name="a", url="http://a:80")
    publish()
    return backend


def pages_of_the_menu(pages):
    pages.open("")
    links = pages.driver.find_elements(By.CSS_SELECTOR, "#nav-sidebar a[href^='/admin/']")
    return {link.get_attribute("href").removeprefix(f"{pages.url}/admin/") for link in links}


def failed_requests(pages):
    return [one["message"] for one in pages.driver.get_log("browser") if "40" in one["message"]]


def test_an_operator_changes_a_weight_drains_and_rolls_back(enter, backend):
    first = Revision.objects.latest("number")
    pages = enter("Operators")
    pages.open(f"pool/pool/{backend.pool_id}/change/")
    pages.fill("backends-0-weight", "5")
    pages.save()
    pages.open(f"pool/backend/{backend.pk}/change/")
    pages.click(pages.link("State"))
    entry = pages.find("a[hx-get$='/drain/']")
    pages.wait(entry.is_displayed)
    entry.click()
    pages.wait(lambda: pages.find("#dialog").is_displayed())
    pages.click_through(pages.find("#dialog button[type=submit]"))
    assert "web/a is draining." in pages.text
    pages.open(f"pool/revision/number/{first.number}/")
    pages.click_through(pages.link("Roll back to this"))
    pages.click_through(pages.find("button[name=_rollback]"))
    backend.refresh_from_db()
    assert (backend.weight, backend.admin_state) == (1, "active")


@pytest.mark.parametrize("group", ["Viewers", "Operators"])
def test_every_page_of_the_menu_gets_what_it_asks_for(enter, backend, group):
    pages = enter(group)
    menu = pages_of_the_menu(pages)
    assert len(menu) > 12
    pages.driver.get_log("browser")
    for path in sorted(menu):
        pages.open(path)
        pages.wait(lambda: pages.driver.execute_script("return document.readyState == 'complete'"))
    assert failed_requests(pages) == []


def test_a_viewer_is_offered_nothing_to_change(enter, backend):
    pages = enter("Viewers")
    for path in ("pool/pool/", f"pool/pool/{backend.pool_id}/change/", "pool/backend/"):
        pages.open(path)
        assert "web" in pages.text
        for button in ("Add", "Save", "Delete", "Drain", "Fail over", "Duplicate"):
            assert button not in pages.text.split()
