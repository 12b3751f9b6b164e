"""Request heads: what is refused, with which status, and what is understood.

Each refused shape has been used to make a proxy and a backend see two different
messages in the same bytes.
"""

import pytest

from proxy.core.head.request import (
    DEFAULT_LIMITS,
    HeadLimits,
    RequestHead,
    check_unfinished,
    parse_request_head,
)
from proxy.errors import (
    BadRequest,
    HeadTooLarge,
    MethodRefused,
    ProxyError,
    TargetTooLong,
    UnknownTransferCoding,
    VersionRefused,
)


def request(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes | None = b"h") -> bytes:
    fields = ([b"Host: " + host] if host is not None else []) + list(lines)
    return b"\r\n".join([start, *fields, b"", b""])


def parse(
    *lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes | None = b"h"
) -> RequestHead:
    return parse_request_head(request(*lines, start=start, host=host))


# --- framing ---


@pytest.mark.parametrize(
    "lines",
    [
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 0", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: 5", b"content-length: 5"],
        [b"Content-Length: 5, 5"],
        [b"Content-Length: 5,6"],
        [b"Content-Length: +5"],
        [b"Content-Length: -5"],
        [b"Content-Length: 0x5"],
        [b"Content-Length: 5 5"],
        [b"Content-Length: 5;"],
        [b"Content-Length: 5.0"],
        [b"Content-Length: 1_0"],
        [b"Content-Length:"],
        [b"Content-Length: \xb2"],
        [b"Content-Length: " + b"9" * 19],
        [b"Content-Length : 5"],
        [b" Content-Length: 5"],
        [b"Transfer-Encoding: gzip"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding: chunked, gzip"],
        [b"Transfer-Encoding: chunked, chunked"],
        [b"Transfer-Encoding: , chunked"],
        [b"Transfer-Encoding: chunked,"],
        [b"Transfer-Encoding: chunked;q=1"],
        [b'Transfer-Encoding: "chunked"'],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunke"],
        [b"Transfer-Encoding:"],
        [b"Transfer-Encoding: chunked\xa0"],
        [b"Transfer-Encoding: \x0bchunked"],
        [b"Transfer-Encoding: chunked\x00"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding : chunked"],
        [b"Transfer-Encoding\t: chunked"],
        [b"Transfer-Encoding\xa0: chunked"],
        [b"Transfer-Encoding:\r\n chunked"],
        [b"Transfer-Encoding:\r\n\tchunked"],
        [b"X: y\r\n Transfer-Encoding: chunked"],
        [b"X: y\nTransfer-Encoding: chunked"],
        [b"X: y\rTransfer-Encoding: chunked"],
        [b"Connection: content-length", b"Content-Length: 5"],
        [b"Connection: close, Transfer-Encoding", b"Transfer-Encoding: chunked"],
        [b"Connection: host"],
        [b"Connection: connection"],
        [b"Connection: expect"],
        [b"Expect: 200-ok"],
        [b"Expect: 200-ok", b"Expect: 100-continue"],
        [b"Expect: 100-continue, 200-ok"],
    ],
    ids=repr,
)
def test_ambiguous_requests_are_refused(lines: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        parse(*lines, start=b"POST / HTTP/1.1")


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip,chunked", b"GZIP , Chunked"])
def test_a_coding_that_is_not_understood_is_not_implemented(coding: bytes) -> None:
    with pytest.raises(UnknownTransferCoding):
        parse(b"Transfer-Encoding: " + coding, start=b"POST / HTTP/1.1")


def test_http_1_0_has_no_transfer_coding() -> None:
    with pytest.raises(BadRequest):
        parse(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0")


@pytest.mark.parametrize(
    ("lines", "length", "chunked"),
    [
        ([], 0, False),
        ([b"Content-Length: 0"], 0, False),
        ([b"Content-Length: 5"], 5, False),
        ([b"Content-Length:   005  "], 5, False),
        ([b"Content-Length: " + b"9" * 18], 10**18 - 1, False),
        ([b"Transfer-Encoding: chunked"], 0, True),
        ([b"TRANSFER-encoding: \t ChUnKeD \t"], 0, True),
        # Backends behind CGI or WSGI would take them for the real ones: dropped.
        ([b"Content_Length: 5", b"Transfer_Encoding: chunked"], 0, False),
    ],
)
def test_plain_framing_is_understood(lines: list[bytes], length: int, chunked: bool) -> None:
    head = parse(*lines, start=b"POST / HTTP/1.1")
    assert (head.content_length, head.chunked, head.headers) == (length, chunked, [])


# --- syntax ---


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"GET / HTTP/1.1\nHost: h\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h\n\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.1\r\n\r\n", BadRequest),
        (b" GET / HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest),
        (b"\r\n\r\n", BadRequest),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", BadRequest),
    ],
    ids=repr,
)
def test_lines_end_with_cr_and_lf(raw: bytes, error: type[ProxyError]) -> None:
    with pytest.raises(error):
        parse_request_head(raw)


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": nameless",
        b"A B: c",
        b"A(B): c",
        b"A\x7f: c",
        b"A\xe9: c",
        b"A: \x00",
        b"A: \x07",
        b"A: \x1b[31m",
        b"A: \x7f",
        b"A: b\r\n\tc",
    ],
    ids=repr,
)
def test_malformed_fields_are_refused(line: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(line)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"X:", b"X", b""),
        (b"X:y", b"X", b"y"),
        (b"X: \t y \t ", b"X", b"y"),
        (b"x-Mixed-CASE: Y", b"x-Mixed-CASE", b"Y"),
        (b"X: a:b, \xe9\xff", b"X", b"a:b, \xe9\xff"),
        (b"!#$%&'*+-.^_`|~09: y", b"!#$%&'*+-.^_`|~09", b"y"),
    ],
)
def test_fields_pass_as_they_were_spelled(line: bytes, name: bytes, value: bytes) -> None:
    assert parse(line).headers == [(name, value)]


