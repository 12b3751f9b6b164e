"""Who may use the proxy view, and what errors look like there."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncRequestFactory, Client

from proxy import views
from proxy.errors import BadRequest, BodyTooLarge, ClientGone, ConnectFailed, NoBackend, ProxyError
from proxy.gateway.gateway import Refusal, refuse
from proxy.gateway.incoming import peer, raw_head, read_body

gateway_of_process = views._gateway
STAFF = {"boss": True, "user": False}


class Broken:
    """In the place of the gateway: each request ends like this."""

    def __init__(self, error: ProxyError) -> None:
        self._error = error

    def forward(self, environ: Any) -> Refusal:
        return refuse(self._error, environ, b"id-1")


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


def test_it_says_that_it_needs_wsgi(settings: Any) -> None:
    settings.LB_PROXY_VIEW = "public"
    with pytest.raises(ImproperlyConfigured, match="WSGI"):
        views.forward(AsyncRequestFactory().get("/lb/shop/"), "shop")


@pytest.mark.parametrize(
    ("access", "redis_url", "found"),
    [
        ("off", "", []),
        ("staff", "redis://r", []),
        ("public", "redis://r", []),
        ("public", "", ["proxy.E002"]),
        ("Public", "redis://r", ["proxy.E001"]),
    ],
)
def test_what_a_project_has_not_said_right_is_told_when_it_starts(
    settings: Any, access: str, redis_url: str, found: list[str]
) -> None:
    settings.LB_PROXY_VIEW, settings.LB_REDIS_URL = access, redis_url
    told = [one for one in run_checks() if str(one.id).startswith("proxy.")]
    assert [one.id for one in told] == found
    assert all(one.hint for one in told)


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
    assert answer["X-Request-Id"] == "id-1"
    assert ("Retry-After" in answer) is (error.status == 503)
    assert client.get("/lb/shop/")["Content-Type"].startswith("text/plain")


def test_an_error_has_no_body_where_only_its_head_was_asked_for(
    client: Client, settings: Any
) -> None:
    settings.LB_PROXY_VIEW = "public"
    head, whole = client.head("/lb/shop/"), client.get("/lb/shop/")
    assert not refuse(NoBackend(), {"REQUEST_METHOD": "HEAD"}, b"").body
    assert head["Content-Length"] == whole["Content-Length"] == str(len(whole.content))


def test_threads_that_come_together_at_first_have_one_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    together = Barrier(4)

    def make(*_: object) -> object:
        made.append(object())
        sleep(0.05)  # others come meanwhile, if they can
        return made[-1]

    def ask(_: int) -> object:
        together.wait(10)
        return gateway_of_process()

    for name in ("Counting", "Published"):
        monkeypatch.setattr(views, name, lambda *_: None)
    monkeypatch.setattr(views, "Gateway", make)
    views._make_gateway.cache_clear()
    try:
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(ask, range(4))) == set(made)
    finally:
        views._make_gateway.cache_clear()
    assert len(made) == 1


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


@pytest.mark.parametrize(
    ("address", "told", "trusted"),
    [
        ("10.0.0.1", b"10.0.0.1", True),
        ("::ffff:10.0.0.1", b"10.0.0.1", True),
        ("192.0.2.7", b"192.0.2.7", False),
        ("", b"", True),
    ],
    ids=["trusted", "on a socket for both families", "anybody", "unix socket"],
)
def test_a_client_is_who_an_edge_would_take_it_for(
    address: str, told: bytes, trusted: bool
) -> None:
    environ = ENVIRON | {
        "REMOTE_ADDR": address,
        "SERVER_NAME": "lb",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    found = peer(environ, lambda one: one == "10.0.0.1")
    assert (found.address, found.trusted) == (told, trusted)


class Arriving:
    """A body from the client, and how much of it has come."""

    def __init__(self, data: bytes) -> None:
        self.size = 0
        self._source = BytesIO(data)

    def read(self, length: int, *, chunked: bool = False, limit: int = 0) -> Any:
        environ = {"wsgi.input": self._source}
        return read_body(environ, length, chunked=chunked, limit=limit, received=self._add)

    def _add(self, size: int) -> None:
        self.size += size


def test_a_short_body_is_read_whole() -> None:
    arriving = Arriving(b"12345 and what does not belong to it")
    assert arriving.read(5) == b"12345"
    assert arriving.size == 5


def test_a_body_whose_client_is_gone_is_not_sent_on_as_if_it_were_whole() -> None:
    arriving = Arriving(b"123")
    with pytest.raises(ClientGone):
        arriving.read(5)
    assert arriving.size == 3


def test_a_long_body_is_read_when_it_is_sent() -> None:
    arriving = Arriving(bytes(100_000))
    stream = arriving.read(100_000)
    assert arriving.size == 0
    assert len(stream.read(60_000) + stream.read(60_000)) == arriving.size == 100_000
    assert stream.read(1) == b""


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_larger_than_the_pool_takes_is_refused(chunked: bool) -> None:
    arriving = Arriving(b"123456")
    with pytest.raises(BodyTooLarge):
        list(arriving.read(0 if chunked else 6, chunked=chunked, limit=5))
