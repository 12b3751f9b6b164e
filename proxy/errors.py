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


class ProxyError(Exception):
    """Base of all. `detail` is shown to the client: it names no address and no secret."""

    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.EDGE
    # The request never reached a backend: any method may go to another one.
    nothing_sent: ClassVar[bool] = False
    detail: ClassVar[str] = "The request could not be handled."

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or self.detail)
        self.reason = reason or self.detail


class BadRequest(ProxyError):
    status = 400
    blame = Blame.CLIENT
    detail = "The request is malformed."


class NoRoute(ProxyError):
    status = 404
    blame = Blame.CLIENT
    detail = "No route matches this host and path."


class MethodRefused(ProxyError):
    """CONNECT would make an open proxy, TRACE would echo secrets (RFC 9110 §9.3.8)."""

    status = 405
    blame = Blame.CLIENT
    detail = "This method is not served here."


class RequestTimeout(ProxyError):
    status = 408
    blame = Blame.CLIENT
    detail = "The request did not arrive in time."


class BodyTooLarge(ProxyError):
    status = 413
    blame = Blame.CLIENT
    detail = "The request's body is larger than this service accepts."


class TargetTooLong(ProxyError):
    status = 414
    blame = Blame.CLIENT
    detail = "The request line is longer than this service accepts."


class HeadTooLarge(ProxyError):
    status = 431
    blame = Blame.CLIENT
    detail = "The request's header fields are larger than this service accepts."


class ClientGone(ProxyError):
    """The client went away first. Nobody gets the status; nginx logs the same one."""

    status = 499
    blame = Blame.CLIENT
    detail = "The client closed the connection."


class UnknownTransferCoding(ProxyError):
    """RFC 9112 §6.1: a transfer coding that is not understood is answered with 501."""

    status = 501
    blame = Blame.CLIENT
    detail = "The transfer coding is not implemented."


class BadResponse(ProxyError):
    status = 502
    blame = Blame.BACKEND
    detail = "The backend sent a response that is not valid HTTP."


class ConnectFailed(ProxyError):
    status = 502
    blame = Blame.BACKEND
    nothing_sent = True
    detail = "The backend could not be reached."


class BackendReset(ProxyError):
    status = 502
    blame = Blame.BACKEND
    detail = "The backend closed the connection before it answered."


class ResponseCut(ProxyError):
    status = 502
    blame = Blame.BACKEND
    detail = "The backend closed the connection in the middle of its response."


class NoBackend(ProxyError):
    status = 503
    blame = Blame.EDGE
    nothing_sent = True
    detail = "No backend is available."


class TooManyConnections(ProxyError):
    status = 503
    blame = Blame.EDGE
    nothing_sent = True
    detail = "Too many connections are open."


class ConnectTimeout(ProxyError):
    status = 504
    blame = Blame.BACKEND
    nothing_sent = True
    detail = "The backend did not accept the connection in time."


class ResponseTimeout(ProxyError):
    status = 504
    blame = Blame.BACKEND
    detail = "The backend did not answer in time."


class DeadlineExceeded(ProxyError):
    """The whole of the request took too long, whoever was slow."""

    status = 504
    blame = Blame.EDGE
    detail = "The request was not completed in the time that is given to one."


class VersionRefused(ProxyError):
    status = 505
    blame = Blame.CLIENT
    detail = "Only HTTP/1.0 and HTTP/1.1 are served here."