@pytest.mark.parametrize(
    ("start", "error"),
    [
        (b"GET  / HTTP/1.1", BadRequest),
        (b"GET /  HTTP/1.1", BadRequest),
        (b"GET\t/ HTTP/1.1", BadRequest),
        (b"GET / HTTP/1.1 ", BadRequest),
        (b"GET / x HTTP/1.1", BadRequest),
        (b"GET /", BadRequest),
        (b"GET / http/1.1", BadRequest),
        (b"GET / HTTP/1.10", BadRequest),
        (b"GET / HTTP/1,1", BadRequest),
        (b"G(T / HTTP/1.1", BadRequest),
        (b"/ HTTP/1.1", BadRequest),
        (b"GET / HTTP/0.9", VersionRefused),
        (b"GET / HTTP/1.2", VersionRefused),
        (b"GET / HTTP/2.0", VersionRefused),
        (b"PRI * HTTP/2.0", VersionRefused),
        (b"CONNECT h:443 HTTP/1.1", MethodRefused),
        (b"TRACE / HTTP/1.1", MethodRefused),
        (b"GET /#f HTTP/1.1", BadRequest),
        (b"GET /\xe9 HTTP/1.1", BadRequest),
        (b'GET /" HTTP/1.1', BadRequest),
        (b"GET /<b> HTTP/1.1", BadRequest),
        (b"GET x HTTP/1.1", BadRequest),
        (b"GET * HTTP/1.1", BadRequest),
        (b"GET ?q HTTP/1.1", BadRequest),
        (b"GET ftp://h/ HTTP/1.1", BadRequest),
        (b"GET http:///x HTTP/1.1", BadRequest),
        (b"GET http://other/ HTTP/1.1", BadRequest),
        (b"GET http://user@h/ HTTP/1.1", BadRequest),
        (b"GET http://h:99999/ HTTP/1.1", BadRequest),
    ],
    ids=repr,
)
def test_malformed_request_lines_are_refused(start: bytes, error: type[ProxyError]) -> None:
    with pytest.raises(error):
        parse(start=start)


