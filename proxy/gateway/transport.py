"""How backends are reached from a thread: `requests`' adapter, under a pool's policies."""

import socket
from functools import cached_property
from math import inf
from ssl import SSLContext
from threading import local
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util import SKIP_HEADER

from pool.addresses import origin_host_and_port
from pool.health.transport import request_url
from pool.snapshot import PoolSpec, TlsPolicy
from pool.tls import client_context
from proxy.client.final import FinalResponse
from proxy.client.session import Adapter
from proxy.core.backend import Backend
from proxy.gateway.kept import Kept

_Policy = tuple[TlsPolicy, float]  # and seconds without a byte
_ADDED = ("User-Agent", "Accept-Encoding")  # by urllib3, where the client has not sent them


class Transport:
    """Adapters used without a Session: no cookies, netrc, redirects nor environment's proxies.

    One a thread for each policy, with the connections that it keeps.
    """

    def __init__(self) -> None:
        self._local = local()

    def send(self, backend: Backend, pool: PoolSpec, head: bytes, body: Any) -> requests.Response:
        """`head`: as it would go to the backend, without the empty line at its end."""
        line, *fields = head.split(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ")
        request = requests.PreparedRequest()
        request.method = method
        request.url = request_url(backend.spec.url, target)
        request.headers = _headers(fields)
        request.body = body
        request.hooks = default_hooks()
        request._cookies = RequestsCookieJar()  # type: ignore[attr-defined]
        timeouts, longest = pool.timeouts, pool.retry.try_timeout or inf
        return self._adapters.get((pool.tls, timeouts.idle)).send(
            request,
            stream=True,
            timeout=(min(timeouts.connect, longest), min(timeouts.response, longest)),
        )

    @property
    def _adapters(self) -> Kept[_Policy, "_PolicyAdapter"]:
        adapters: Kept[_Policy, _PolicyAdapter] | None = getattr(self._local, "adapters", None)
        if adapters is None:
            adapters = self._local.adapters = Kept(_PolicyAdapter)
        return adapters


class _Connections(HTTPAdapter):
    """Connections by origin, made under one TLS policy."""

    def __init__(self, policy: _Policy) -> None:
        super().__init__()
        self._tls, self._idle = policy
        self._pools: Kept[str, HTTPConnectionPool] = Kept(self._connect_to)

    @cached_property
    def _context(self) -> SSLContext:
        return client_context(self._tls.verify, self._tls.ca)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> HTTPConnectionPool:
        url = urlsplit(request.url or "")
        return self._pools.get(f"{url.scheme}://{url.netloc}")

    def close(self) -> None:
        self._pools.close()
        super().close()

    def _connect_to(self, origin: str) -> HTTPConnectionPool:
        scheme, _, authority = origin.partition("://")
        if scheme == "unix":
            return _UnixPool("localhost", path=unquote(authority), idle=self._idle)
        host, port = origin_host_and_port(origin)
        if scheme == "http":
            return _HttpPool(host, port, idle=self._idle)
        name = self._tls.server_name or host
        return _HttpsPool(
            host, port, ssl_context=self._context, server_hostname=name, idle=self._idle
        )

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """The context verifies, against the store that it has loaded already."""


class _PolicyAdapter(Adapter, _Connections):
    pass


class _Patient(HTTPConnection):
    """`idle`: seconds without a byte, once the response's head is there."""

    response_class = FinalResponse

    def __init__(self, *args: Any, idle: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle = idle

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        sock = self.sock  # not kept here if it serves no other request after this one
        response = super().getresponse()
        sock.settimeout(self._idle)
        return response


class _PatientTLS(_Patient, HTTPSConnection):
    pass


class _UnixConnection(_Patient):
    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
            sock.connect(self._path)
        except TimeoutError as error:
            sock.close()
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            sock.close()
            raise NewConnectionError(self, "no connection") from error
        return sock


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Patient


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PatientTLS


class _UnixPool(HTTPConnectionPool):
    ConnectionCls = _UnixConnection


def _headers(fields: list[bytes]) -> CaseInsensitiveDict[Any]:
    """Repeated fields are one list (RFC 9110 §5.3)."""
    headers: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
    for field in fields:
        name, _, value = field.decode("latin-1").partition(": ")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    for name in _ADDED:
        headers.setdefault(name, SKIP_HEADER)
    return headers
