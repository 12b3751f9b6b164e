"""Who may use the proxy view, and what errors look like there."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from proxy import views
from proxy.errors import BadRequest, ConnectFailed, NoBackend, ProxyError
from proxy.gateway.incoming import raw_head

STAFF = {"boss": True, "user": False}


class Broken:
    """In the place of the gateway: each request ends like this."""

    def __init__(self, error: ProxyError) -> None:
        self._error = error

    def forward(self, environ: Any) -> None:
        raise self._error


@pytest.fixture
def client() -> Client:
    return Client(enforce_csrf_checks=True)


@pytest.fixture(autouse=True)
def gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_gateway", lambda: Broken(ConnectFailed()))


def test_it_is_off_by_default(client: Client, settings: Any) -> None:
    assert client.get("/lb/shop/").status_code == 404
    del settings.LB_PROXY_VIEW  # as in a project that says nothing of it
    assert client.get("/lb/shop/").status_code == 404


def test_everyone_may_use_it_if_it_is_public(client: Client, settings: Any) -> None:
    settings.LB_PROXY_VIEW = "public"
    for method in ("get", "post", "put", "patch", "delete", "options", "head"):
        assert getattr(client, method)("/lb/shop/x").status_code == 502


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "status"), [("", 403), ("user", 403), ("boss", 502)])
def test_staff_alone_may_use_it_if_so_set(
    client: Client, settings: Any, name: str, status: int
) -> None:
    settings.LB_PROXY_VIEW = "staff"
    if name:
        client.force_login(User.objects.create_user(name, is_staff=STAFF[name]))
    assert client.post("/lb/shop/x").status_code == status


@pytest.mark.parametrize("error", [BadRequest(), NoBackend(), ConnectFailed("10.0.0.1 refused")])
def test_an_error_is_told_as_by_the_edge(
    client: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: ProxyError,
) -> None:
    settings.LB_PROXY_VIEW = "public"
    monkeypatch.setattr(views, "_gateway", lambda: Broken(error))
    answer = client.get("/lb/shop/", HTTP_ACCEPT="application/json")
    assert answer.status_code == error.status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == error.detail
    assert ("Retry-After" in answer) is (error.status == 503)
    assert client.get("/lb/shop/")["Content-Type"].startswith("text/plain")


# --- a request, back as bytes ---

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "/site",
    "PATH_INFO": "/lb/shop/ä b".encode().decode("latin-1"),
    "QUERY_STRING": "q=%20",
    "HTTP_HOST": "shop.test",
}


def test_a_target_that_the_server_has_decoded_is_encoded_again() -> None:
    line = raw_head(ENVIRON, frozenset()).partition(b"\r\n")[0]
    assert line == b"GET /site/lb/shop/%C3%A4%20b?q=%20 HTTP/1.1"


def test_the_target_as_it_came_is_taken_where_the_server_tells_it() -> None:
    head = raw_head(ENVIRON | {"RAW_URI": "/site/lb/shop/a%2Fb"}, frozenset())
    assert head.startswith(b"GET /site/lb/shop/a%2Fb HTTP/1.1\r\n")


def test_what_the_server_has_dealt_with_is_left_out() -> None:
    fields = {
        "HTTP_EXPECT": "100-continue",
        "HTTP_UPGRADE": "websocket",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "5",
        "HTTP_COOKIE": "session=x; a=b",
    }
    head = raw_head(ENVIRON | fields, frozenset(["session"])).lower()
    assert b"content-length: 5\r\n" in head
    assert b"cookie: a=b\r\n" in head
    assert not any(name in head for name in (b"expect", b"upgrade", b"content-type", b"session"))
