"""Responses the edge gives itself: errors, and its own health."""

import json
from http import HTTPStatus

from proxy.core.date import http_date
from proxy.errors import ProxyError

RETRY_AFTER = 5  # seconds; by then a probe at the default interval has seen a recovery
_PROBLEM = "application/problem+json"
# RFC 9110 §15.5.14, §15.5.15; before 3.13 Python has the names of RFC 2616.
_RENAMED = {413: "Content Too Large", 414: "URI Too Long"}


def _reason(status: int) -> str:
    try:
        return _RENAMED.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def wants_json(accept: bytes) -> bool:
    """Whether the client named JSON in `Accept`; a bare */* gets text, as curl's user reads it."""
    return b"json" in accept.lower()


def answer(
    status: int,
    content_type: str,
    body: bytes,
    *,
    now: float,
    close: bool,
    head_only: bool,
    extra: str = "",
) -> bytes:
    """A whole response. `now`: Unix seconds; `extra`: further field lines, each with CRLF.

    `head_only`: without `body`, of which the head tells nevertheless (RFC 9110 §9.3.2).
    """
    connection = "Connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {status} {_reason(status)}\r\n"
        f"Date: {http_date(int(now))}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{extra}{connection}\r\n"
    )
    return head.encode("latin-1") + (b"" if head_only else body)


def error_answer(
    error: ProxyError,
    *,
    now: float,
    close: bool,
    accept: bytes,
    head_only: bool,
    request_id: bytes,
    fields: str = "",
) -> bytes:
    """What the client is told of `error` (RFC 9457 if it asked for JSON).

    `fields`: further lines of the head, each with CRLF.
    """
    identifier = request_id.decode("ascii")
    title = _reason(error.status)
    if wants_json(accept):
        content_type = _PROBLEM
        problem = {"type": "about:blank", "title": title, "status": error.status}
        problem |= {"detail": error.detail}
        if identifier:
            problem["instance"] = f"urn:request:{identifier}"
        body = json.dumps(problem).encode()
    else:
        content_type = "text/plain; charset=utf-8"
        body = f"{error.status} {title}\n{error.detail}\n".encode()
    extra = "Cache-Control: no-store\r\n"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra += f"Retry-After: {RETRY_AFTER}\r\n"
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        extra += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    if identifier:
        extra += f"X-Request-Id: {identifier}\r\n"
    extra += fields
    return answer(
        error.status,
        content_type,
        body,
        now=now,
        close=close,
        head_only=head_only,
        extra=extra,
    )
