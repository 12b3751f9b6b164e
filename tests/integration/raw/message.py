"""A strict reader of HTTP/1.1 messages for the judge's side of the corpus.

It shares no code with the product, takes only what RFC 9112 calls valid, and has
no mercy: what the edge emits has to pass, whatever it was fed.
"""

import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELD = re.compile(rb"(%b):[ \t]*((?:[^\0-\x08\x0a-\x1f\x7f]*[^\0-\x20\x7f])?)[ \t]*" % TOKEN)
REQUEST_LINE = re.compile(rb"%b [!-~]+ HTTP/1\.[01]" % TOKEN)
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [^\0-\x08\x0a-\x1f\x7f]*")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[^\0-\x08\x0a-\x1f\x7f]*)?")
LENGTH = re.compile(rb"[0-9]{1,18}")


class Malformed(Exception):
    """Bytes that are no HTTP/1.1 message."""


@dataclass
class Message:
    start: bytes
    fields: list[tuple[bytes, bytes]]  # names in lower case
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = False
    framing: str = "none"  # none, length, chunked, close, tunnel
    size: int = 0  # bytes of the buffer that belong to it

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    @property
    def status(self) -> int:
        return int(self.start[9:12])


def read_request(buffer: bytes) -> Message | None:
    """The first request in `buffer`, perhaps incomplete; None while its head is."""
    message = _read_head(buffer, REQUEST_LINE)
    if message is not None:
        lengths, codings = message.values(b"content-length"), message.values(b"transfer-encoding")
        _read_body(message, buffer, lengths, codings, unframed="none", ended=False)
    return message


def read_response(buffer: bytes, method: bytes, *, ended: bool) -> Message | None:
    """The first response in `buffer`, to a request of that method. `ended`: no more will come."""
    message = _read_head(buffer, STATUS_LINE)
    if message is None:
        return None
    status = message.status
    lengths, codings = message.values(b"content-length"), message.values(b"transfer-encoding")
    if status == 101:
        message.framing, message.body = "tunnel", buffer[message.size :]
        message.complete, message.size = True, len(buffer)
    elif status < 200 or status in (204, 304) or method == b"HEAD":
        if (status < 200 or status == 204) and (codings or lengths):
            raise Malformed(f"a {status} with a body's framing")  # RFC 9110 §8.6, RFC 9112 §6.1
        message.complete = True
    else:
        _read_body(message, buffer, lengths, codings, unframed="close", ended=ended)
    return message


def _read_head(buffer: bytes, start_line: re.Pattern[bytes]) -> Message | None:
    head, end, _ = buffer.partition(b"\r\n\r\n")
    if not end:
        return None
    start, *lines = head.split(b"\r\n")
    if not start_line.fullmatch(start):
        raise Malformed(f"start line {start!r}")
    return Message(start, [_read_field(line) for line in lines], size=len(head) + 4)


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    match = FIELD.fullmatch(line)
    if not match:
        raise Malformed(f"field {line!r}")
    return match[1].lower(), match[2]


def _read_body(
    message: Message,
    buffer: bytes,
    lengths: list[bytes],
    codings: list[bytes],
    *,
    unframed: str,
    ended: bool,
) -> None:
    if (lengths and codings) or len(lengths) > 1 or len(codings) > 1:
        raise Malformed(f"framed by {lengths + codings}")
    if codings:
        if codings[0].lower() != b"chunked":
            raise Malformed(f"transfer coding {codings[0]!r}")
        message.framing = "chunked"
        _read_chunks(message, buffer)
    elif lengths:
        if not LENGTH.fullmatch(lengths[0]):
            raise Malformed(f"length {lengths[0]!r}")
        message.framing = "length"
        message.body = buffer[message.size : message.size + int(lengths[0])]
        message.size += len(message.body)
        message.complete = len(message.body) == int(lengths[0])
    elif unframed == "close":
        message.framing, message.complete = "close", ended
        message.body, message.size = buffer[message.size :], len(buffer)
    else:
        message.complete = True


def _read_chunks(message: Message, buffer: bytes) -> None:
    at, parts = message.size, list[bytes]()
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            break
        match = CHUNK_SIZE.fullmatch(buffer[at:end])
        if not match:
            raise Malformed(f"chunk size {buffer[at:end]!r}")
        size, at = int(match[1], 16), end + 2
        if not size:
            at = _read_trailers(message, buffer, at)
            break
        parts.append(buffer[at : at + size])
        if len(buffer) < at + size + 2:
            at = len(buffer)
            break
        if buffer[at + size : at + size + 2] != b"\r\n":
            raise Malformed("chunk data without its CRLF")
        at += size + 2
    message.body, message.size = b"".join(parts), at


def _read_trailers(message: Message, buffer: bytes, at: int) -> int:
    trailers = list[tuple[bytes, bytes]]()
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            return at
        if end == at:
            message.trailers, message.complete = trailers, True
            return at + 2
        trailers.append(_read_field(buffer[at:end]))
        at = end + 2
