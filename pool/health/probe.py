"""One HTTP probe: ask, judge the answer, and say why in words an operator would use."""

import ssl
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from time import monotonic
from typing import Any

import msgspec
import requests
from urllib3 import exceptions as urllib3_errors

from pool.addresses import parse_status_ranges, socket_path
from pool.choices import ProbeResult
from pool.health.transport import CannotConnect, ProbeAdapter, request_url
from pool.snapshot import HealthPolicy, TlsPolicy

# Enough to see that the body comes; an endless one must not cost memory or time.
BODY_LIMIT = 64 * 1024

_HEADERS = {
    "User-Agent": "lbsite-health",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}

_DEFAULT_TLS = TlsPolicy()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found. `latency_ms` is the time until the head of the answer was there."""

    result: ProbeResult
    reason: str
    status: int | None = None
    latency_ms: float | None = None


def probe(
    origin: str, policy: HealthPolicy, tls: TlsPolicy = _DEFAULT_TLS, host: str = ""
) -> Outcome:
    """Ask `origin` for `policy.path`; returns within `policy.timeout`, whatever happens.

    As the traffic does: by the pool's rules for certificates, and with the name
    that it sends as Host, if it has one of its own.
    """
    started = monotonic()
    headers = _HEADERS | _host_header(origin, host)
    try:
        request = requests.Request("GET", request_url(origin, policy.path), headers).prepare()
        response = _adapter(tls).send(request, stream=True, timeout=policy.timeout, proxies={})
    except CannotConnect as error:
        return _failed(str(error))
    except _FOREIGN as error:
        return _failed(_explain(error, policy))
    latency_ms = round((monotonic() - started) * 1000, 3)
    return _judge(response, latency_ms, policy)


@lru_cache(maxsize=1000)  # of one pool each; without a bound, old authorities would pile up
def _adapter(tls: TlsPolicy) -> ProbeAdapter:
    return ProbeAdapter(tls)


def _host_header(origin: str, host: str) -> dict[str, str]:
    """A unix socket has no name of its own to send; the rest is http.client's part."""
    name = host or ("localhost" if socket_path(origin) else "")
    return {"Host": name} if name else {}


def _judge(response: requests.Response, latency_ms: float, policy: HealthPolicy) -> Outcome:
    status = response.status_code
    if not any(status in expected for expected in parse_status_ranges(policy.expected_status)):
        response.raw.close()
        reason = f"status {status}, expected {policy.expected_status}"
        return _failed(reason, status, latency_ms)
    try:
        _read_body(response)
    except _FOREIGN as error:
        return _failed(f"status {status}, but {_explain_body(error, policy)}", status, latency_ms)
    finally:
        response.raw.close()
    return Outcome(
        result=ProbeResult.PASS, reason=f"status {status}", status=status, latency_ms=latency_ms
    )


def _read_body(response: requests.Response) -> None:
    left = BODY_LIMIT
    while left > 0 and (piece := response.raw.read(left, decode_content=False)):
        left -= len(piece)


def _failed(reason: str, status: int | None = None, latency_ms: float | None = None) -> Outcome:
    return Outcome(result=ProbeResult.FAIL, reason=reason, status=status, latency_ms=latency_ms)


# What requests, urllib3, http.client, ssl and the socket raise between them.
_FOREIGN = (requests.RequestException, urllib3_errors.HTTPError, HTTPException, OSError, ValueError)

_Reason = Callable[[Any, HealthPolicy], str]

# The first row with an instance anywhere in the chain of causes gives the reason.
_REASONS: tuple[tuple[type[BaseException], _Reason], ...] = (
    (ssl.SSLCertVerificationError, lambda e, _: f"TLS certificate: {e.verify_message}"),
    (ssl.SSLError, lambda e, _: f"TLS failed: {(e.reason or str(e)).replace('_', ' ').lower()}"),
    (TimeoutError, lambda _, policy: f"no answer within {policy.timeout:g} s"),
    (RemoteDisconnected, lambda *_: "connection closed without an answer"),
    (HTTPException, lambda *_: "the answer is not HTTP"),
    (ConnectionError, lambda *_: "connection reset before the answer"),
    (OSError, lambda e, _: str(e.strerror or e).lower()),
)


def _explain(error: BaseException, policy: HealthPolicy) -> str:
    causes = list(_chain(error))
    for kind, reason in _REASONS:
        for cause in causes:
            # A RequestException is an OSError too; it is the wrapper, not the cause.
            if isinstance(cause, kind) and not isinstance(cause, requests.RequestException):
                return reason(cause, policy)
    return f"request failed: {error}"


def _explain_body(error: BaseException, policy: HealthPolicy) -> str:
    causes = list(_chain(error))
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return f"the body was not complete within {policy.timeout:g} s"
    if any(isinstance(cause, IncompleteRead | ConnectionError) for cause in causes):
        return "the body was cut short"
    return "the body is malformed"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes; urllib3 keeps them in `args` and `reason` too."""
    seen: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        current = queue.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            yield current
            queue += [*current.args, getattr(current, "reason", None)]
            queue += [current.__cause__, current.__context__]
