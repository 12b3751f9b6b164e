"""The request target, and the authority it is for (RFC 9112 §3.2, RFC 9110 §7.2)."""

import re

from proxy.errors import BadRequest

_TARGET_BYTES = bytes(set(range(0x21, 0x7F)) - {ord("#"), ord('"'), ord("<"), ord(">")})
_AUTHORITY = re.compile(rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5})?)?")
_HTTP_URL = re.compile(rb"https?://([^/?]+)((?:[/?].*)?)", re.IGNORECASE)


def is_target(target: bytes) -> bool:
    """Whether it holds nothing that must be percent-encoded."""
    return not target.translate(None, _TARGET_BYTES)


def resolve_target(
    method: bytes, target: bytes, minor_version: int, host_field: bytes | None
) -> tuple[bytes, bytes, bytes]:
    """(target in origin-form, authority, host) after RFC 9112 §3.2. Raises `BadRequest`."""
    if not is_target(target):
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
