"""What `requests` raises, in the core's words: whose fault it was, and what had been sent."""

import ssl
from http.client import BadStatusLine, HTTPException, RemoteDisconnected

from requests import exceptions as foreign
from urllib3 import exceptions as urllib3_errors

from pool.causes import causes_of
from proxy.errors import (
    BackendReset,
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    ProxyError,
    ResponseCut,
    ResponseTimeout,
)

# What a try may fail with. Everything else that `requests` raises is the caller's doing.
FAILURES = (
    ProxyError,
    foreign.ConnectionError,
    foreign.Timeout,
    foreign.ChunkedEncodingError,
    foreign.ContentDecodingError,
)


class BadStatus(ProxyError):
    """An answer with a status that counts as a failure: the request has arrived."""

    status = BackendReset.status
    blame = BackendReset.blame
    detail = "The backend answered with an error."


# The first row with an instance anywhere in the chain of causes says what it was. Above
# are those in which not a byte of the request can have been sent.
_CAUSES: tuple[tuple[type[BaseException], type[ProxyError]], ...] = (
    (foreign.ContentDecodingError, BadResponse),
    (urllib3_errors.NewConnectionError, ConnectFailed),  # also counts as the next one
    (urllib3_errors.ConnectTimeoutError, ConnectTimeout),
    (urllib3_errors.ProxyError, ConnectFailed),
    (ssl.SSLCertVerificationError, ConnectFailed),
    (foreign.ConnectTimeout, ConnectTimeout),
    (foreign.ChunkedEncodingError, ResponseCut),
    (urllib3_errors.IncompleteRead, ResponseCut),
    (foreign.ReadTimeout, ResponseTimeout),
    (urllib3_errors.ReadTimeoutError, ResponseTimeout),
    (RemoteDisconnected, BackendReset),
    (urllib3_errors.InvalidHeader, BadResponse),
    (BadStatusLine, BadResponse),
    (HTTPException, BadResponse),
    (BaseException, BackendReset),
)


def failure_of(error: BaseException) -> ProxyError:
    """`error` is one of `FAILURES`, or of urllib3's."""
    if isinstance(error, ProxyError):
        return error
    causes = list(causes_of(error))
    kind = next(
        kind
        for cause_type, kind in _CAUSES
        if any(isinstance(cause, cause_type) for cause in causes)
    )
    return kind(_reason(causes, kind))


def _reason(causes: list[BaseException], kind: type[ProxyError]) -> str:
    """Never the text of the whole error: it repeats the URL, which may hold secrets."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS certificate: {cause.verify_message}"
        wrapper = isinstance(cause, foreign.RequestException)  # which is an OSError too
        if isinstance(cause, OSError) and not wrapper and cause.strerror:
            return cause.strerror.lower()
    return kind.detail
