"""Request heads, as they will be forwarded; what is wrong with one is the client's fault."""

import re
import string
from typing import NamedTuple

import gunicorn_h1c
import msgspec

from proxy.core import fields
from proxy.core.fields import OTHER, classify
from proxy.core.head.message import Framing, Headers, check_bytes, is_switchable
from proxy.core.head.target import resolve_target
from proxy.core.methods import IDEMPOTENT
from proxy.errors import (
    BadRequest,
    HeadTooLarge,
    MethodRefused,
    ProxyError,
    TargetTooLong,
    UnknownTransferCoding,
    VersionRefused,
)

_TOKEN_BYTES = b"!#$%&'*+-.^_`|~" + string.ascii_letters.encode() + string.digits.encode()
_VERSION = re.compile(rb"HTTP/\d\.\d")
_REFUSED_METHODS = frozenset([b"CONNECT", b"TRACE"])
_MOST_FORWARDS = b"999999999"
_LISTS = frozenset([fields.VIA, fields.EXPECT, fields.TE])  # several fields are one value


class HeadLimits(NamedTuple):
    """How much of a request head is taken, in bytes and in fields."""

    line: int = 8192  # nginx's and Apache's habit
    head: int = 65536
    fields: int = 100


DEFAULT_LIMITS = HeadLimits()


class RequestHead(msgspec.Struct):
    """A request as it will be forwarded: `headers` are end-to-end fields only."""

    method: bytes
    target: bytes  # origin-form, or "*"
    path: bytes  # the target without its query
    authority: bytes  # host[:port] as the client sent it; empty for HTTP/1.0 without Host
    host: bytes  # lower-case, without the port
    minor_version: int
    headers: Headers
    keep_alive: bool
    content_length: int  # 0 also when the body is chunked
    chunked: bool
    expects_continue: bool
    upgrade: bytes
    accepts_trailers: bool
    accept: bytes
    request_id: bytes
    forwarding: Headers  # X-Forwarded-* and Forwarded as they came in
    via: bytes
    debug: bytes

    @property
    def idempotent(self) -> bool:
        """RFC 9110 §9.2.2."""
        return self.method in IDEMPOTENT


