"""The traffic report in the admin."""

import time
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from analytics import store
from analytics.reports import PERIODS

URL = reverse("admin:analytics_trafficrollup_changelist")


@pytest.fixture
def traffic(db, batch, row):
    """Three answers of backend shop/a, one of them an error, and one of the edge's own."""
    now = int(time.time())
    answers = row((1000, 2000, 3000), status_2xx=2, status_5xx=1)
    by_edge = row((5,), backend_id=0, backend="", status_2xx=0, status_4xx=1)
    store.add([batch(answers, by_edge, at=now - 5)], datetime.fromtimestamp(now, UTC))


def test_it_shows_each_backend_with_its_share_and_latency(admin_client, traffic):
    (row,) = admin_client.get(URL).context["table"]["rows"]
    assert row[:4] == ["shop/a", "100.0%", "3", "1"]
    assert row[4] == "2.0 ms"


def test_it_sums_up(admin_client, traffic):
    figures = {figure.name: figure for figure in admin_client.get(URL).context["figures"]}
    requests = figures["Requests, last 5 minutes"]
    assert (requests.value, requests.note) == ("4", "25.00% errors; 1 reached no backend")
    assert figures["Errors"].value == "1"


@pytest.mark.parametrize("period", PERIODS)
def test_every_period_loads(admin_client, traffic, period):
    assert admin_client.get(URL, {"period": period}).context["report"].period == period


def test_an_unknown_period_is_the_default_one(admin_client, db):
    assert admin_client.get(URL, {"period": "42"}).context["report"].period == "5m"


def test_without_traffic_it_says_so(admin_client, db):
    assert "no traffic" in admin_client.get(URL).content.decode()


def test_it_needs_the_right_to_see_traffic(client, db):
    client.force_login(User.objects.create_user("nils", is_staff=True))
    assert client.get(URL).status_code == 403
