"""GET /metrics: who may, in which format, and what is told when something is away."""

import shutil
import subprocess
import threading

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token

from analytics.metrics import collector, view
from analytics.metrics.collector import Exposition

pytestmark = pytest.mark.django_db

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
RIGHTS = ("view_trafficrollup", "view_backend")


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(view, "_exposition", Exposition())
    monkeypatch.setattr(view, "_good", set())


@pytest.fixture
def token():
    """Of a user with all rights that it takes, and no others."""
    user = User.objects.create_user("prometheus")
    user.user_permissions.set(Permission.objects.filter(codename__in=RIGHTS))
    return Token.objects.create(user=user)


@pytest.fixture
def database_away(monkeypatch):
    def away(*_, **__):
        raise OperationalError("password authentication failed for user boss")

    def switch():
        monkeypatch.setattr(collector, "read_totals", away)
        monkeypatch.setattr(TokenAuthentication, "authenticate_credentials", away)

    return switch


def ask(token=None, keyword="Bearer", accept="", **headers):
    if token is not None:
        headers["authorization"] = f"{keyword} {token}"
    return Client().get("/metrics", headers={"accept": accept, **headers})


# --- who ---


@pytest.mark.parametrize("keyword", ["Bearer", "Token"])
def test_a_token_of_a_user_who_may_view(shop, token, keyword):
    answer = ask(token, keyword)
    assert answer.status_code == 200
    assert b"lb_requests_total" in answer.content


@pytest.mark.parametrize("wrong", [None, "", "x", "x y", "\x00", "ü"])
def test_without_a_good_token_it_says_what_to_send(shop, wrong):
    answer = ask(wrong)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"Authorization: Bearer TOKEN" in answer.content
    assert b"lb_requests" not in answer.content


@pytest.mark.parametrize("missing", RIGHTS)
def test_both_rights_are_needed(token, missing):
    token.user.user_permissions.remove(Permission.objects.get(codename=missing))
    assert ask(token).status_code == 403


def test_a_user_who_was_shut_out_is_refused(token):
    User.objects.filter(pk=token.user_id).update(is_active=False)
    assert ask(token).status_code == 401


def test_open_to_all_that_reach_the_port(shop, settings):
    settings.LB_METRICS = "open"
    assert ask().status_code == 200


def test_off(token, settings):
    settings.LB_METRICS = "off"
    assert ask(token).status_code == 404


def test_whoever_asks_needs_no_host_name_that_is_allowed(shop, token, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert ask(token, host="10.0.0.7:8001").status_code == 200


def test_nothing_can_be_sent_there(token):
    assert Client().post("/metrics").status_code == 404


# --- formats ---


@pytest.fixture
def traffic(shop, worker, batch, row):
    from datetime import UTC, datetime

    from analytics import store

    store.add([batch(row((10, 20_000), errors=1))], datetime.now(UTC))
    worker(1)


def test_prometheus_text_unless_asked_otherwise(traffic, token):
    answer = ask(token)
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one.type for one in prometheus(answer.content.decode())}
    assert families["lb_requests"] == "counter"
    assert families["lb_request_duration_seconds"] == "histogram"
    assert families["lb_backend_up"] == "gauge"


def test_openmetrics_when_asked(traffic, token):
    answer = ask(token, accept=OPENMETRICS)
    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {one.name: one.type for one in openmetrics(answer.content.decode())}
    assert families["lb_requests"] == "counter"
    assert families["lb_build"] == "info"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "text/plain"),
        ("application/json", "text/plain"),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text", "text/plain"),
        ("application/openmetrics-text; version=abc", "application/openmetrics-text"),
        ("Application/OpenMetrics-Text;version=99.0.0", "application/openmetrics-text"),
        ("text/plain; version=x", "text/plain"),
        (";,,;q=", "text/plain"),
    ],
)
def test_whatever_is_asked_for_it_is_one_of_both(token, accept, media_type):
    answer = ask(token, accept=accept)
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, media_type)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")
def test_promtool_has_nothing_to_say(traffic, token):
    text = ask(token).content
    subprocess.run(["promtool", "check", "metrics"], input=text, check=True)


def test_neither_urls_nor_secrets_are_told(traffic, token):
    text = ask(token).content
    assert b"secret.example" not in text
    assert token.key.encode() not in text


# --- something is away ---


def errors(answer):
    families = {one.name: one for one in prometheus(answer.content.decode())}
    return {one.labels["source"]: one.value for one in families["lb_scrape_error"].samples}


def test_all_is_there(traffic, token):
    assert errors(ask(token)) == {"database": 0, "redis": 0}


def test_without_redis_the_counters_are_told(traffic, token, redis_away):
    answer = ask(token)
    assert answer.status_code == 200
    assert errors(answer) == {"database": 0, "redis": 1}
    assert b"lb_requests_total{" in answer.content
    assert b"lb_edge_up{" not in answer.content
    assert b"hunter2" not in answer.content


def test_without_the_database_the_gauges_are_told(traffic, token, settings, database_away):
    settings.LB_METRICS = "open"
    database_away()
    answer = ask()
    assert answer.status_code == 200
    assert errors(answer) == {"database": 1, "redis": 0}
    assert b"lb_edge_up{" in answer.content
    assert b"lb_requests_total{" not in answer.content


def test_a_token_that_was_good_stays_so_while_the_database_is_away(traffic, token, database_away):
    assert ask(token).status_code == 200
    database_away()
    assert ask(token).status_code == 200
    other = ask("0" * 40)
    assert (other.status_code, other.content) == (
        503,
        b"The database is away, so that no token can be checked.\n",
    )


def test_a_token_that_was_withdrawn_is_not_remembered(traffic, token, database_away):
    assert ask(token).status_code == 200
    key = token.key
    token.delete()
    assert ask(key).status_code == 401
    database_away()
    assert ask(key).status_code == 503


# --- what it costs ---


def test_many_that_ask_at_once_cost_one_reading(shop, monkeypatch):
    readings = []

    def read():
        readings.append(1)
        return {}

    monkeypatch.setattr(collector, "read_totals", read)
    now = [100.0]
    exposition = Exposition(clock=lambda: now[0])
    threads = [threading.Thread(target=exposition.text, args=("",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 1
    now[0] += 1.1
    exposition.text("")
    assert len(readings) == 2
