"""What the edge itself answers: short, in the client's language, and telling nothing inside."""

import json

import pytest

from proxy.core.answers import RETRY_AFTER, answer, error_answer
from proxy.errors import ConnectFailed, MethodRefused, NoBackend, NoRoute, ProxyError

NOW = 784111777.5  # RFC 9110 §5.6.7's example date


def ask(
    error: ProxyError,
    *,
    accept: bytes = b"*/*",
    head_only: bool = False,
    close: bool = False,
    request_id: bytes = b"r1",
) -> tuple[bytes, dict[str, str], bytes]:
    """(status line, fields by lower-case name, body) of the answer to `error`."""
    raw = error_answer(
        error, now=NOW, close=close, accept=accept, head_only=head_only, request_id=request_id
    )
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    fields = [line.decode().split(": ", 1) for line in lines]
    return start, {name.lower(): value for name, value in fields}, body


def test_text_by_default() -> None:
    start, fields, body = ask(NoRoute())
    assert start == b"HTTP/1.1 404 Not Found"
    assert fields["content-type"] == "text/plain; charset=utf-8"
    assert fields["date"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert fields["cache-control"] == "no-store"
    assert fields["x-request-id"] == "r1"
    assert fields["content-length"] == str(len(body))
    assert body == b"404 Not Found\nNo route matches this host and path.\n"


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (b"", False),
        (b"*/*", False),
        (b"text/html,*/*;q=0.8", False),
        (b"application/json", True),
        (b"Application/JSON", True),
        (b"application/problem+json", True),
        (b"application/vnd.api+json", True),
        (b"text/html, application/json;q=0.9", True),
    ],
)
def test_json_when_the_client_names_it(accept: bytes, is_json: bool) -> None:
    _, fields, body = ask(NoBackend(), accept=accept)
    assert (fields["content-type"] == "application/problem+json") is is_json
    if is_json:
        assert json.loads(body) == {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": NoBackend.detail,
            "instance": "urn:request:r1",
        }


def test_without_a_request_id_there_is_none() -> None:
    _, fields, body = ask(NoRoute(), accept=b"application/json", request_id=b"")
    assert "x-request-id" not in fields
    assert "instance" not in json.loads(body)


@pytest.mark.parametrize("accept", [b"", b"application/json"])
def test_head_gets_the_same_head_and_no_body(accept: bytes) -> None:
    start, fields, body = ask(NoRoute(), accept=accept)
    assert ask(NoRoute(), accept=accept, head_only=True) == (start, fields, b"")
    assert body


def test_503_says_when_to_come_back() -> None:
    assert ask(NoBackend())[1]["retry-after"] == str(RETRY_AFTER)
    assert "retry-after" not in ask(ConnectFailed())[1]


def test_405_says_what_is_allowed() -> None:
    allowed = ask(MethodRefused())[1]["allow"].split(", ")
    assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} == set(allowed)
    assert "allow" not in ask(NoRoute())[1]


@pytest.mark.parametrize("close", [True, False])
def test_the_end_of_the_connection_is_announced(close: bool) -> None:
    assert ask(NoRoute(), close=close)[1].get("connection") == ("close" if close else None)


@pytest.mark.parametrize("accept", [b"", b"application/json"])
def test_no_address_and_no_reason_leaks(accept: bytes) -> None:
    error = ConnectFailed("connect to 10.1.2.3:5432 as user:secret refused")
    raw = error_answer(error, now=NOW, close=True, accept=accept, head_only=False, request_id=b"r1")
    assert b"10.1.2.3" not in raw
    assert b"secret" not in raw
    assert error.detail.encode() in raw


@pytest.mark.parametrize(("head_only", "sent"), [(False, b"ok"), (True, b"")])
def test_a_whole_answer(head_only: bool, sent: bytes) -> None:
    data = answer(
        200, "text/plain", b"ok", now=NOW, close=False, head_only=head_only, extra="X: y\r\n"
    )
    assert data == (
        b"HTTP/1.1 200 OK\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Type: text/plain\r\n"
        b"Content-Length: 2\r\n"
        b"X: y\r\n\r\n" + sent
    )