@pytest.mark.parametrize(
    ("start", "target", "path"),
    [
        (b"GET / HTTP/1.1", b"/", b"/"),
        (b"GET /a?b?c HTTP/1.1", b"/a?b?c", b"/a"),
        (b"GET //a HTTP/1.1", b"//a", b"//a"),
        (b"GET /a%20b%2f HTTP/1.1", b"/a%20b%2f", b"/a%20b%2f"),
        (b"OPTIONS * HTTP/1.1", b"*", b"*"),
        (b"GET http://h HTTP/1.1", b"/", b"/"),
        (b"GET http://h/a?b HTTP/1.1", b"/a?b", b"/a"),
        (b"GET http://h?b HTTP/1.1", b"/?b", b"/"),
        (b"GET HTTPS://H/a HTTP/1.1", b"/a", b"/a"),
    ],
)
def test_targets_become_origin_form(start: bytes, target: bytes, path: bytes) -> None:
    head = parse(start=start)
    assert (head.target, head.path, head.host) == (target, path, b"h")


# --- Host ---


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"",
            b"a b",
            b"a/b",
            b"a@b",
            b"a,b",
            b"a\\b",
            b"h:x",
            b"h:80:80",
            b"h:99999",
            b"h:123456",
        ),
        *(b"[::1", b"::1", b"[g::1]", b"\xe9", b"a?b", b"a#b", b"<a>", b"h: 80"),
    ],
)
def test_malformed_hosts_are_refused(host: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(host=host)


@pytest.mark.parametrize(
    ("received", "host"),
    [
        (b"h", b"h"),
        (b"Shop.Example.COM", b"shop.example.com"),
        (b"shop.example.com:8080", b"shop.example.com"),
        (b"shop.example.com.", b"shop.example.com"),
        (b"h:", b"h"),
        (b"[::1]:80", b"[::1]"),
        (b"10.0.0.1", b"10.0.0.1"),
        (b"under_score", b"under_score"),
    ],
)
def test_the_host_is_lower_case_and_without_port(received: bytes, host: bytes) -> None:
    head = parse(host=received)
    assert (head.authority, head.host) == (received, host)


def test_two_hosts_are_refused() -> None:
    with pytest.raises(BadRequest):
        parse(b"host: h")


def test_http_1_1_needs_a_host_even_with_an_absolute_target() -> None:
    with pytest.raises(BadRequest):
        parse(start=b"GET http://h/ HTTP/1.1", host=None)


def test_http_1_0_needs_none() -> None:
    head = parse(start=b"GET / HTTP/1.0", host=None)
    assert (head.authority, head.host) == (b"", b"")
    assert parse(start=b"GET http://h:81/ HTTP/1.0", host=None).authority == b"h:81"


# --- connection, expectations, upgrades ---


@pytest.mark.parametrize(
    ("start", "connection", "keep_alive"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"keep-alive", True),
        (b"GET / HTTP/1.1", b"close", False),
        (b"GET / HTTP/1.1", b"Close", False),
        (b"GET / HTTP/1.1", b"x , CLOSE", False),
        (b"GET / HTTP/1.1", b"keep-alive, close", False),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Keep-Alive", True),
        (b"GET / HTTP/1.0", b"keep-alive, close", False),
    ],
)
def test_keep_alive(start: bytes, connection: bytes, keep_alive: bool) -> None:
    assert parse(b"Connection: " + connection, start=start).keep_alive is keep_alive


def test_two_connection_fields_are_one_list() -> None:
    head = parse(b"Connection: x-one", b"X-One: 1", b"X-Two: 2", b"Connection: close, X-Two")
    assert (head.keep_alive, head.headers) == (False, [])


@pytest.mark.parametrize(
    ("start", "expects"), [(b"POST / HTTP/1.1", True), (b"POST / HTTP/1.0", False)]
)
def test_the_expectation_of_http_1_0_is_ignored(start: bytes, expects: bool) -> None:
    assert parse(b"Expect: 100-Continue", start=start).expects_continue is expects


def test_the_same_expectation_twice_is_one() -> None:
    lines = [b"Expect: 100-continue", b"Expect: 100-continue"]
    assert parse(*lines, start=b"POST / HTTP/1.1").expects_continue


