"""What the edge answers itself, in bytes."""

from time import time
from typing import TYPE_CHECKING

from proxy.core.answers import answer, error_answer
from proxy.errors import MethodRefused, ProxyError

if TYPE_CHECKING:
    from proxy.core.head.request import RequestHead
    from proxy.engine.edge import Edge


def render_error(
    error: ProxyError,
    head: "RequestHead | None",
    request_id: bytes,
    *,
    close: bool,
    fields: str = "",
) -> bytes:
    """The answer to `error`. `head` None: it could not be read; `fields`: further lines."""
    return error_answer(
        error,
        now=time(),
        close=close,
        accept=head.accept if head is not None else b"",
        head_only=head is not None and head.method == b"HEAD",
        request_id=request_id,
        fields=fields,
    )


def render_health(edge: "Edge", head: "RequestHead", request_id: bytes, *, close: bool) -> bytes:
    """The answer to a request for the health path."""
    if head.method not in (b"GET", b"HEAD"):
        return render_error(MethodRefused(), head, request_id, close=close)
    status, body = edge.health()
    extra = f"X-Request-Id: {request_id.decode('ascii')}\r\n"
    return answer(
        status,
        "application/json",
        body,
        now=time(),
        close=close,
        head_only=head.method == b"HEAD",
        extra=extra,
    )
