"""What a request's key is."""

import pytest

from pool.choices import algorithm_names
from pool.hash_key import BY_KEY
from proxy.core.balancing import balancer_class
from proxy.core.hash_key import request_key
from proxy.core.head.request import parse_request_head


def key(hash_key: str, target: str = "/", *fields: str, client: bytes = b"192.0.2.7") -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: Shop.Test:8080", *fields, "\r\n"]
    head = parse_request_head("\r\n".join(lines).encode("latin-1"))
    return request_key(hash_key, head, client) or b"(none)"


def test_the_client_s_address() -> None:
    assert key("client_ip") == b"192.0.2.7"
    assert key("client_ip", client=b"") == b"(none)", "a unix socket has no address"


def test_the_path_without_its_query() -> None:
    assert key("path", "/a/b?c=d") == b"/a/b"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["X-Tenant: acme"], b"acme"),
        (["x-tenant: acme", "X-TENANT: other"], b"acme,other"),
        (["X-Tenant:"], b"(none)"),
        (["X-Tenants: acme"], b"(none)"),
        ([], b"(none)"),
    ],
)
def test_a_header_field(fields: list[str], expected: bytes) -> None:
    assert key("header:X-Tenant", "/", *fields) == expected


def test_fields_that_the_edge_keeps_apart_can_be_keys_as_well() -> None:
    assert key("header:Host") == b"shop.test"
    assert key("header:X-Forwarded-For", "/", "X-Forwarded-For: 203.0.113.9") == b"203.0.113.9"
    assert key("header:Accept", "/", "Accept: text/html") == b"text/html"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["Cookie: sid=1"], b"1"),
        (["Cookie: a=b; sid=1; c=d"], b"1"),
        (["Cookie: a=b;sid = 1 "], b"1"),
        (["Cookie: a=b", "Cookie: sid=1"], b"1"),
        (["Cookie: sid=1; sid=2"], b"1"),
        (["Cookie: sid=a=b=="], b"a=b=="),
        (["Cookie: SID=1"], b"(none)"),
        (["Cookie: xsid=1; sidx=2"], b"(none)"),
        (["Cookie: sid="], b"(none)"),
        (["Cookie: sid"], b"(none)"),
        ([], b"(none)"),
    ],
)
def test_a_cookie(fields: list[str], expected: bytes) -> None:
    assert key("cookie:sid", "/", *fields) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/?id=7", b"7"),
        ("/?a=1&id=7&b=2", b"7"),
        ("/?id=7&id=8", b"7"),
        ("/?id=a%20b", b"a%20b"),
        ("/?id=a=b", b"a=b"),
        ("/?ID=7", b"(none)"),
        ("/?xid=7", b"(none)"),
        ("/?id=", b"(none)"),
        ("/?id", b"(none)"),
        ("/id=7", b"(none)"),
        ("/", b"(none)"),
    ],
)
def test_a_query_parameter(target: str, expected: bytes) -> None:
    assert key("query:id", target) == expected


def test_the_control_plane_knows_which_algorithms_need_a_key() -> None:
    assert {name for name in algorithm_names() if balancer_class(name).needs_key} == BY_KEY
