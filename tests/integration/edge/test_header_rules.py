"""What a backend and a client are told: rules of pool and route, Host, and who is believed."""

from collections.abc import Callable

import pytest

from pool.choices import HeaderAction
from pool.snapshot import HeaderPolicy, HeaderRule, PoolSpec, RouteSpec
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge

MakeBackend = Callable[..., Backend]
TRUSTED, UNTRUSTED = "127.0.0.1", "127.0.0.2"


def rule(action: HeaderAction, name: str, value: str = "") -> HeaderRule:
    return HeaderRule(action=action, name=name, value=value)


@pytest.fixture(scope="module")
def wary_edge(start_lasting_edge: Callable[..., Edge]) -> Edge:
    """An edge that believes one address alone."""
    return start_lasting_edge(LB_TRUSTED_PROXIES=f"{TRUSTED}/32, 10.0.0.0/8")


def told(edge: Edge, target: str = "/", source: str = TRUSTED, **fields: str) -> dict[str, str]:
    """The header that the backend got."""
    with Client(edge.port, source=source) as client:
        headers: dict[str, str] = client.get(target, **fields).json()["headers"]
        return headers


def test_the_pools_rules_come_first_and_the_routes_after_them(
    edge: Edge, backend: MakeBackend
) -> None:
    def answer(call: Call) -> None:
        fields = "Server: secret/1.0\r\nX-Kept: yes\r\nX-Stage: backend\r\n"
        a.calls[-1].answer(repr(sorted(call.headers.items())).encode(), fields=fields)

    a = backend("a", answer)
    pool = PoolSpec(
        id=1,
        name="shop",
        backends=(a.spec(),),
        headers=HeaderPolicy(
            request_rules=(
                rule(HeaderAction.SET, "X-Stage", "pool"),
                rule(HeaderAction.ADD, "X-Seen", "pool"),
                rule(HeaderAction.REMOVE, "Cookie"),
            ),
            response_rules=(
                rule(HeaderAction.REMOVE, "server"),
                rule(HeaderAction.SET, "X-Stage", "pool"),
            ),
        ),
    )
    ruled = RouteSpec(
        id=1,
        pool_id=1,
        path_prefix="/ruled",
        request_rules=(rule(HeaderAction.SET, "x-stage", "route"),),
        response_rules=(
            rule(HeaderAction.SET, "X-Stage", "route"),
            rule(HeaderAction.ADD, "Strict-Transport-Security", "max-age=63072000"),
        ),
    )
    edge.publish((pool,), (ruled, RouteSpec(id=2, pool_id=1)))
    with Client(edge.port) as client:
        for target, stage in (("/ruled/x", "route"), ("/", "pool"), ("/ruled", "route")):
            answered = client.get(target, cookie="secret", x_stage="client", x_other="kept")
            received = a.calls[-1].headers
            assert (received["x-stage"], received["x-seen"]) == (stage, "pool")
            assert (received["x-other"], "cookie" in received) == ("kept", False)
            assert (answered.headers["x-stage"], answered.headers["x-kept"]) == (stage, "yes")
            assert "server" not in answered.headers
            assert ("strict-transport-security" in answered.headers) == (stage == "route")


def test_rules_that_change_hold_for_the_next_request_of_a_connection(
    edge: Edge, backend: MakeBackend
) -> None:
    a = backend("a")
    with Client(edge.port) as client:
        for value in ("one", "two"):
            rules = (rule(HeaderAction.SET, "X-Stage", value),)
            policy = HeaderPolicy(request_rules=rules, response_rules=rules)
            edge.serve(a.spec(), headers=policy)
            answer = client.get()
            assert answer.headers["x-stage"] == value
            assert answer.json()["headers"]["x-stage"] == value


def test_rules_hold_for_errors_of_the_backend_and_for_bodies_of_all_kinds(
    edge: Edge, backend: MakeBackend
) -> None:
    def answer(call: Call) -> None:
        if call.target == "/chunked":
            call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        elif call.target == "/304":
            call.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            call.answer(b"oh", status="500 Oh")

    policy = HeaderPolicy(response_rules=(rule(HeaderAction.SET, "X-Stage", "pool"),))
    edge.serve(backend("a", answer).spec(), headers=policy)
    with Client(edge.port) as client:
        for target in ("/chunked", "/304", "/500"):
            assert client.get(target).headers["x-stage"] == "pool", target


@pytest.mark.parametrize(
    ("wanted", "host"), [("", "shop.test"), ("inner.test:8080", "inner.test:8080")]
)
def test_host_is_passed_on_or_what_the_pool_says(
    edge: Edge, backend: MakeBackend, wanted: str, host: str
) -> None:
    edge.serve(backend("a").spec(), headers=HeaderPolicy(host=wanted))
    headers = told(edge)
    assert (headers["host"], headers["x-forwarded-host"]) == (host, "shop.test")