def parse_request_head(raw: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> RequestHead:
    """The head in `raw`, which ends with its empty line. Raises a `ProxyError`."""
    check_bytes(raw, BadRequest)
    method, target, minor_version, received = _split(raw, limits)
    received = _admit(method, received)
    framing = Framing()
    kept: Headers = []
    forwarding: Headers = []
    single: dict[int, bytes] = {}
    for name, value in received:
        field = classify(name)
        if field == OTHER:
            kept.append((name, value))
        elif field == fields.FORWARDING:
            forwarding.append((name, value))
        elif field == fields.ACCEPT:
            kept.append((name, value))
            single[field] = value
        elif field == fields.HOST and field in single:
            raise BadRequest("More than one Host field.")
        elif field in _LISTS and field in single:
            single[field] += b", " + value
        elif not framing.take(field, value, BadRequest):
            single[field] = value
    target, authority, host = resolve_target(method, target, minor_version, single.get(fields.HOST))
    chunked = _chunked(framing, minor_version)
    return RequestHead(
        method=method,
        target=target,
        path=target.partition(b"?")[0],
        authority=authority,
        host=host,
        minor_version=minor_version,
        headers=framing.end_to_end(kept),
        keep_alive=framing.keep_alive(minor_version),
        content_length=max(framing.content_length, 0),
        chunked=chunked,
        expects_continue=_expects_continue(single.get(fields.EXPECT), minor_version),
        upgrade=_upgrade(framing, minor_version),
        accepts_trailers=_accepts_trailers(single.get(fields.TE), minor_version),
        accept=single.get(fields.ACCEPT, b""),
        request_id=single.get(fields.REQUEST_ID, b""),
        forwarding=forwarding,
        via=single.get(fields.VIA, b""),
        debug=single.get(fields.DEBUG, b""),
    )


def check_unfinished(buffered: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> None:
    """Raise if a head that has not ended yet is already too long, or can never be valid."""
    if len(buffered) > limits.line and b"\r\n" not in buffered[: limits.line + 2]:
        raise TargetTooLong
    if len(buffered) > limits.head:
        raise HeadTooLarge
    if b"\n" in buffered and buffered.count(b"\n") != buffered.count(b"\r\n"):
        raise BadRequest("A line ends without CR.")


def _split(raw: bytes, limits: HeadLimits) -> tuple[bytes, bytes, int, Headers]:
    """(method, target, minor version, fields)."""
    line_end = raw.find(b"\r\n")
    if line_end > limits.line:
        raise TargetTooLong
    if len(raw) > limits.head:
        raise HeadTooLarge
    try:
        parsed = gunicorn_h1c.parse_request(
            raw,
            limit_request_line=limits.line,
            limit_request_fields=limits.fields,
            limit_request_field_size=limits.head,
            permit_unconventional_http_method=True,  # the method is case-sensitive and extensible
        )
    except gunicorn_h1c.LimitRequestLine as error:
        raise TargetTooLong from error
    except gunicorn_h1c.LimitRequestHeaders as error:
        raise HeadTooLarge from error
    except gunicorn_h1c.InvalidHTTPVersion as error:
        raise _version_error(raw[:line_end]) from error
    except (gunicorn_h1c.ParseError, gunicorn_h1c.IncompleteError) as error:
        # Beyond 256 fields the parser has no room, and does not say so.
        if raw.count(b"\r\n") - 2 > limits.fields:
            raise HeadTooLarge from error
        raise BadRequest(f"Not a request head: {error}") from error
    method, target, minor = parsed["method"], parsed["path"], parsed["minor_version"]
    if method.translate(None, _TOKEN_BYTES):
        raise BadRequest("Malformed method.")
    # The parser swallows extra spaces; RFC 9112 §3 has exactly one between the parts.
    if raw[:line_end] != b"%b %b HTTP/1.%d" % (method, target, minor):
        raise BadRequest("Malformed request line.")
    return method, target, minor, parsed["headers"]


def _version_error(line: bytes) -> ProxyError:
    version = line.rpartition(b" ")[2]
    return VersionRefused() if _VERSION.fullmatch(version) else BadRequest("Malformed version.")


def _admit(method: bytes, headers: Headers) -> Headers:
    """Refuse what ends here: some methods, and OPTIONS that has come far enough.

    RFC 9110 §7.6.2: what is sent on is what was received less one, or the recipient's
    maximum, where that is less.
    """
    if method in _REFUSED_METHODS:
        raise MethodRefused
    if method != b"OPTIONS":
        return headers
    counted = []
    for name, value in headers:
        if name.lower() == b"max-forwards" and value.isdigit():
            hops = value.lstrip(b"0")
            if not hops:
                raise MethodRefused
            fewer = len(hops) < len(_MOST_FORWARDS)
            value = b"%d" % (int(hops) - 1) if fewer else _MOST_FORWARDS
        counted.append((name, value))
    return counted


def _upgrade(framing: Framing, minor_version: int) -> bytes:
    """The protocol that the client asks to switch to, or nothing.

    RFC 9110 §7.8: ignored in HTTP/1.0.
    """
    wanted = b"upgrade" in framing.options and minor_version >= 1
    return framing.upgrade if wanted and is_switchable(framing.upgrade) else b""


def _chunked(framing: Framing, minor_version: int) -> bool:
    """Whether the body is chunked (RFC 9112 §6.1, §6.3)."""
    coding = framing.transfer_encoding
    if coding is None:
        return False
    if framing.content_length >= 0:
        raise BadRequest("Both Transfer-Encoding and Content-Length.")
    if minor_version == 0:
        raise BadRequest("Transfer-Encoding in an HTTP/1.0 request.")
    if coding == b"chunked":
        return True
    codings = [part.strip() for part in coding.split(b",")]
    if codings[-1] == b"chunked" and b"chunked" not in codings[:-1] and all(codings):
        raise UnknownTransferCoding
    raise BadRequest("The last transfer coding is not chunked.")


def _accepts_trailers(te: bytes | None, minor_version: int) -> bool:
    """RFC 9110 §10.1.4. An HTTP/1.0 client gets no chunks, and so no trailers."""
    if te is None or minor_version == 0:
        return False
    return b"trailers" in [coding.strip() for coding in te.lower().split(b",")]


def _expects_continue(value: bytes | None, minor_version: int) -> bool:
    if value is None:
        return False
    if any(member.strip() != b"100-continue" for member in value.lower().split(b",")):
        raise BadRequest("An expectation other than 100-continue.")
    return minor_version >= 1  # RFC 9110 §10.1.1: ignored in HTTP/1.0
