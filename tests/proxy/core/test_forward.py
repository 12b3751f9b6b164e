"""The heads that are sent on: what is added, what is taken away, what is believed."""

from collections.abc import Callable

import pytest

from pool.choices import HeaderAction
from pool.snapshot import BackendSpec, HeaderPolicy, HeaderRule
from proxy.core.backend import Backend
from proxy.core.forward import Peer, request_prefix, response_bytes, switching_bytes
from proxy.core.head.request import parse_request_head
from proxy.core.head.response import parse_response_head
from proxy.core.pool import Pool
from proxy.core.routing import Route
from proxy.core.rules import HeaderRules

RouteOf = Callable[..., Route]
PEER = Peer(address=b"192.0.2.7", scheme=b"https", local_authority=b"10.0.0.1:8000")
NO_RULES = HeaderRules([])
TRUSTED = PEER._replace(trusted=True)


def forward(
    route: Route, *lines: bytes, start: bytes = b"GET /x HTTP/1.1", peer: Peer = PEER
) -> list[bytes]:
    """The lines of the forwarded head, without the X-Request-Id that is filled in later."""
    raw = b"\r\n".join([start, *lines, b"", b""])
    *sent, last = request_prefix(parse_request_head(raw), route, peer, None).split(b"\r\n")
    assert last == b"X-Request-Id: "
    return sent


def values(lines: list[bytes], name: bytes) -> list[bytes]:
    fields = [line.partition(b": ") for line in lines[1:]]
    return [value for key, _, value in fields if key.lower() == name.lower()]


def test_a_request_as_it_is_sent(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: Shop:81", b"User-Agent: curl", b"accept: */*")
    assert sent == [
        b"GET /x HTTP/1.1",
        b"Host: Shop:81",
        b"User-Agent: curl",
        b"accept: */*",
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: Shop:81",
        b"Via: 1.1 lbsite",
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authorization: Basic eA==",
        b"Proxy-Authenticate: Basic",
        b"TE: gzip",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"HTTP2-Settings: x",
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
        b"X_Forwarded_For: 1.2.3.4",
        b"X_Forwarded_Prefix: /admin",
        b"X_Real_IP: 1.2.3.4",
        b"X-Real-IP: 1.2.3.4",
        b"X-Forwarded-Port: 1",
        b"X-Forwarded-Prefix: /admin",
        b"Forwarded: for=1.2.3.4",
        b"X-Request-Id: mine",
    ],
)
def test_fields_that_are_not_for_the_backend_are_taken_away(route_of: RouteOf, line: bytes) -> None:
    assert forward(route_of(), b"Host: h", line) == forward(route_of(), b"Host: h")


def test_fields_that_connection_names_are_taken_away(route_of: RouteOf) -> None:
    sent = forward(
        route_of(),
        b"Host: h",
        b"X-One: 1",
        b"Connection: x-ONE, close, X-two",
        b"X-Two: 2",
        b"Y: z",
    )
    assert values(sent, b"x-one") == values(sent, b"x-two") == []
    assert values(sent, b"Y") == [b"z"]


