"""What the edge answers itself, in bytes; counted, and told to whom it concerns."""

from time import time
from typing import TYPE_CHECKING

from proxy.core.answers import answer, error_answer
from proxy.engine.prepared import HEALTH_PATH, Prepared
from proxy.errors import MethodRefused, ProxyError, RateLimited

if TYPE_CHECKING:
    from proxy.core.forward import Peer
    from proxy.core.head.request import RequestHead
    from proxy.engine.edge import Edge


def own_answer(edge: "Edge", prepared: Prepared, error: ProxyError, *, close: bool) -> bytes:
    """The answer to a request that goes to no backend, because of `error` or of its path."""
    head = prepared.head
    request_id = prepared.request_id or edge.next_request_id()
    if head.path == HEALTH_PATH:
        return _health(edge, head, request_id, close=close)
    fields = error.fields if isinstance(error, RateLimited) else ""
    data = render_error(error, head, request_id, close=close, fields=fields)
    received = len(prepared.raw)
    edge.counters.refused(prepared.route, error, received, len(data))
    edge.ends.refused(error, prepared.client, request_id, received, len(data), prepared)
    return data


def refusal(edge: "Edge", error: ProxyError, peer: "Peer", received: int) -> bytes:
    """The answer to `received` bytes of a head that could not be read."""
    request_id = edge.next_request_id()
    data = render_error(error, None, request_id, close=True)
    edge.counters.refused(None, error, received, len(data))
    edge.ends.refused(error, peer.address, request_id, received, len(data))
    return data


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


def _health(edge: "Edge", head: "RequestHead", request_id: bytes, *, close: bool) -> bytes:
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