def test_two_te_fields_are_one_list() -> None:
    assert parse(b"TE: trailers", b"TE: gzip;q=0.5").accepts_trailers


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"websocket"),
        ([b"Connection: keep-alive, upgrade", b"Upgrade: websocket"], b"websocket"),
        ([b"Upgrade: websocket"], b""),
        ([b"Connection: Upgrade"], b""),
        ([b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"], b""),
        ([b"Connection: Upgrade", b"Upgrade: websocket, H2C"], b""),
    ],
)
def test_upgrades(lines: list[bytes], upgrade: bytes) -> None:
    head = parse(*lines)
    assert (head.upgrade, head.headers) == (upgrade, [])


def test_an_upgrade_in_http_1_0_is_ignored() -> None:
    head = parse(b"Connection: upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.0")
    assert head.upgrade == b""


@pytest.mark.parametrize(
    ("method", "idempotent"),
    [
        *((method, True) for method in (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE")),
        *((method, False) for method in (b"POST", b"PATCH", b"PROPFIND", b"get")),
    ],
)
def test_which_methods_are_idempotent(method: bytes, idempotent: bool) -> None:
    assert parse(start=method + b" / HTTP/1.1").idempotent is idempotent


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        (b"1", b"0"),
        (b"0010", b"9"),
        (b"99999999", b"99999998"),
        (b"1000000000", b"999999999"),
        (b"9" * 5000, b"999999999"),
        (b"-1", b"-1"),
    ],
)
def test_options_goes_on_for_fewer_hops(received: bytes, sent: bytes) -> None:
    head = parse(b"Max-Forwards: " + received, start=b"OPTIONS / HTTP/1.1")
    assert head.headers == [(b"Max-Forwards", sent)]


@pytest.mark.parametrize("received", [b"0", b"0" * 5000])
def test_options_that_may_go_no_further_ends_here(received: bytes) -> None:
    with pytest.raises(MethodRefused):
        parse(b"Max-Forwards: " + received, start=b"OPTIONS / HTTP/1.1")


# --- limits ---


def test_the_request_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    rest = len(b"GET / HTTP/1.1")
    fits = b"GET /%b HTTP/1.1" % (b"a" * (DEFAULT_LIMITS.line - rest))
    assert len(fits) == DEFAULT_LIMITS.line
    parse(start=fits)
    with pytest.raises(TargetTooLong):
        parse(start=fits.replace(b"/", b"/a", 1))


@pytest.mark.parametrize(("fields", "fits"), [(99, True), (100, False), (300, False)])
def test_too_many_fields_are_too_large(fields: int, fits: bool) -> None:
    lines = [b"X: y"] * fields  # and Host
    if fits:
        assert len(parse(*lines).headers) == fields
    else:
        with pytest.raises(HeadTooLarge):
            parse(*lines)


def test_a_head_may_be_as_long_as_the_limit_and_no_longer() -> None:
    limits = HeadLimits(head=1000)
    raw = request(b"X: ")
    raw = raw.replace(b"X: ", b"X: " + b"y" * (limits.head - len(raw)))
    parse_request_head(raw, limits)
    with pytest.raises(HeadTooLarge):
        parse_request_head(raw.replace(b"X: ", b"X: y"), limits)


@pytest.mark.parametrize(
    ("buffered", "error"),
    [
        (b"G" * 8193, TargetTooLong),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 65536, HeadTooLarge),
        (b"GET / HTTP/1.1\nHost: h", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h\n", BadRequest),
    ],
)
def test_an_unfinished_head_that_cannot_become_valid_is_refused_at_once(
    buffered: bytes, error: type[ProxyError]
) -> None:
    with pytest.raises(error):
        check_unfinished(buffered)


@pytest.mark.parametrize(
    "buffered",
    [
        *(
            b"",
            b"G",
            b"GET / HTTP/1.1\r",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r",
        ),
        b"G" * 8192,
        b"G" * 8192 + b"\r\nHost",
    ],
)
def test_an_unfinished_head_that_may_become_valid_is_waited_for(buffered: bytes) -> None:
    check_unfinished(buffered)
