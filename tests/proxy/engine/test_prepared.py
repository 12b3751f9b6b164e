"""A request head made ready to forward."""

import gc
import weakref
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from pool.choices import StickyMode
from pool.snapshot import (
    BackendSpec,
    BalancingPolicy,
    PoolSpec,
    RateLimitPolicy,
    RouteSpec,
    StickyPolicy,
    build,
)
from proxy.core.configuration import Configuration
from proxy.core.forward import Peer
from proxy.core.head.request import DEFAULT_LIMITS, HeadLimits
from proxy.core.rate_limit import RateLimit
from proxy.engine.prepared import (
    HEALTH_PATH,
    MAX_KNOWN,
    MAX_KNOWN_BYTES,
    Prepared,
    PreparedHeads,
    prepare,
    prepare_again,
)
from proxy.errors import BadRequest, ProxyError, TargetTooLong

PEER = Peer(address=b"192.0.2.7", scheme=b"https", local_authority=b"10.0.0.1:8000")


def prepared(configuration: Configuration, line: str, *fields: str, peer: Peer = PEER) -> Prepared:
    raw = "\r\n".join([line, "Host: shop.test", *fields, "\r\n"]).encode("latin-1")
    return prepare(raw, configuration, peer)


def test_the_prefix_waits_only_for_the_request_id(configuration: Configuration) -> None:
    request = prepared(configuration, "GET /a?b HTTP/1.1", "Accept: */*", "Connection: close")
    lines = request.prefix.split(b"\r\n")
    assert lines[:2] == [b"GET /a?b HTTP/1.1", b"Host: shop.test"]
    assert lines[-1] == b"X-Request-Id: "
    assert {b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-Proto: https"} <= set(lines)
    assert not any(line.lower().startswith(b"connection") for line in lines)
    assert request.route is not None
    assert request.configuration is configuration


def test_the_health_path_belongs_to_no_route(configuration: Configuration) -> None:
    request = prepared(configuration, f"GET {HEALTH_PATH.decode()} HTTP/1.1")
    assert (request.route, request.prefix) == (None, b"")
    assert prepared(configuration, "GET /-/health/x HTTP/1.1").route is not None
    assert prepared(configuration, "GET /-/health?x HTTP/1.1").route is None


def test_no_route_no_prefix() -> None:
    request = prepared(Configuration(), "GET / HTTP/1.1")
    assert (request.route, request.prefix) == (None, b"")


@pytest.mark.parametrize(
    ("line", "fields", "has_body", "idempotent"),
    [
        ("GET / HTTP/1.1", (), False, True),
        ("POST / HTTP/1.1", (), False, False),
        ("POST / HTTP/1.1", ("Content-Length: 0",), False, False),
        ("PUT / HTTP/1.1", ("Content-Length: 3",), True, True),
        ("PATCH / HTTP/1.1", ("Transfer-Encoding: chunked",), True, False),
        ("DELETE / HTTP/1.1", (), False, True),
    ],
)
def test_body_and_idempotence_are_known_beforehand(
    configuration: Configuration,
    line: str,
    fields: tuple[str, ...],
    has_body: bool,
    idempotent: bool,
) -> None:
    request = prepared(configuration, line, *fields)
    assert (request.has_body, request.idempotent) == (has_body, idempotent)


@pytest.mark.parametrize(
    "target",
    ["/..", "/../x", "/a/./b", "/a/..", "/%2e%2e/x", "/a/%2E/b", "/a%2f..%2fb", "/a/.%2e?x=1"],
)
def test_a_path_that_a_backend_would_resolve_to_another_is_refused(
    configuration: Configuration, target: str
) -> None:
    with pytest.raises(BadRequest):
        prepared(configuration, f"GET {target} HTTP/1.1")


@pytest.mark.parametrize("target", ["/.well-known/x", "/a..b", "/...", "/a.", "/?x=/../y"])
def test_dots_that_are_no_segments_pass(configuration: Configuration, target: str) -> None:
    assert prepared(configuration, f"GET {target} HTTP/1.1").route is not None


def test_a_request_id_is_kept_from_a_trusted_peer_only(configuration: Configuration) -> None:
    line, field = "GET / HTTP/1.1", "X-Request-Id: abc-1"
    assert prepared(configuration, line, field).request_id == b""
    trusted = PEER._replace(trusted=True)
    assert prepared(configuration, line, field, peer=trusted).request_id == b"abc-1"
    for strange in ("X-Request-Id: a b", "X-Request-Id: " + "x" * 200):
        assert prepared(configuration, line, strange, peer=trusted).request_id == b""


# --- the same fields again ---

KEY = b"k" * 32

_TARGETS = st.sampled_from(
    b"/ /free /free/x?y=1 /free?y=2 /other?a=b&c /x/../y /-/health /-/health?x /%zz //shop.test/x "
    b'* http://shop.test/x http://SHOP.test:8080/free /a#b /" /caf\xe9 x'.split()
)
_FIRST = st.tuples(st.sampled_from([b"GET ", b"OPTIONS "]), _TARGETS).map(b"".join)
_SECOND = st.tuples(
    st.sampled_from([*[b"GET "] * 5, *[b"OPTIONS "] * 3, b"POST ", b"GET  ", b"TRACE "]),
    _TARGETS | st.binary(max_size=4).map(lambda end: b"/" + end),
).map(b"".join)
_VERSIONS = st.sampled_from([*[b" HTTP/1.1"] * 6, b" HTTP/1.0", b" HTTP/1.2", b" http/1.1"])
_FIELDS = st.lists(
    st.sampled_from(
        b"Accept: */*|Max-Forwards: 3|Cookie: s=1; t=2|X-Forwarded-For: 6.6.6.6|X: y|"
        b"Content-Length: 3|Transfer-Encoding: chunked|Connection: close, x|Host: other.test|"
        b"Upgrade: websocket|X-Request-Id: abc".split(b"|")
    ),
    max_size=4,
    unique=True,
)


def head(line: bytes, fields: list[bytes]) -> bytes:
    return b"\r\n".join([line, b"Host: Shop.test:8080", *fields, b"", b""])


def outcome(raw: bytes, configuration: Configuration, peer: Peer) -> dict[str, object] | None:
    try:
        return told(prepare(raw, configuration, peer))
    except ProxyError:
        return None


def told(request: Prepared) -> dict[str, object]:
    found = asdict(request)
    claim = found.pop("claim")
    return found | {"prefers": claim and claim.preferred, "claims": claim is not None}


@settings(max_examples=2000)
@given(
    first=st.tuples(_FIRST, _VERSIONS).map(b"".join),
    second=st.tuples(_SECOND, _VERSIONS).map(b"".join),
    fields=_FIELDS,
    others=st.sampled_from([False, False, False, True]),
    trusted=st.booleans(),
    hash_key=st.sampled_from(["", "path", "query:y", "cookie:t", "header:X", "client_ip"]),
)
def test_another_path_with_the_same_fields_comes_to_what_it_does_by_itself(
    first: bytes,
    second: bytes,
    fields: list[bytes],
    others: bool,
    trusted: bool,
    hash_key: str,
) -> None:
    configuration = sticky_configuration(hash_key)
    limited = configuration.routes[1]
    limited.limit = RateLimit(limited.id, limited.spec.rate_limit, [])
    peer = PEER._replace(trusted=trusted)
    try:
        previous = prepare(head(first, fields), configuration, peer)
    except ProxyError:
        return
    before = told(previous)
    raw = head(second, [b"X: other"] if others else fields)
    again = prepare_again(previous, raw, DEFAULT_LIMITS)
    if again is not None:
        assert told(again) == outcome(raw, configuration, peer)
    assert told(previous) == before


def test_another_path_is_not_parsed_anew(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = PreparedHeads(DEFAULT_LIMITS, lambda address: False)
    first, second = (head(line, []) for line in (b"GET /a HTTP/1.1", b"GET /b?c HTTP/1.1"))
    previous = heads.prepare(first, configuration, PEER)
    expected = told(prepare(second, configuration, PEER))
    monkeypatch.setattr(f"{prepare.__module__}.prepare", None)
    assert told(heads.prepare(second, configuration, PEER, previous)) == expected


def test_too_long_a_line_is_refused_though_its_fields_are_known(
    configuration: Configuration,
) -> None:
    limits = HeadLimits(line=40, head=80)
    previous = prepare(head(b"GET / HTTP/1.1", []), configuration, PEER, limits)
    for size, fits in ((26, True), (27, False)):
        line = b"GET /%b HTTP/1.1" % (b"x" * size)
        assert (prepare_again(previous, head(line, []), limits) is not None) is fits
        with nullcontext() if fits else pytest.raises(TargetTooLong):
            prepare(head(line, []), configuration, PEER, limits)


# --- sticky pools ---


def sticky_configuration(hash_key: str = "") -> Configuration:
    """Everything goes to "shop", which is sticky, and /free to a pool that is not."""
    a, b = (BackendSpec(id=number, name=f"b{number}", url=f"http://b{number}") for number in (1, 2))
    algorithm = "ring_hash" if hash_key else "round_robin"
    free = PoolSpec(
        id=8,
        name="free",
        backends=(b,),
        algorithm=algorithm,
        balancing=BalancingPolicy(hash_key=hash_key or "path"),
    )
    sticky = StickyPolicy(mode=StickyMode.COOKIE)
    pools = (replace(free, id=7, name="shop", backends=(a,), sticky=sticky), free)
    limit = RateLimitPolicy(requests=5, key=hash_key)
    routes = (
        RouteSpec(id=3, pool_id=7),
        RouteSpec(id=4, pool_id=8, path_prefix="/free", strip_prefix=True, rate_limit=limit),
    )
    return Configuration(build(1, pools, routes), sticky_key=KEY)


@pytest.fixture
def sticky() -> Configuration:
    return sticky_configuration()


def cookie_set(request: Prepared, configuration: Configuration) -> bytes:
    assert request.claim is not None
    backend = configuration.pools[7].backends[1]
    [(_, cookie), _] = request.claim.response_rules(backend).apply([])
    return cookie


def test_a_sticky_client_is_recognised_and_its_backend_does_not_see_how(
    sticky: Configuration,
) -> None:
    mark = cookie_set(prepared(sticky, "GET / HTTP/1.1"), sticky).partition(b";")[0].decode()
    request = prepared(sticky, "GET / HTTP/1.1", f"Cookie: x=1; {mark}")
    assert request.claim is not None
    assert request.claim.preferred is sticky.pools[7].backends[1]
    assert b"\r\nCookie: x=1\r\n" in request.prefix


def test_where_the_pool_is_not_sticky_cookies_pass(sticky: Configuration) -> None:
    request = prepared(sticky, "GET /free HTTP/1.1", "Cookie: lb=1")
    assert request.claim is None
    assert b"\r\nCookie: lb=1\r\n" in request.prefix
    assert prepared(sticky, f"GET {HEALTH_PATH.decode()} HTTP/1.1").claim is None


@pytest.mark.parametrize(
    ("scheme", "told", "trusted", "secure"),
    [
        (b"https", None, False, True),
        (b"http", None, False, False),
        (b"http", "https", True, True),
        (b"http", "HTTPS, http", True, True),
        (b"https", "http", True, False),
        (b"http", "https", False, False),
        (b"https", "http", False, True),
    ],
)
def test_the_cookie_is_for_https_where_the_client_came_over_it(
    sticky: Configuration, scheme: bytes, told: str | None, trusted: bool, secure: bool
) -> None:
    fields = () if told is None else (f"X-Forwarded-Proto: {told}",)
    peer = PEER._replace(scheme=scheme, trusted=trusted)
    request = prepared(sticky, "GET / HTTP/1.1", *fields, peer=peer)
    assert (b"; Secure" in cookie_set(request, sticky)) is secure


# --- heads that are known ---


def raw_head(path: str, size: int = 0) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nX: {'x' * size}\r\n\r\n".encode()


def no_proxies(address: str) -> bool:
    return False


def test_the_same_head_from_the_same_peer_is_prepared_once(configuration: Configuration) -> None:
    heads = PreparedHeads(DEFAULT_LIMITS, no_proxies)
    first = heads.prepare(raw_head("/"), configuration, PEER)
    assert heads.prepare(raw_head("/"), configuration, PEER) is first
    other = heads.prepare(raw_head("/"), configuration, PEER._replace(address=b"192.0.2.8"))
    assert b"192.0.2.8" in other.prefix


def test_a_new_configuration_prepares_anew_and_lets_go_of_the_old_one(
    configuration: Configuration,
) -> None:
    heads = PreparedHeads(DEFAULT_LIMITS, no_proxies)
    old = Configuration(configuration.snapshot)
    gone = weakref.ref(old)
    assert heads.prepare(raw_head("/"), old, PEER).route is not None
    del old
    assert heads.prepare(raw_head("/"), Configuration(), PEER).route is None
    gc.collect()
    assert gone() is None


def test_what_is_known_is_bounded_in_number_and_size(configuration: Configuration) -> None:
    heads = PreparedHeads(DEFAULT_LIMITS, no_proxies)
    large = raw_head("/", MAX_KNOWN_BYTES)
    assert heads.prepare(large, configuration, PEER) is not heads.prepare(
        large, configuration, PEER
    )
    first = heads.prepare(raw_head("/"), configuration, PEER)
    for number in range(MAX_KNOWN):
        heads.prepare(raw_head(f"/{number}"), configuration, PEER)
    assert heads.prepare(raw_head("/"), configuration, PEER) is not first


def test_a_malformed_head_is_refused_each_time(configuration: Configuration) -> None:
    heads = PreparedHeads(DEFAULT_LIMITS, no_proxies)
    for _ in range(2):
        with pytest.raises(BadRequest):
            heads.prepare(b"GET / HTTP/1.1\r\n\r\n", configuration, PEER)
