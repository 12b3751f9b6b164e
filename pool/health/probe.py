"""One probe: ask, judge the answer, and say why in words an operator would use."""

import ssl
from collections.abc import Callable
from functools import lru_cache
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from time import monotonic
from typing import Any

import msgspec
import requests
from urllib3 import exceptions as urllib3_errors

from pool.addresses import parse_status_ranges, socket_path
from pool.causes import causes_of
from pool.choices import ProbeKind, ProbeResult
from pool.health import pattern
from pool.health.transport import CannotConnect, ProbeAdapter, connect, request_url
from pool.snapshot import HealthPolicy, TlsPolicy

# Enough to see that the body comes; an endless one must not cost memory or time.
BODY_LIMIT = 64 * 1024
EXCERPT = 200  # bytes of the body of an answer that failed that are shown to people

_HEADERS = {
    "User-Agent": "lbsite-health",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}

_DEFAULT_TLS = TlsPolicy()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found. `latency_ms`: until the answer's head, or the connection, was there.

    `excerpt`: how the body of an answer that failed began.
    """

    result: ProbeResult
    reason: str
    status: int | None = None
    latency_ms: float | None = None
    excerpt: str = ""


def probe(
    origin: str, policy: HealthPolicy, tls: TlsPolicy = _DEFAULT_TLS, host: str = ""
) -> Outcome:
    """Ask `origin` as `policy` says; returns within `policy.timeout`, whatever happens.

    By the pool's rules for certificates, and with `host` as Host unless it is "".
    """
    started = monotonic()
    try:
        if policy.kind is ProbeKind.TCP:
            connect(origin, policy.timeout)
            return _passed("connected", None, _milliseconds(started), policy)
        response = _adapter(tls).send(
            _request(origin, policy, host), stream=True, timeout=policy.timeout, proxies={}
        )
    except CannotConnect as error:
        return _failed(str(error))
    except _FOREIGN as error:
        return _failed(_explain(error, policy))
    return _judge(response, _milliseconds(started), policy)


def _request(origin: str, policy: HealthPolicy, host: str) -> requests.PreparedRequest:
    fields = requests.structures.CaseInsensitiveDict(_HEADERS | _host_header(origin, host))
    fields.update((rule.name, rule.value) for rule in policy.headers)
    return requests.Request(policy.method, request_url(origin, policy.path), fields).prepare()


def _milliseconds(started: float) -> float:
    return round((monotonic() - started) * 1000, 3)


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
        reason = f"status {status}{_to(response)}, expected {policy.expected_status}"
        return _failed(reason, status, latency_ms, _read_excerpt(response))
    try:
        body = _read_body(response, pattern.SEARCHED if policy.body else BODY_LIMIT)
    except _FOREIGN as error:
        return _failed(f"status {status}, but {_explain_body(error, policy)}", status, latency_ms)
    finally:
        response.raw.close()
    if policy.body and not pattern.found(policy.body, body):
        reason = f"status {status}, but the body does not contain {policy.body}"
        return _failed(reason, status, latency_ms, _plain(body))
    return _passed(f"status {status}", status, latency_ms, policy)


def _to(response: requests.Response) -> str:
    """Where a redirect leads, which is often all that one needs to know: to a login, to itself."""
    where = _plain(response.headers.get("Location", "").encode()) if response.is_redirect else ""
    return f" (a redirect to {where}, not followed)" if where else ""


def _read_body(response: requests.Response, limit: int) -> bytes:
    body = bytearray()
    while len(body) < limit and (
        piece := response.raw.read(limit - len(body), decode_content=False)
    ):
        body += piece
    return bytes(body)


def _read_excerpt(response: requests.Response) -> str:
    try:
        return _plain(_read_body(response, EXCERPT))
    except _FOREIGN:
        return ""  # the status says enough
    finally:
        response.raw.close()


def _plain(body: bytes) -> str:
    """One line without control characters, which no database or terminal should get."""
    text = body[:EXCERPT].decode(errors="replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _passed(reason: str, status: int | None, latency_ms: float, policy: HealthPolicy) -> Outcome:
    result, limit = ProbeResult.PASS, policy.degraded_latency
    if 0 < limit * 1000 < latency_ms:
        result = ProbeResult.SLOW
        reason = f"{reason}, but only after {latency_ms / 1000:.2f} s (limit {limit:g} s)"
    return Outcome(result=result, reason=reason, status=status, latency_ms=latency_ms)


def _failed(
    reason: str, status: int | None = None, latency_ms: float | None = None, excerpt: str = ""
) -> Outcome:
    return Outcome(
        result=ProbeResult.FAIL,
        reason=reason,
        status=status,
        latency_ms=latency_ms,
        excerpt=excerpt,
    )


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
    causes = list(causes_of(error))
    for kind, reason in _REASONS:
        for cause in causes:
            # A RequestException is an OSError too; it is the wrapper, not the cause.
            if isinstance(cause, kind) and not isinstance(cause, requests.RequestException):
                return reason(cause, policy)
    return f"request failed: {error}"


def _explain_body(error: BaseException, policy: HealthPolicy) -> str:
    causes = list(causes_of(error))
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return f"the body was not complete within {policy.timeout:g} s"
    if any(isinstance(cause, IncompleteRead | ConnectionError) for cause in causes):
        return "the body was cut short"
    return "the body is malformed"
