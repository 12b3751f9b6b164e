"""Message heads: bytes to `RequestHead` and `ResponseHead`, erring on refusing.

gunicorn_h1c (picohttpparser) splits the head; it accepts things that another
parser may read differently (a bare LF, a folded line, two spaces in the request
line), and each of these has been used to smuggle a request past a proxy. What
follows the parser is therefore the strict part: RFC 9112 where it says MUST,
and where it says MAY the refusing choice.
"""

import re
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import gunicorn_h1c

from proxy.core import fields
from proxy.core.fields import OTHER, PROTECTED, classify
from proxy.core.methods import IDEMPOTENT
from proxy.errors import (
    BadRequest,
    BadResponse,
    HeadTooLarge,
    MethodRefused,
    ProxyError,
    TargetTooLong,
    UnknownTransferCoding,
    VersionRefused,
)

HEAD_END = b"\r\n\r\n"
MAX_RESPONSE_HEAD = 65536

# Everything that may stand in a head's lines; what is left after deleting it is their ends.
_HEAD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_TARGET_BYTES = bytes(set(range(0x21, 0x7F)) - {ord("#"), ord('"'), ord("<"), ord(">")})
_TOKEN_BYTES = b"!#$%&'*+-.^_`|~" + string.ascii_letters.encode() + string.digits.encode()
_AUTHORITY = re.compile(rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5})?)?")
_HTTP_URL = re.compile(rb"https?://([^/?]+)((?:[/?].*)?)", re.IGNORECASE)
_MAX_DIGITS = 18  # of a Content-Length: they fit in 63 bits, where no peer overflows
_VERSION = re.compile(rb"HTTP/\d\.\d")
_DROPPED_FROM_RESPONSES = (fields.HOP_BY_HOP, fields.TE)
_STATUS_LINES = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_AFTER_STATUS = (b" ", b"\r")
_REFUSED_METHODS = frozenset([b"CONNECT", b"TRACE"])

Headers = list[tuple[bytes, bytes]]


class HeadLimits(NamedTuple):
    """How much of a request head is taken, in bytes and in fields."""

    line: int = 8192  # nginx's and Apache's habit
    head: int = 65536
    fields: int = 100


DEFAULT_LIMITS = HeadLimits()


@dataclass(slots=True)
class RequestHead:
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


@dataclass(slots=True)
class ResponseHead:
    status: int
    reason: bytes
    minor_version: int
    headers: Headers  # end-to-end fields only
    keep_alive: bool
    content_length: int  # -1: not given
    chunked: bool
    upgrade: bytes


@dataclass(slots=True)
class _Framing:
    """The fields that decide about the message and the connection, as they are met."""

    content_length: int = -1
    transfer_encoding: bytes | None = None
    options: frozenset[bytes] = frozenset()
    upgrade: bytes = b""


