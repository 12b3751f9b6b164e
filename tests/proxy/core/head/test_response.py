"""Response heads: what is refused as the backend's fault, and what is understood."""

import pytest

from proxy.core.head.response import ResponseHead, parse_response_head
from proxy.errors import BadResponse


def response(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return parse_response_head(b"\r\n".join([start, *lines, b"", b""]))


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5, 5"],
        [b"Content-Length: -1"],
        [b"Content-Length:"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding:"],
        [b"Connection: content-length", b"Content-Length: 5"],
        [b"X : y"],
        [b"X: y\r\n z"],
        [b"X: y\nSet-Cookie: z"],
        [b"X: \x00"],
        [b"no colon"],
    ],
    ids=repr,
)
def test_malformed_responses_are_the_backend_s_fault(lines: list[bytes]) -> None:
    with pytest.raises(BadResponse):
        response(*lines)


@pytest.mark.parametrize(
    "start",
    [
        *(b"", b"junk", b"SSH-2.0-OpenSSH", b"ICY 200 OK", b"GET / HTTP/1.1", b"HTTP/2.0 200 OK"),
        *(b"HTTP/1.1", b"HTTP/1.1 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 2a0 OK"),
        *(b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b" HTTP/1.1 200 OK", b"http/1.1 200 OK"),
        *(b"HTTP/1.1 000 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 999 OK"),
    ],
)
def test_what_is_no_status_line_is_the_backend_s_fault(start: bytes) -> None:
    with pytest.raises(BadResponse):
        response(start=start)


def test_a_transfer_coding_in_http_1_0_is_the_backend_s_fault() -> None:
    with pytest.raises(BadResponse):
        response(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK")


@pytest.mark.parametrize(
    ("start", "lines", "length", "chunked", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK", [], -1, False, True),
        (b"HTTP/1.1 200", [b"Content-Length: 0"], 0, False, True),
        (b"HTTP/1.1 599 ", [b"Content-Length: 7"], 7, False, True),
        (b"HTTP/1.1 200 OK", [b"Transfer-Encoding: Chunked"], -1, True, True),
        (b"HTTP/1.1 200 OK", [b"Connection: close"], -1, False, False),
        (b"HTTP/1.0 200 OK", [b"Content-Length: 1"], 1, False, False),
        (b"HTTP/1.0 200 OK", [b"Connection: Keep-Alive"], -1, False, True),
    ],
)
def test_responses_are_understood(
    start: bytes, lines: list[bytes], length: int, chunked: bool, keep_alive: bool
) -> None:
    head = response(*lines, start=start)
    assert (head.content_length, head.chunked, head.keep_alive) == (length, chunked, keep_alive)
    assert head.headers == []


@pytest.mark.parametrize("status", [100, 103, 204])
def test_a_response_that_has_no_content_has_no_framing(status: int) -> None:
    """RFC 9110 §8.6 and RFC 9112 §6.1: neither field may stand in it."""
    start = b"HTTP/1.1 %d X" % status
    assert response(b"Content-Length: 5", start=start).content_length == -1
    assert response(b"Transfer-Encoding: chunked", start=start).chunked is False


@pytest.mark.parametrize(
    ("line", "reusable"),
    [
        (b"Content-Length: 5", False),
        (b"Transfer-Encoding: chunked", False),
        (b"Content-Length: 0", True),
        (b"X: y", True),
    ],
)
def test_content_that_was_announced_with_204_is_not_read_as_the_next_response(
    line: bytes, reusable: bool
) -> None:
    assert response(line, start=b"HTTP/1.1 204 No Content").keep_alive is reusable


def test_end_to_end_fields_of_a_response_pass_in_order_and_hop_by_hop_ones_do_not() -> None:
    head = response(
        b"Server: s",
        b"Set-Cookie: a=1",
        b"Keep-Alive: timeout=5",
        b"Set-Cookie: b=2",
        b"Proxy-Authenticate: Basic",
        b"Trailer: X",
        b"Connection: x-internal, keep-alive",
        b"X-Internal: secret",
        b"Upgrade: h2c",
        b"Via: 1.1 cache",
        b"X-Request-Id: r",
    )
    assert [name for name, _ in head.headers] == [
        *(b"Server", b"Set-Cookie", b"Set-Cookie", b"Via", b"X-Request-Id"),
    ]
