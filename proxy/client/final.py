"""Interim responses are passed over: the final one is what a request is answered with.

RFC 9110 §15.2: a client MUST be able to parse any number of them, expected or not.
`http.client` does so with 100 alone. It takes a 103 (Early Hints) for the response and
leaves the final one on the connection, where the next request would find it.
"""

from http.client import BadStatusLine, HTTPResponse, parse_headers

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST = 100  # interim responses before a final one
_SWITCHING, _OK = 101, 200  # 101 is final for the protocol that it ends


class FinalResponse(HTTPResponse):
    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not _SWITCHING < line[1] < _OK:
                return line
            parse_headers(self.fp)
        raise BadStatusLine("interim responses without an end")


class _Connection(HTTPConnection):
    response_class = FinalResponse


class _TLSConnection(HTTPSConnection):
    response_class = FinalResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS = {"http": _Pool, "https": _TLSPool}  # in the place of urllib3's
