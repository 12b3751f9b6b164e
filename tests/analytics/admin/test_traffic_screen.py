"""The frame of the reports' page; what its scripts make of it is in tests/browser."""

import json
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import timezone

from analytics import store
from analytics.finders import PLOTLY
from analytics.reports import PERIODS
from pool.models import Backend, Pool, Route

URL = reverse("admin:analytics_trafficrollup_changelist")


@pytest.fixture
def shop(db):
    pool = Pool.objects.create(name="shop")
    Backend.objects.create(pool=pool, name="a", url="http://a:80")
    Route.objects.create(pool=pool, host="shop.test")
    return pool


def options(page, name):
    select = re.search(rf'<select name="{name}".*?</select>', page.content.decode(), re.DOTALL)[0]
    return re.findall(r'<option value="(.*?)">', select)


def test_it_offers_every_period(admin_client, db):
    page = admin_client.get(URL).content.decode()
    assert re.findall(r'data-period="(\w+)"', page) == list(PERIODS)


def test_it_offers_pools_and_the_backends_of_the_one_that_is_chosen(admin_client, shop):
    Pool.objects.create(name="api")
    page = admin_client.get(URL)
    assert options(page, "pool") == ["", "api", "shop"]
    assert options(page, "backend") == [""]
    assert options(admin_client.get(URL, {"pool": "shop"}), "backend") == ["", "a"]


def test_it_offers_what_is_configured_no_more(admin_client, db, batch, row):
    store.add([batch(row(pool="old", backend="b", route_id=7))], timezone.now())
    page = admin_client.get(URL, {"pool": "old"})
    assert options(page, "pool") == ["", "old"]
    assert options(page, "backend") == ["", "b"]
    assert "Route 7, deleted" in page.content.decode()


def test_its_scripts_are_told_where_things_are(admin_client, db):
    page = admin_client.get(URL)
    written = re.search(
        r'id="report-settings" type="application/json">(.*?)</', page.content.decode()
    )
    urls = json.loads(written[1])["urls"]
    assert admin_client.get(f"{urls['reports']}traffic/").status_code == 200
    assert admin_client.get(urls["events"]).status_code == 200
    assert admin_client.get(f"{urls['revisions']}1/").status_code == 404


def test_it_loads_nothing_from_elsewhere(admin_client, db):
    page = admin_client.get(URL).content.decode()
    assert f"/static/{PLOTLY}" in page
    assert not re.findall(r'(?:src|href)="https?://', page)
    for script in re.findall(r'src="/static/(.*?)"', page):
        assert finders.find(script), script


def test_it_needs_the_right_to_see_traffic(client, db):
    client.force_login(User.objects.create_user("nils", is_staff=True))
    assert client.get(URL).status_code == 403


def test_a_pool_and_a_backend_lead_to_their_traffic(admin_client, shop):
    backend = shop.backends.get()
    of_pool = admin_client.get(reverse("admin:pool_pool_traffic", args=[shop.pk]))
    assert of_pool.url == f"{URL}?pool=shop"
    of_backend = admin_client.get(reverse("admin:pool_backend_traffic", args=[backend.pk]))
    assert of_backend.url == f"{URL}?pool=shop&backend=a"


def test_the_way_is_shown_to_who_may_see_traffic(client, shop):
    nils = User.objects.create_user("nils", is_staff=True)
    nils.user_permissions.add(Permission.objects.get(codename="view_pool"))
    client.force_login(nils)
    change = reverse("admin:pool_pool_change", args=[shop.pk])
    traffic = reverse("admin:pool_pool_traffic", args=[shop.pk])
    assert traffic not in client.get(change).content.decode()
    assert client.get(traffic).status_code == 403
    nils.user_permissions.add(Permission.objects.get(codename="view_trafficrollup"))
    assert traffic in client.get(change).content.decode()
