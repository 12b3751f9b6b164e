"""A transport for `requests` under which a whole exchange ends by one deadline.

The timeouts of `requests` bound each wait for a byte. A backend that trickles
its head or body keeps such a client busy for ever, and name resolution is not
bounded at all. Here the connection carries a deadline: resolving, connecting,
the TLS handshake and every read get what is left of it.

A connection serves one probe. Reuse would hide a backend that no longer accepts.
"""

import socket
import ssl
from functools import cached_property
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pool.addresses import origin_host_and_port, socket_path
from pool.resolver import Address, Resolver
from pool.snapshot import TlsPolicy
from pool.sockets import BoundedSocket, BoundedTLSSocket, open_socket, remaining
from pool.tls import client_context


class CannotConnect(Exception):
    """No connection; the message is the reason for people.

    Neither an OSError nor urllib3's: it passes through both libraries untouched.
    """


_resolver = Resolver()


def connect(origin: str, seconds: float) -> None:
    """Connect within so many seconds and close again; CannotConnect if that fails."""
    deadline = monotonic() + seconds
    if path := socket_path(origin):
        addresses = [_of_socket(path)]
    else:
        addresses = _resolve(*origin_host_and_port(origin), deadline)
    _open_any(addresses, seconds, deadline).close()


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    try:
        return _resolver.resolve(host, port, remaining(deadline))
    except TimeoutError:
        raise CannotConnect(f"name did not resolve in time: {host}") from None
    except (OSError, UnicodeError) as error:
        raise CannotConnect(f"name does not resolve: {host}") from error


def _of_socket(path: str) -> Address:
    return socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path


def _open_any(addresses: list[Address], seconds: float, deadline: float) -> BoundedSocket:
    """Connected to the first that takes a connection."""
    refused: OSError | None = None
    for address in addresses:
        try:
            return open_socket(address, deadline)
        except TimeoutError:
            raise CannotConnect(f"no connection within {seconds:g} s") from None
        except OSError as error:
            refused = error
    raise CannotConnect(_why(refused)) from refused


class _Connection(HTTPConnection):
    """`self.timeout` is the time for everything, counted from the attempt to connect."""

    _deadline: float = inf

    def _new_conn(self) -> socket.socket:
        seconds = float(self.timeout or inf)
        self._deadline = monotonic() + seconds
        return _open_any(self._addresses(), seconds, self._deadline)

    def _addresses(self) -> list[Address]:
        return _resolve(self._dns_host, int(self.port), self._deadline)


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, BoundedTLSSocket):
            self.sock.deadline = self._deadline


class _UnixConnection(_Connection):
    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _addresses(self) -> list[Address]:
        return [_of_socket(self._path)]


def _why(error: OSError | None) -> str:
    if error is None:
        return "name has no address"
    return (error.strerror or str(error)).lower()  # "connection refused", "no route to host"


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connects, without urllib3's warning: who does not verify has chosen not to."""
        if conn.is_closed:
            conn.connect()


class _UnixPool(HTTPConnectionPool):
    ConnectionCls = _UnixConnection


def request_url(origin: str, target: str) -> str:
    """The URL to ask for; of a unix socket the path stands, percent-encoded, where a host would."""
    path = socket_path(origin)
    return f"unix://{quote(path, safe='')}{target}" if path else origin + target


class ProbeAdapter(HTTPAdapter):
    """Used without a Session: no cookies, netrc, redirects, nor proxies from the environment."""

    def __init__(self, tls: TlsPolicy) -> None:
        super().__init__()
        self._tls = tls

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        context = client_context(self._tls.verify, self._tls.ca)
        context.sslsocket_class = BoundedTLSSocket
        return context

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> urllib3.HTTPConnectionPool:
        url = urlsplit(request.url or "")
        if url.scheme == "unix":
            return _UnixPool("localhost", path=unquote(url.netloc))
        host, port = origin_host_and_port(url.geturl())
        if url.scheme == "https":
            name = self._tls.server_name or host
            return _TLSPool(host, port, ssl_context=self._tls_context, server_hostname=name)
        return _Pool(host, port)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """The context verifies, against the store that it has loaded already."""
