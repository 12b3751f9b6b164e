"""The heads that are sent on: what an HTTP intermediary adds and takes away."""

from typing import NamedTuple

import msgspec

from proxy.core.backend import Backend
from proxy.core.head.message import Headers
from proxy.core.head.request import RequestHead
from proxy.core.head.response import ResponseHead
from proxy.core.routing import Route
from proxy.core.rules import HeaderRules

PSEUDONYM = b"lbsite"  # in Via: hides the host's name, as RFC 9110 §7.6.3 allows
HOST_OF_BACKEND = "backend"  # as a pool's host_header


class Peer(NamedTuple):
    """The client's connection, as its backends are told of it."""

    address: bytes  # IP address; empty on a unix socket
    scheme: bytes  # "http" or "https"
    local_authority: bytes  # for HTTP/1.0 clients that send no Host
    trusted: bool = False  # a proxy of the operator's: what it says of its client is believed


def request_prefix(head: RequestHead, route: Route, peer: Peer, backend: Backend | None) -> bytes:
    """The request head for a backend, up to and including "X-Request-Id: ".

    The id is the one part that differs between two requests with the same head,
    so that all the rest can be remembered; it is followed by an empty line.

    `backend` is needed where the pool sends the backend's own host.
    """
    authority = head.authority or peer.local_authority
    host = authority if backend is None else backend.authority
    wanted = route.pool.spec.headers.host
    if wanted and wanted != HOST_OF_BACKEND:
        host = wanted.encode("ascii")
    parts = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, route.stripped(head.target), host)]
    headers = route.request_rules.apply(head.headers)
    parts += [name + b": " + value + b"\r\n" for name, value in headers]
    if head.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif head.content_length or head.method in (b"POST", b"PUT", b"PATCH"):
        # RFC 9110 §8.6: a user agent SHOULD say 0 for methods that have a body.
        parts.append(b"Content-Length: %d\r\n" % head.content_length)
    if head.expects_continue:
        parts.append(b"Expect: 100-continue\r\n")
    parts += _of_the_connection(head)
    parts += _forwarding(head, route, peer, authority)
    parts.append(b"X-Request-Id: ")
    return b"".join(parts)


def _of_the_connection(head: RequestHead) -> list[bytes]:
    """Fields that speak of one connection and are said anew of the next (RFC 9110 §7.6.1)."""
    options, fields = [], []
    if head.upgrade:
        options.append(b"Upgrade")
        fields.append(b"Upgrade: %b\r\n" % head.upgrade)
    if head.accepts_trailers:  # they are passed on as they come
        options.append(b"TE")
        fields.append(b"TE: trailers\r\n")
    return [b"Connection: %b\r\n" % b", ".join(options), *fields] if options else []


def _forwarding(head: RequestHead, route: Route, peer: Peer, authority: bytes) -> list[bytes]:
    """Fields that tell of the client; what came in with them is kept only from a trusted peer."""
    believed = _joined(head.forwarding) if peer.trusted else {}
    addresses = [part for part in (believed.get(b"x-forwarded-for"), peer.address) if part]
    fields = []
    if addresses:
        fields.append(b"X-Forwarded-For: %b\r\n" % b", ".join(addresses))
    scheme = believed.get(b"x-forwarded-proto", peer.scheme)
    host = believed.get(b"x-forwarded-host", authority)
    fields.append(b"X-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (scheme, host))
    if route.pool.spec.headers.forwarded:
        fields.append(_forwarded(peer, believed.get(b"forwarded"), authority))
    # What a proxy in front has stripped stands before what is stripped here.
    prefix = believed.get(b"x-forwarded-prefix", b"").rstrip(b"/")
    if route.strips:
        prefix += route.prefix
    if prefix:
        fields.append(b"X-Forwarded-Prefix: %b\r\n" % prefix)
    received = head.via + b", " if head.via else b""
    fields.append(b"Via: %b1.%d %b\r\n" % (received, head.minor_version, PSEUDONYM))
    return fields


def _forwarded(peer: Peer, received: bytes | None, authority: bytes) -> bytes:
    """RFC 7239. An IPv6 address and a host with a port have to be quoted (§4, §6)."""
    node = b'"[%b]"' % peer.address if b":" in peer.address else peer.address or b"unknown"
    element = b'for=%b;host="%b";proto=%b' % (node, authority, peer.scheme)
    return b"Forwarded: %b\r\n" % (b", ".join([received, element]) if received else element)


def _joined(headers: Headers) -> dict[bytes, bytes]:
    """Fields by lower-case name; repeated ones are one list (RFC 9110 §5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = joined[key] + b", " + value if key in joined else value
    return joined


def response_bytes(
    head: ResponseHead, rules: HeaderRules, *, connection: bytes, chunked: bool, lines: bytes = b""
) -> bytes:
    """The response head for a client. `connection`: the option to send, or empty.

    `lines`: whole ones, of fields that are this response's own.
    """
    parts = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    headers = rules.apply(head.headers) if rules else head.headers
    parts += [name + b": " + value + b"\r\n" for name, value in headers]
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif head.content_length >= 0:
        parts.append(b"Content-Length: %d\r\n" % head.content_length)
    if connection:
        parts.append(b"Connection: %b\r\n" % connection)
    parts += (lines, b"\r\n")
    return b"".join(parts)


def switching_bytes(head: ResponseHead, rules: HeaderRules, lines: bytes = b"") -> bytes:
    """The 101 response for a client that has asked to switch protocols."""
    headers = [*head.headers, (b"Upgrade", head.upgrade)]
    head = msgspec.structs.replace(head, headers=headers)
    return response_bytes(head, rules, connection=b"Upgrade", chunked=False, lines=lines)