def test_each_backend_can_be_told_its_own_host(edge: Edge, backend: MakeBackend) -> None:
    backends = [backend("a"), backend("b")]
    edge.serve(*(one.spec() for one in backends), headers=HeaderPolicy(host="backend"))
    with Client(edge.port) as client:
        for _ in range(4):
            client.get()
    for one in backends:
        assert {call.headers["host"] for call in one.calls} == {f"127.0.0.1:{one.port}"}
        assert {call.headers["x-forwarded-host"] for call in one.calls} == {"shop.test"}


CLAIMS = {
    "x_forwarded_for": "6.6.6.6, 10.1.1.1",
    "x_forwarded_proto": "https",
    "x_forwarded_host": "public.test",
    "x_forwarded_prefix": "/before/",
    "x_request_id": "given-1",
    "forwarded": "for=6.6.6.6",
}


@pytest.mark.parametrize("source", [TRUSTED, UNTRUSTED])
def test_what_a_client_says_of_itself_is_replaced_and_a_trusted_proxys_word_is_kept(
    wary_edge: Edge, backend: MakeBackend, source: str
) -> None:
    pool = PoolSpec(
        id=1, name="shop", backends=(backend("a").spec(),), headers=HeaderPolicy(forwarded=True)
    )
    route = RouteSpec(id=1, pool_id=1, path_prefix="/shop", strip_prefix=True)
    wary_edge.publish((pool,), (route,))
    headers = told(wary_edge, "/shop/x", source, **CLAIMS)
    believed = source == TRUSTED
    element = f'for={source};host="shop.test";proto=http'
    assert {name: value for name, value in headers.items() if "forwarded" in name} == {
        "x-forwarded-for": f"6.6.6.6, 10.1.1.1, {source}" if believed else source,
        "x-forwarded-proto": "https" if believed else "http",
        "x-forwarded-host": "public.test" if believed else "shop.test",
        "x-forwarded-prefix": "/before/shop" if believed else "/shop",
        "forwarded": f"for=6.6.6.6, {element}" if believed else element,
    }
    assert (headers["x-request-id"] == "given-1") is believed


def test_forwarded_is_neither_sent_nor_passed_on_unless_it_is_asked_for(
    wary_edge: Edge, backend: MakeBackend
) -> None:
    wary_edge.serve(backend("a").spec())
    assert "forwarded" not in told(wary_edge, forwarded="for=6.6.6.6")


def test_a_request_id_that_could_break_a_log_line_is_replaced(
    wary_edge: Edge, backend: MakeBackend
) -> None:
    wary_edge.serve(backend("a").spec())
    for claimed in ("two words", "x" * 129, "caf\xe9", ""):
        identifier = told(wary_edge, x_request_id=claimed)["x-request-id"]
        assert identifier not in ("", claimed)


def test_requests_have_ids_of_their_own(edge: Edge, backend: MakeBackend) -> None:
    a = backend("a")
    edge.serve(a.spec())
    with Client(edge.port) as client:
        for _ in range(20):
            client.get()
    assert len({call.headers["x-request-id"] for call in a.calls}) == 20


@pytest.mark.parametrize(
    ("says", "version"), [(True, b"HTTP/1.1"), (True, b"HTTP/1.0"), (False, b"HTTP/1.1")]
)
def test_clients_are_told_the_id_of_their_request_where_the_pool_says_so(
    edge: Edge, backend: MakeBackend, says: bool, version: bytes
) -> None:
    own = "X-Request-ID: own\r\n"  # gives way

    def answer(call: Call) -> None:
        if call.target == "/whole":
            call.answer(b"x", fields=own)
        else:
            call.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{own}\r\n".encode())
            call.send(b"1\r\nx\r\n0\r\n\r\n")

    a = backend("a", answer)
    edge.serve(a.spec(), headers=HeaderPolicy(request_id=says))
    for target in (b"/whole", b"/whole", b"/chunked"):
        with Client(edge.port) as client:
            client.send(b"GET %b %b\r\nHost: shop.test\r\n\r\n" % (target, version))
            lines = list(iter(client.stream.readline, b"\r\n"))
        told = [line for line in lines if line.lower().startswith(b"x-request-id:")]
        expected = a.calls[-1].headers["x-request-id"] if says else "own"
        assert [line.split()[1].decode() for line in told] == [expected]
    assert len({call.headers["x-request-id"] for call in a.calls}) == 3
