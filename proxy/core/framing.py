"""Where a message's body ends (RFC 9112 §6 and §7).

A reader is fed the bytes that follow the head and says how many of them belong
to the body. Bytes are passed on as they are: the reader only finds the end, and
refuses what another parser could read differently. Each reader serves one body.
"""

import re
from abc import ABCMeta, abstractmethod
from typing import ClassVar

from proxy.core.fields import may_be_trailer
from proxy.errors import ProxyError

MAX_CHUNK_LINE = 4096  # size and extensions; nobody sends extensions, attacks send long ones
MAX_TRAILERS = 16384

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"'
# RFC 9112 §7.1.1, without the quoted-pair: it is where parsers differ. Up to 15
# hexadecimal digits fit in 63 bits.
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*"
    % (_TOKEN, _TOKEN, _QUOTED)
)
_TRAILER_LINE = re.compile(rb"(%b):[\t\x20-\x7e\x80-\xff]*" % _TOKEN)


class BodyReader(metaclass=ABCMeta):
    """`done`: its end has come. `size`: bytes of content that have been announced so far."""

    __slots__ = ("done", "size")
    until_close: ClassVar[bool] = False  # whether the connection's end is the body's end
    done: bool
    size: int

    @abstractmethod
    def feed(self, data: bytes, payload: list[bytes] | None = None) -> int:
        """How many leading bytes of `data` belong to the body; sets `done` at its end.

        With `payload` the content without its framing is appended to it.
        """


class LengthReader(BodyReader):
    """Content-Length."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        self.remaining = self.size = length
        self.done = length == 0

    def feed(self, data: bytes, payload: list[bytes] | None = None) -> int:
        taken = min(len(data), self.remaining)
        self.remaining -= taken
        self.done = self.remaining == 0
        if payload is not None:
            payload.append(data[:taken])
        return taken


class CloseReader(BodyReader):
    """A response without a length: it ends when the connection does (RFC 9112 §6.3)."""

    __slots__ = ()
    until_close = True

    def __init__(self) -> None:
        self.done = False
        self.size = 0

    def feed(self, data: bytes, payload: list[bytes] | None = None) -> int:
        if payload is not None:
            payload.append(data)
        return len(data)


class ChunkedReader(BodyReader):
    """The chunked transfer coding; `error` is raised on what is malformed."""

    __slots__ = ("_error", "_line", "_remaining", "_step", "_trailer_bytes")

    def __init__(self, error: type[ProxyError]) -> None:
        self.done = False
        self.size = 0
        self._error = error
        self._line = b""  # the beginning of a line whose end has not come yet
        self._remaining = 0
        self._trailer_bytes = 0
        self._step = self._size

    def feed(self, data: bytes, payload: list[bytes] | None = None) -> int:
        position = 0
        size = len(data)
        while position < size and not self.done:
            position = self._step(data, position, payload)
        return position

    def _size(self, data: bytes, position: int, payload: list[bytes] | None) -> int:
        line, position = self._take_line(data, position, MAX_CHUNK_LINE)
        if line is None:
            return position
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise self._error("Malformed chunk size.")
        self._remaining = int(match[1], 16)
        self.size += self._remaining
        self._step = self._content if self._remaining else self._trailer
        return position

    def _content(self, data: bytes, position: int, payload: list[bytes] | None) -> int:
        end = min(position + self._remaining, len(data))
        self._remaining -= end - position
        if payload is not None:
            payload.append(data[position:end])
        if not self._remaining:
            self._step = self._content_end
        return end

    def _content_end(self, data: bytes, position: int, payload: list[bytes] | None) -> int:
        line, position = self._take_line(data, position, 0)
        if line is not None:
            self._step = self._size
        return position

    def _trailer(self, data: bytes, position: int, payload: list[bytes] | None) -> int:
        line, position = self._take_line(data, position, MAX_TRAILERS - self._trailer_bytes)
        if line is None:
            return position
        if not line:
            self.done = True
            return position
        self._trailer_bytes += len(line)
        match = _TRAILER_LINE.fullmatch(line)
        if match is None or not may_be_trailer(match[1]):
            raise self._error("Malformed or forbidden trailer field.")
        return position

    def _take_line(self, data: bytes, position: int, limit: int) -> tuple[bytes | None, int]:
        """The line at `position` without its CRLF, or None until all of it has come."""
        end = data.find(b"\n", position)
        if end < 0:
            self._line += data[position:]
            # What has come must be able to become a line: at most a CR at its very end.
            if len(self._line) > limit + 1 or b"\r" in self._line[:-1]:
                raise self._error("A line of the chunked coding is malformed or too long.")
            return None, len(data)
        line = self._line + data[position : end + 1]
        self._line = b""
        if not line.endswith(b"\r\n") or len(line) > limit + 2 or b"\r" in line[:-2]:
            raise self._error("A line of the chunked coding is malformed or too long.")
        return line[:-2], end + 1


LAST_CHUNK = b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """`content` in the chunked transfer coding. No chunk of nothing: that one is the last."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


_NO_BODY_STATUSES = frozenset([204, 304])


def response_reader(
    method: bytes, status: int, content_length: int, chunked: bool, error: type[ProxyError]
) -> BodyReader:
    """The reader of a final response's body, in the order of RFC 9112 §6.3."""
    if method == b"HEAD" or status in _NO_BODY_STATUSES:
        return LengthReader(0)
    if chunked:
        return ChunkedReader(error)
    if content_length >= 0:
        return LengthReader(content_length)
    return CloseReader()
