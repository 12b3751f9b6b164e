"""What can go wrong with a request, as exceptions that carry the decision.

Each error says which status the client gets, whose fault it was (only a
backend's own faults count against it) and whether another backend may be
tried although bytes may have been sent. `proxy.core.answers` turns any of
them into a response; nothing else decides on statuses.
"""

from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    CLIENT = "client"
    BACKEND = "backend"
    EDGE = "edge"


class Cause(StrEnum):
    """Why a request has ended, as the access log tells it: each error class names its own."""

    COMPLETE = "complete"  # the whole response was passed on
    FAILED = "failed"
    BAD_REQUEST = "bad_request"
    NO_ROUTE = "no_route"
    METHOD_REFUSED = "method_refused"
    REQUEST_TIMEOUT = "request_timeout"
    BODY_TOO_LARGE = "body_too_large"
    TARGET_TOO_LONG = "target_too_long"
    HEAD_TOO_LARGE = "head_too_large"
    CLIENT_ABORT = "client_abort"
    UNKNOWN_TRANSFER_CODING = "unknown_transfer_coding"
    BAD_RESPONSE = "bad_response"
    CONNECT_FAILED = "connect_failed"
    BACKEND_RESET = "backend_reset"
    RESPONSE_CUT = "response_cut"
    NO_BACKEND = "no_backend"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    OUT_OF_SOCKETS = "out_of_sockets"
    CONNECT_TIMEOUT = "connect_timeout"
    RESPONSE_TIMEOUT = "response_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    VERSION_REFUSED = "version_refused"
    NO_ROOM = "no_room"
    QUEUE_TIMEOUT = "queue_timeout"
    RATE_LIMITED = "rate_limited"
    TRY_TIMEOUT = "try_timeout"
    UNWANTED_STATUS = "unwanted_status"


class ProxyError(Exception):
    """Base of all. `detail` is shown to the client: it names no address and no secret."""

    status: ClassVar[int] = 500
    cause: ClassVar[Cause] = Cause.FAILED
    blame: ClassVar[Blame] = Blame.EDGE
    # The request never reached a backend: any method may go to another one.
    nothing_sent: ClassVar[bool] = False
    detail: ClassVar[str] = "The request could not be handled."

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or self.detail)
        self.reason = reason or self.detail


class BadRequest(ProxyError):
    status = 400
    cause = Cause.BAD_REQUEST
    blame = Blame.CLIENT
    detail = "The request is malformed."


class NoRoute(ProxyError):
    status = 404
    cause = Cause.NO_ROUTE
    blame = Blame.CLIENT
    detail = "No route matches this host and path."


class MethodRefused(ProxyError):
    """CONNECT would make an open proxy, TRACE would echo secrets (RFC 9110 §9.3.8)."""

    status = 405
    cause = Cause.METHOD_REFUSED
    blame = Blame.CLIENT
    detail = "This method is not served here."


class RequestTimeout(ProxyError):
    status = 408
    cause = Cause.REQUEST_TIMEOUT
    blame = Blame.CLIENT
    detail = "The request did not arrive in time."


class BodyTooLarge(ProxyError):
    status = 413
    cause = Cause.BODY_TOO_LARGE
    blame = Blame.CLIENT
    detail = "The request's body is larger than this service accepts."


class TargetTooLong(ProxyError):
    status = 414
    cause = Cause.TARGET_TOO_LONG
    blame = Blame.CLIENT
    detail = "The request line is longer than this service accepts."


class RateLimited(ProxyError):
    """RFC 6585 §4. `fields`: what the client is told of the limit, each line with CRLF."""

    status = 429
    cause = Cause.RATE_LIMITED
    blame = Blame.CLIENT
    detail = "More requests have come than this service takes."

    def __init__(self, reason: str = "", fields: str = "") -> None:
        super().__init__(reason)
        self.fields = fields


class HeadTooLarge(ProxyError):
    status = 431
    cause = Cause.HEAD_TOO_LARGE
    blame = Blame.CLIENT
    detail = "The request's header fields are larger than this service accepts."


class ClientGone(ProxyError):
    """The client went away first. Nobody gets the status; nginx logs the same one."""

    status = 499
    cause = Cause.CLIENT_ABORT
    blame = Blame.CLIENT
    detail = "The client closed the connection."


class UnknownTransferCoding(ProxyError):
    """RFC 9112 §6.1: a transfer coding that is not understood is answered with 501."""

    status = 501
    cause = Cause.UNKNOWN_TRANSFER_CODING
    blame = Blame.CLIENT
    detail = "The transfer coding is not implemented."


class BadResponse(ProxyError):
    status = 502
    cause = Cause.BAD_RESPONSE
    blame = Blame.BACKEND
    detail = "The backend sent a response that is not valid HTTP."


class ConnectFailed(ProxyError):
    status = 502
    cause = Cause.CONNECT_FAILED
    blame = Blame.BACKEND
    nothing_sent = True
    detail = "The backend could not be reached."


class BackendReset(ProxyError):
    status = 502
    cause = Cause.BACKEND_RESET
    blame = Blame.BACKEND
    detail = "The backend closed the connection before it answered."


class ResponseCut(ProxyError):
    status = 502
    cause = Cause.RESPONSE_CUT
    blame = Blame.BACKEND
    detail = "The backend closed the connection in the middle of its response."


class UnwantedStatus(ProxyError):
    """Its status is one that the pool tries again."""

    status = 502
    cause = Cause.UNWANTED_STATUS
    blame = Blame.BACKEND
    detail = "The backend could not serve the request, and no other one has."


class NoBackend(ProxyError):
    status = 503
    cause = Cause.NO_BACKEND
    blame = Blame.EDGE
    nothing_sent = True
    detail = "No backend is available."


class NoRoom(NoBackend):
    """There are backends, but each has as many requests as it may."""

    cause = Cause.NO_ROOM
    detail = "All backends are busy."


class QueueTimeout(NoRoom):
    cause = Cause.QUEUE_TIMEOUT
    detail = "All backends have been busy for too long."


class TooManyConnections(ProxyError):
    status = 503
    cause = Cause.TOO_MANY_CONNECTIONS
    blame = Blame.EDGE
    nothing_sent = True
    detail = "Too many connections are open."


class OutOfSockets(ProxyError):
    """This machine has no descriptor or port left: no fault of the backend that was asked for."""

    status = 503
    cause = Cause.OUT_OF_SOCKETS
    blame = Blame.EDGE
    nothing_sent = True
    detail = "The load balancer cannot open more connections."


class ConnectTimeout(ProxyError):
    status = 504
    cause = Cause.CONNECT_TIMEOUT
    blame = Blame.BACKEND
    nothing_sent = True
    detail = "The backend did not accept the connection in time."


class ResponseTimeout(ProxyError):
    status = 504
    cause = Cause.RESPONSE_TIMEOUT
    blame = Blame.BACKEND
    detail = "The backend did not answer in time."


class TryTimeout(ResponseTimeout):
    """Another backend may still answer in the time that the whole request has."""

    cause = Cause.TRY_TIMEOUT


class DeadlineExceeded(ProxyError):
    """The whole of the request took too long, whoever was slow."""

    status = 504
    cause = Cause.DEADLINE_EXCEEDED
    blame = Blame.EDGE
    detail = "The request was not completed in the time that is given to one."


class VersionRefused(ProxyError):
    status = 505
    cause = Cause.VERSION_REFUSED
    blame = Blame.CLIENT
    detail = "Only HTTP/1.0 and HTTP/1.1 are served here."