def test_connection_cannot_take_away_what_tells_of_the_client(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: h", b"Connection: X-Forwarded-For, Via, X-Request-Id")
    assert values(sent, b"X-Forwarded-For") == [b"192.0.2.7"]
    assert values(sent, b"Via") == [b"1.1 lbsite"]


# --- framing ---


@pytest.mark.parametrize(
    ("start", "line", "framing"),
    [
        (b"GET / HTTP/1.1", None, []),
        (b"DELETE / HTTP/1.1", None, []),
        (b"POST / HTTP/1.1", None, [b"Content-Length: 0"]),
        (b"PUT / HTTP/1.1", None, [b"Content-Length: 0"]),
        (b"PATCH / HTTP/1.1", b"Content-Length: 0", [b"Content-Length: 0"]),
        (b"POST / HTTP/1.1", b"Content-Length: 0012", [b"Content-Length: 12"]),
        (b"GET / HTTP/1.1", b"Content-Length: 3", [b"Content-Length: 3"]),
        (b"POST / HTTP/1.1", b"Transfer-Encoding: Chunked", [b"Transfer-Encoding: chunked"]),
    ],
)
def test_the_framing_is_written_anew(
    route_of: RouteOf, start: bytes, line: bytes | None, framing: list[bytes]
) -> None:
    sent = forward(route_of(), b"Host: h", *([line] if line else []), start=start)
    names = (b"content-length", b"transfer-encoding")
    assert [part for part in sent if part.lower().startswith(names)] == framing


def test_an_expectation_is_passed_on(route_of: RouteOf) -> None:
    sent = forward(
        route_of(),
        *(b"Host: h", b"Expect: 100-continue", b"Content-Length: 1"),
        start=b"POST / HTTP/1.1",
    )
    assert values(sent, b"Expect") == [b"100-continue"]


def test_a_websocket_upgrade_is_asked_for_again(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: h", b"Connection: upgrade", b"Upgrade: websocket")
    assert values(sent, b"Connection") == [b"Upgrade"]
    assert values(sent, b"Upgrade") == [b"websocket"]


# --- host, prefix, version ---


def test_http_1_0_without_host_gets_the_edge_s_own_authority(route_of: RouteOf) -> None:
    sent = forward(route_of(), start=b"GET /x HTTP/1.0")
    assert sent[:2] == [b"GET /x HTTP/1.1", b"Host: 10.0.0.1:8000"]
    assert values(sent, b"X-Forwarded-Host") == [b"10.0.0.1:8000"]
    assert values(sent, b"Via") == [b"1.0 lbsite"]


def test_an_absolute_target_becomes_path_and_host(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: h:81", start=b"GET http://h:81/a?b HTTP/1.1")
    assert sent[:2] == [b"GET /a?b HTTP/1.1", b"Host: h:81"]


def test_the_backend_is_told_which_prefix_was_stripped(route_of: RouteOf) -> None:
    sent = forward(route_of("/api", strip_prefix=True), b"Host: h", start=b"GET /api/x?q HTTP/1.1")
    assert sent[0] == b"GET /x?q HTTP/1.1"
    assert values(sent, b"X-Forwarded-Prefix") == [b"/api"]


@pytest.mark.parametrize(("prefix", "strip"), [("/api", False), ("/", True)])
def test_nothing_stripped_nothing_told(route_of: RouteOf, prefix: str, strip: bool) -> None:
    sent = forward(route_of(prefix, strip_prefix=strip), b"Host: h", start=b"GET /api HTTP/1.1")
    assert sent[0] == b"GET /api HTTP/1.1"
    assert values(sent, b"X-Forwarded-Prefix") == []


def test_via_is_appended_to(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: h", b"Via: 1.0 a", b"via: 1.1 b (x)")
    assert values(sent, b"Via") == [b"1.0 a, 1.1 b (x), 1.1 lbsite"]


def test_a_client_on_a_unix_socket_has_no_address(route_of: RouteOf) -> None:
    sent = forward(route_of(), b"Host: h", peer=PEER._replace(address=b""))
    assert values(sent, b"X-Forwarded-For") == []


# --- what the operator changes ---


@pytest.mark.parametrize(
    ("url", "sent_host"),
    [
        ("http://app.internal:8080", b"app.internal:8080"),
        ("http://app.internal:80", b"app.internal"),
        ("https://app.internal:443", b"app.internal"),
        ("https://app.internal:80", b"app.internal:80"),
        ("http://[::1]", b"[::1]"),
        ("unix:/run/app.sock", b"localhost"),
    ],
)
def test_the_backend_s_own_host(
    route_of: RouteOf, pool_of: Callable[..., Pool], url: str, sent_host: bytes
) -> None:
    pool = pool_of([], headers=HeaderPolicy(host="backend"))
    head = parse_request_head(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    backend = Backend(BackendSpec(id=1, name="b", url=url))
    sent = request_prefix(head, route_of(pool=pool), PEER, backend).split(b"\r\n")
    assert values(sent, b"Host") == [sent_host]
    assert values(sent, b"X-Forwarded-Host") == [b"shop"]


def test_a_literal_host(route_of: RouteOf, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of([], headers=HeaderPolicy(host="internal.example.com"))
    sent = forward(route_of(pool=pool), b"Host: shop")
    assert values(sent, b"Host") == [b"internal.example.com"]
    assert values(sent, b"X-Forwarded-Host") == [b"shop"]


@pytest.mark.parametrize(
    ("peer", "received", "sent_value"),
    [
        (PEER, b"for=1.2.3.4", b'for=192.0.2.7;host="h:81";proto=https'),
        (TRUSTED, b"for=1.2.3.4", b'for=1.2.3.4, for=192.0.2.7;host="h:81";proto=https'),
        (
            PEER._replace(address=b"2001:db8::1"),
            b"",
            b'for="[2001:db8::1]";host="h:81";proto=https',
        ),
        (PEER._replace(address=b""), b"", b'for=unknown;host="h:81";proto=https'),
    ],
)
def test_the_standard_forwarded_field(
    route_of: RouteOf,
    pool_of: Callable[..., Pool],
    peer: Peer,
    received: bytes,
    sent_value: bytes,
) -> None:
    pool = pool_of([], headers=HeaderPolicy(forwarded=True))
    lines = [b"Forwarded: " + received] if received else []
    sent = forward(route_of(pool=pool), b"Host: h:81", *lines, peer=peer)
    assert values(sent, b"Forwarded") == [sent_value]


def test_header_rules_apply_one_after_the_other() -> None:
    received = [(b"Server", b"secret"), (b"X-A", b"1"), (b"x-a", b"2"), (b"X-B", b"3")]
    rules = HeaderRules(
        [
            HeaderRule(action=HeaderAction.REMOVE, name="server"),
            HeaderRule(action=HeaderAction.SET, name="X-A", value="new"),
            HeaderRule(action=HeaderAction.ADD, name="x-b", value="4"),
        ]
    )
    assert rules.apply(received) == [(b"X-B", b"3"), (b"X-A", b"new"), (b"x-b", b"4")]
    assert len(received) == 4, "remembered heads are shared"


# --- what a proxy in front says ---

SAID = (
    b"Host: h",
    b"X-Forwarded-For: 203.0.113.1",
    b"x-forwarded-for: 203.0.113.2",
    b"X-Forwarded-Proto: http",
    b"X-Forwarded-Host: shop.example.com",
    b"X-Forwarded-Prefix: /outer/",
)


def test_what_a_stranger_says_of_its_client_is_not_believed(route_of: RouteOf) -> None:
    sent = forward(route_of(), *SAID)
    assert values(sent, b"X-Forwarded-For") == [b"192.0.2.7"]
    assert values(sent, b"X-Forwarded-Proto") == [b"https"]
    assert values(sent, b"X-Forwarded-Host") == [b"h"]
    assert values(sent, b"X-Forwarded-Prefix") == []


def test_what_a_trusted_proxy_says_is_passed_on(route_of: RouteOf) -> None:
    route = route_of("/api", strip_prefix=True)
    sent = forward(route, *SAID, start=b"GET /api/x HTTP/1.1", peer=TRUSTED)
    assert values(sent, b"X-Forwarded-For") == [b"203.0.113.1, 203.0.113.2, 192.0.2.7"]
    assert values(sent, b"X-Forwarded-Proto") == [b"http"]
    assert values(sent, b"X-Forwarded-Host") == [b"shop.example.com"]
    assert values(sent, b"X-Forwarded-Prefix") == [b"/outer/api"]


# --- responses ---


def parsed(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([start, *lines, b"", b""])


@pytest.mark.parametrize(
    ("raw", "connection", "chunked", "sent"),
    [
        (
            parsed(b"Content-Length: 03", b"Server: s", b"Connection: close"),
            *(b"", False),
            parsed(b"Server: s", b"Content-Length: 3"),
        ),
        (
            parsed(b"Transfer-Encoding: chunked", b"X: y"),
            *(b"", True),
            parsed(b"X: y", b"Transfer-Encoding: chunked"),
        ),
        (parsed(b"X: y", start=b"HTTP/1.0 404 "), b"close", False, None),
        (
            parsed(b"X: \xe9", b"Set-Cookie: a", b"Set-Cookie: b"),
            *(b"keep-alive", False),
            parsed(b"X: \xe9", b"Set-Cookie: a", b"Set-Cookie: b", b"Connection: keep-alive"),
        ),
    ],
)
def test_a_response_as_it_is_sent(
    raw: bytes, connection: bytes, chunked: bool, sent: bytes | None
) -> None:
    if sent is None:
        sent = parsed(b"X: y", b"Connection: close", start=b"HTTP/1.1 404 ")
    head = parse_response_head(raw)
    assert response_bytes(head, NO_RULES, connection=connection, chunked=chunked) == sent


def test_a_switch_of_protocols_names_the_protocol() -> None:
    raw = parsed(
        *(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: x"),
        start=b"HTTP/1.1 101 Switching Protocols",
    )
    head = parse_response_head(raw)
    for _ in range(2):  # the head is shared: what is sent of it must not change it
        assert switching_bytes(head, NO_RULES, b"X-Own: 1\r\n") == parsed(
            *(b"Sec-WebSocket-Accept: x", b"Upgrade: websocket", b"Connection: Upgrade"),
            b"X-Own: 1",
            start=b"HTTP/1.1 101 Switching Protocols",
        )
