"""What the heads of requests and responses share (RFC 9112 §2, RFC 9110 §7.6.1)."""

from functools import lru_cache

import msgspec

from proxy.core import fields
from proxy.core.fields import PROTECTED
from proxy.errors import ProxyError

HEAD_END = b"\r\n\r\n"

# Everything that may stand in a head's lines; what is left after deleting it is their ends.
_HEAD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_MAX_DIGITS = 18  # of a Content-Length: they fit in 63 bits, where no peer overflows
_UNNAMEABLE = PROTECTED - {b"upgrade", b"te"}
_NO_FIELDS = frozenset([b"close", b"keep-alive"])  # options that name no field

Headers = list[tuple[bytes, bytes]]


class Framing(msgspec.Struct):
    """The fields that decide about the message and the connection, as they are met."""

    content_length: int = -1
    transfer_encoding: bytes | None = None
    options: frozenset[bytes] = frozenset()
    upgrade: bytes = b""

    def take(self, field: int, value: bytes, error: type[ProxyError]) -> bool:
        """Take up a field that decides about framing; False if `field` is not such a one.

        `error` is raised on what is malformed: it says whether client or backend is at fault.
        """
        if field == fields.CONTENT_LENGTH:
            # RFC 9112 §6.3 lets equal values pass; two parsers may still pick different ones.
            if self.content_length >= 0:
                raise error("More than one Content-Length.")
            if not value.isdigit() or len(value) > _MAX_DIGITS:
                raise error("Malformed Content-Length.")
            self.content_length = int(value)
        elif field == fields.TRANSFER_ENCODING:
            if self.transfer_encoding is not None:
                raise error("More than one Transfer-Encoding field.")
            self.transfer_encoding = value.lower()
        elif field == fields.CONNECTION:
            options = _connection_options(value)
            if options & _UNNAMEABLE:
                raise error("Connection names a field that frames or routes the message.")
            self.options = self.options | options if self.options else options
        elif field == fields.UPGRADE:
            self.upgrade = value
        elif field == fields.FOLDED:
            raise error("A folded header line.")  # RFC 9112 §5.2: obs-fold
        else:
            return False
        return True

    def end_to_end(self, headers: Headers) -> Headers:
        """`headers` without each field that `Connection` names (RFC 9110 §7.6.1)."""
        if self.options <= _NO_FIELDS:
            return headers
        return [header for header in headers if header[0].lower() not in self.options]

    def keep_alive(self, minor_version: int) -> bool:
        if b"close" in self.options:
            return False
        return minor_version >= 1 or b"keep-alive" in self.options


@lru_cache(256)
def _connection_options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip() for option in value.lower().split(b","))


def is_switchable(protocols: bytes) -> bool:
    """Whether a connection may leave HTTP for one of `protocols`, the value of an Upgrade field.

    h2c is never passed on: a backend that took it would hide every following
    request from the rules that apply here.
    """
    return bool(protocols) and b"h2c" not in protocols.lower()


def check_bytes(raw: bytes, error: type[ProxyError]) -> None:
    """Raise `error` on a byte that no line of a head may hold, or a line's end that is not CRLF."""
    ends = raw.translate(None, _HEAD_BYTES)
    if ends.strip(b"\r\n"):
        raise error("A control character in the head.")
    # RFC 9112 §2.2: a recipient MAY take a lone LF as a line's end. Others do not.
    if 2 * raw.count(b"\r\n") != len(ends):
        raise error("A line ends with a bare CR or LF.")
