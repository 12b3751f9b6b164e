"""One POST to a place that an operator has named: bounded, guarded, and never followed elsewhere.

The address is checked where the connection is made, on the very address that is connected to:
a name that resolves to something else a moment later gains nothing. Proxies of the
environment are not used, as they would do the resolving.
"""

import ssl
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

from pool.alerts.addresses import is_internal
from pool.alerts.outcome import Outcome
from pool.resolver import Address, Resolver
from pool.sockets import BoundedTLSSocket, open_socket, remaining
from pool.tls import client_context

SECONDS = 10.0  # for all of it: resolving, connecting, handshake, request, and answer's head
EXCERPT = 500  # bytes of the answer that are kept

_RETRIED = frozenset({408, 425, 429})  # besides 5xx: what may be different in a moment

_resolver = Resolver(threads=8)


class _CannotConnect(Exception):
    """The message is the reason for people."""


class _Connection(HTTPConnection):
    """Connects to addresses that are admitted, and only to these."""

    internal = False
    deadline = 0.0

    def connect(self) -> None:
        refusal = f"{self.host} has no address"
        for address in self._addresses():
            host = str(address[4][0])
            if not self.internal and is_internal(host):
                refusal = f"{host} is an internal address: LB_ALERT_INTERNAL=true allows those"
                continue
            try:
                self.sock = open_socket(address, self.deadline)
            except OSError as error:
                refusal = _why(error)
            else:
                return
        raise _CannotConnect(refusal)

    def _addresses(self) -> list[Address]:
        try:
            return _resolver.resolve(self.host, self.port, remaining(self.deadline))
        except TimeoutError:
            raise _CannotConnect(f"name did not resolve in time: {self.host}") from None
        except (OSError, UnicodeError):
            raise _CannotConnect(f"name does not resolve: {self.host}") from None


class _TLSConnection(HTTPSConnection, _Connection):
    """In this order HTTPSConnection wraps what `_Connection` has connected."""

    sock: BoundedTLSSocket

    def connect(self) -> None:
        super().connect()
        self.sock.deadline = self.deadline


_tls_context = cache(client_context)


def post(url: str, body: bytes, headers: dict[str, str], *, internal: bool) -> Outcome:
    """Send `body`; never raises for what the other side does, and never repeats the URL."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    started = monotonic()
    connection.internal, connection.deadline = internal, started + SECONDS
    try:
        connection.connect()
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        return _judge(response, started)
    except _CannotConnect as error:
        return Outcome(detail=str(error))
    except (OSError, HTTPException, ValueError) as error:
        late = monotonic() >= connection.deadline
        return Outcome(detail=f"no answer within {SECONDS:g} s" if late else _why(error))
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> _Connection:
    """With a port in any case: without one, http.client takes the end of an IPv6 address for it."""
    if scheme == "https":
        context = _tls_context()
        context.sslsocket_class = BoundedTLSSocket
        return _TLSConnection(host, port or 443, context=context)
    return _Connection(host, port or 80)


def _judge(response: HTTPResponse, started: float) -> Outcome:
    status = response.status
    milliseconds = (monotonic() - started) * 1000
    detail = f"status {status} after {milliseconds:.0f} ms"
    if 300 <= status < 400:
        detail += ": redirects are not followed"
    delivered = 200 <= status < 300
    return Outcome(
        delivered=delivered,
        permanent=not delivered and status < 500 and status not in _RETRIED,
        status=status,
        detail=detail,
        excerpt=_excerpt(response),
        retry_after=_seconds(response.headers.get("Retry-After", "")),
    )


def _excerpt(response: HTTPResponse) -> str:
    """How the answer's body begins, as far as it came; its head has said all that matters."""
    try:
        text = response.read(EXCERPT).decode(errors="replace")
    except (OSError, HTTPException, ValueError):
        return ""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _seconds(text: str) -> int:
    """The number of seconds in a Retry-After; 0 for a date, which few send."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown').replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return f"no connection or answer within {SECONDS:g} s"
    if isinstance(error, OSError):
        return (error.strerror or "connection closed without an answer").lower()
    return "the answer is not HTTP"