def parse_request_head(raw: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> RequestHead:
    """The head in `raw`, which ends with its empty line. Raises a `ProxyError`."""
    _check_bytes(raw, BadRequest)
    method, target, minor_version, received = _split_request(raw, limits)
    received = _admit(method, received)
    framing = _Framing()
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
        elif field == fields.VIA and field in single:
            single[field] += b", " + value
        elif not _note_framing(framing, field, value, BadRequest):
            single[field] = value
    if not framing.options <= _NO_FIELDS:
        kept = _without_nominated(kept, framing.options)
    target, authority, host = _target(method, target, minor_version, single.get(fields.HOST))
    chunked = _request_coding(framing, minor_version)
    return RequestHead(
        method=method,
        target=target,
        path=target.partition(b"?")[0],
        authority=authority,
        host=host,
        minor_version=minor_version,
        headers=kept,
        keep_alive=_keep_alive(framing.options, minor_version),
        content_length=max(framing.content_length, 0),
        chunked=chunked,
        expects_continue=_expects_continue(single.get(fields.EXPECT), minor_version),
        upgrade=_upgrade(framing, minor_version),
        accepts_trailers=b"trailers" in single.get(fields.TE, b"").lower(),
        accept=single.get(fields.ACCEPT, b""),
        request_id=single.get(fields.REQUEST_ID, b""),
        forwarding=forwarding,
        via=single.get(fields.VIA, b""),
        debug=single.get(fields.DEBUG, b""),
    )


def parse_response_head(raw: bytes) -> ResponseHead:
    """The head in `raw`, which ends with its empty line. Raises `BadResponse`."""
    _check_bytes(raw, BadResponse)
    try:
        parsed = gunicorn_h1c.parse_response(raw)
    except (gunicorn_h1c.ParseError, gunicorn_h1c.IncompleteError) as error:
        raise BadResponse(f"Not a response head: {error}") from error
    status: int = parsed["status"]
    if not raw.startswith(_STATUS_LINES) or raw[12:13] not in _AFTER_STATUS:
        raise BadResponse("Malformed status line.")
    if not 100 <= status <= 599:
        raise BadResponse("A status that HTTP does not have.")
    framing = _Framing()
    kept: Headers = []
    for header in parsed["headers"]:
        field = classify(header[0])
        if field == OTHER or (
            field not in _DROPPED_FROM_RESPONSES
            and not _note_framing(framing, field, header[1], BadResponse)
        ):
            kept.append(header)
    minor_version: int = parsed["minor_version"]
    if not framing.options <= _NO_FIELDS:
        kept = _without_nominated(kept, framing.options)
    chunked = _response_coding(framing, minor_version)
    keep_alive = _keep_alive(framing.options, minor_version)
    if status < 200 or status == 204:  # RFC 9110 §8.6, RFC 9112 §6.1: they must not have either
        # What was announced may follow all the same: nobody may read it as the next answer.
        keep_alive = keep_alive and framing.content_length <= 0 and not chunked
        framing.content_length, chunked = -1, False
    return ResponseHead(
        status,
        parsed["message"],
        minor_version,
        kept,
        keep_alive,
        framing.content_length,
        chunked,
        framing.upgrade,
    )


def check_unfinished(buffered: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> None:
    """Raise if a head that has not ended yet is already too long, or can never be valid."""
    if len(buffered) > limits.line and b"\r\n" not in buffered[: limits.line + 2]:
        raise TargetTooLong
    if len(buffered) > limits.head:
        raise HeadTooLarge
    if b"\n" in buffered and buffered.count(b"\n") != buffered.count(b"\r\n"):
        raise BadRequest("A line ends without CR.")


def _check_bytes(raw: bytes, error: type[ProxyError]) -> None:
    ends = raw.translate(None, _HEAD_BYTES)
    if ends.strip(b"\r\n"):
        raise error("A control character in the head.")
    # RFC 9112 §2.2: a recipient MAY take a lone LF as a line's end. Others do not.
    if 2 * raw.count(b"\r\n") != len(ends):
        raise error("A line ends with a bare CR or LF.")


def _split_request(raw: bytes, limits: HeadLimits) -> tuple[bytes, bytes, int, Headers]:
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


def _note_framing(framing: _Framing, field: int, value: bytes, error: type[ProxyError]) -> bool:
    """Take up a field that decides about framing; False if `field` is not such a one."""
    if field == fields.CONTENT_LENGTH:
        # RFC 9112 §6.3 lets equal values pass; two parsers may still pick different ones.
        if framing.content_length >= 0:
            raise error("More than one Content-Length.")
        if not value.isdigit() or len(value) > _MAX_DIGITS:
            raise error("Malformed Content-Length.")
        framing.content_length = int(value)
    elif field == fields.TRANSFER_ENCODING:
        if framing.transfer_encoding is not None:
            raise error("More than one Transfer-Encoding field.")
        framing.transfer_encoding = value.lower()
    elif field == fields.CONNECTION:
        options = _connection_options(value)
        if options & _UNNAMEABLE:
            raise error("Connection names a field that frames or routes the message.")
        framing.options = framing.options | options if framing.options else options
    elif field == fields.UPGRADE:
        framing.upgrade = value
    elif field == fields.FOLDED:
        raise error("A folded header line.")  # RFC 9112 §5.2: obs-fold
    else:
        return False
    return True


@lru_cache(256)
def _connection_options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip() for option in value.lower().split(b","))


_NO_FIELDS = frozenset([b"close", b"keep-alive"])  # options that name no field
_UNNAMEABLE = PROTECTED - {b"upgrade", b"te"}


def _without_nominated(headers: Headers, options: frozenset[bytes]) -> Headers:
    """RFC 9110 §7.6.1: remove each field that `Connection` names."""
    return [header for header in headers if header[0].lower() not in options]


def _keep_alive(options: frozenset[bytes], minor_version: int) -> bool:
    if b"close" in options:
        return False
    return minor_version >= 1 or b"keep-alive" in options


def _admit(method: bytes, headers: Headers) -> Headers:
    """Refuse what ends here: some methods, and OPTIONS that has come far enough (§7.6.2)."""
    if method in _REFUSED_METHODS:
        raise MethodRefused
    if method != b"OPTIONS":
        return headers
    counted = []
    for name, value in headers:
        if name.lower() == b"max-forwards" and value.isdigit():
            if int(value) == 0:
                raise MethodRefused
            value = b"%d" % (int(value) - 1)
        counted.append((name, value))
    return counted


def _upgrade(framing: _Framing, minor_version: int) -> bytes:
    """The protocol that the client asks to switch to, or nothing.

    h2c is never passed on: a backend that took it would hide every following
    request from the rules that apply here. RFC 9110 §7.8: ignored in HTTP/1.0.
    """
    wanted = b"upgrade" in framing.options and minor_version >= 1
    return framing.upgrade if wanted and b"h2c" not in framing.upgrade.lower() else b""


def _request_coding(framing: _Framing, minor_version: int) -> bool:
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


def _response_coding(framing: _Framing, minor_version: int) -> bool:
    coding = framing.transfer_encoding
    if coding is None:
        return False
    if framing.content_length >= 0:
        raise BadResponse("Both Transfer-Encoding and Content-Length.")
    if coding != b"chunked" or minor_version == 0:
        raise BadResponse("A transfer coding other than chunked.")
    return True


def _expects_continue(value: bytes | None, minor_version: int) -> bool:
    if value is None:
        return False
    if value.lower() != b"100-continue":
        raise BadRequest("An expectation other than 100-continue.")
    return minor_version >= 1  # RFC 9110 §10.1.1: ignored in HTTP/1.0


def _target(
    method: bytes, target: bytes, minor_version: int, host_field: bytes | None
) -> tuple[bytes, bytes, bytes]:
    """(target in origin-form, authority, host) after RFC 9112 §3.2."""
    if target.translate(None, _TARGET_BYTES):
        raise BadRequest("A character in the request target that must be percent-encoded.")
    if host_field is None and minor_version >= 1:
        raise BadRequest("An HTTP/1.1 request needs a Host field.")
    if target.startswith(b"/"):
        authority = host_field or b""
    elif target == b"*":
        if method != b"OPTIONS":
            raise BadRequest("The target * belongs to OPTIONS alone.")
        authority = host_field or b""
    else:
        target, authority = _absolute_form(method, target)
        if host_field is not None and host_field.lower() != authority.lower():
            raise BadRequest("Host differs from the request target's authority.")
    return target, authority, _host(authority, required=host_field is not None)


def _host(authority: bytes, *, required: bool) -> bytes:
    if not authority and not required:
        return b""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int(match["port"] or 0) > 65535:
        raise BadRequest("Malformed Host.")
    return match["host"].lower().rstrip(b".")


def _absolute_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """(target in origin-form, authority) of an http URL (RFC 9112 §3.2.2)."""
    match = _HTTP_URL.fullmatch(target)
    if match is None:
        raise BadRequest("The request target is neither a path nor an http URL.")
    authority, rest = match.groups()
    if not rest and method == b"OPTIONS":
        return b"*", authority  # §3.2.4
    return (rest if rest.startswith(b"/") else b"/" + rest), authority
