"""The admin's page "Explain"."""

import time

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pool.choices import AdminState, HealthState
from pool.snapshot import RouteSpec, TierPolicy
from proxy.core.debug import DebugKey

URL = "/admin/explain/"
QUESTION = {"host": "shop.test", "path": "/", "method": "GET", "client": "", "headers": ""}


def page(browser: Client, **question):
    response = browser.post(URL, QUESTION | question)
    assert response.status_code == 200
    return response


def cells(response, table):
    return [[str(cell) for cell in row] for row in response.context["answer"][table]["rows"]]


def test_the_form_is_shown_to_those_who_may_ask(reader, redis_client):
    response = reader.get(URL)
    assert response.status_code == 200
    assert response.context["answer"] is None


def test_others_are_refused(half_reader, redis_client):
    assert half_reader.get(URL).status_code == 403
    assert half_reader.post(URL, QUESTION).status_code == 403
    assert "/login/" in Client().get(URL).url


def test_the_sidebar_offers_it_to_those_who_may_ask(reader, half_reader, redis_client):
    index = reverse("admin:index")
    assert URL in reader.get(index).content.decode()
    assert URL not in half_reader.get(index).content.decode()


def test_the_choice_is_told_in_a_sentence(reader, publish, specs):
    publish(*specs("a", b={"admin_state": AdminState.DRAINING}))
    response = page(reader)
    assert response.context["answer"]["verdict"] == (
        "It goes to a in shop: the only one that may serve."
    )
    assert [row[0] for row in cells(response, "backends")] == ["a", "b"]
    assert "chosen" in cells(response, "backends")[0][1]
    assert "draining" in cells(response, "backends")[1][1]


def test_a_reason_is_there_to_read(reader, publish, specs, say_health):
    publish(*specs("a", "b"))
    say_health(1, HealthState.UNHEALTHY, "Status <503>")
    assert "Status &lt;503&gt;" in page(reader).content.decode()


def test_tiers_are_shown_where_there_are_several(reader, publish, specs, say_health):
    publish(*specs("a"))
    assert page(reader).context["answer"]["tiers"] is None
    publish(*specs(a={"tier": 0}, b={"tier": 1}), tiers=TierPolicy())
    assert [row[:3] for row in cells(page(reader), "tiers")] == [
        ["0", "100 %", "1 of 1"],
        ["1", "0 %", "1 of 1"],
    ]


def test_no_route_and_nobody_are_told(reader, publish, specs):
    publish(*specs("a"), routes=(RouteSpec(id=1, pool_id=1, host="other.test"),))
    assert "404" in page(reader).context["answer"]["verdict"]
    publish(*specs(a={"weight": 0}))
    assert "503" in page(reader).context["answer"]["verdict"]


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"host": "a b"}, "host"),
        ({"path": "x"}, "path"),
        ({"client": "x"}, "client"),
        ({"headers": "no colon"}, "headers"),
        ({"headers": "A: 1\nA: 2"}, "headers"),
        ({"headers": "Host: x"}, "headers"),
    ],
)
def test_an_error_is_told_at_its_field(reader, publish, specs, question, field):
    publish(*specs("a"))
    response = page(reader, **question)
    assert list(response.context["form"].errors) == [field]
    assert response.context["answer"] is None


def test_nothing_published_is_told_above_the_form(reader, redis_client):
    assert "Nothing has been published yet" in page(reader).content.decode()


def test_headers_are_read_line_by_line(reader, publish, specs):
    publish(*specs("a"))
    assert page(reader, headers="\r\nCookie: a=b: c\r\n X-Y:z ").context["form"].cleaned_data[
        "headers"
    ] == {"Cookie": "a=b: c", "X-Y": "z"}


def test_the_debug_header_is_signed_and_short_lived(reader, redis_client, settings):
    name, value = reader.get(URL).context["debug_header"].split(": ")
    assert name == "X-LB-Debug"
    left = DebugKey(settings.SECRET_KEY).expiry(value.encode()) - time.time()
    assert 14 * 60 < left <= 15 * 60


def test_names_are_escaped(reader, publish, specs):
    publish(*specs(**{"<b>x</b>": {"url": "http://x"}}))
    assert "<b>x</b>" not in page(reader).content.decode()


def test_the_page_needs_a_csrf_token(reader, redis_client):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="reader"))
    assert strict.post(URL, QUESTION).status_code == 403
