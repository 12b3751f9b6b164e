"""A response that does not go to its client as it came, behind the head that others get too."""

from time import time

from proxy.core.date import http_date
from proxy.core.forward import response_bytes
from proxy.core.framing import BodyReader, chunk
from proxy.core.head.response import ResponseHead
from proxy.core.rules import HeaderRules


class Delivery:
    """How it goes out. `chunks`: its content, which has no length and no coding, in chunks."""

    __slots__ = ("_connection", "_lines", "_plain", "chunks")

    def __init__(self, minor_version: int, *, keep_alive: bool, recode: bool, lines: bytes) -> None:
        """`minor_version`: of the client's HTTP/1. `keep_alive`: as its connection will be.

        `recode`: the content does not go out in the coding in which it comes. `lines`: of
        the head, which no other response has.
        """
        old = minor_version == 0
        self._plain = recode and old  # RFC 9112 §6.1: no transfer coding for HTTP/1.0
        self.chunks = recode and not old
        self._lines = lines
        if keep_alive:
            self._connection = b"keep-alive" if old else b""
        else:
            self._connection = b"close"

    def head(self, head: ResponseHead, rules: HeaderRules) -> bytes:
        """`head` as it goes out: dated, if its backend has not done so (RFC 9110 §6.6.1)."""
        lines = self._lines
        if not head.dated:
            lines += b"Date: %b\r\n" % http_date(int(time())).encode("ascii")
        chunked = self.chunks or (head.chunked and not self._plain)
        return response_bytes(
            head, rules, connection=self._connection, chunked=chunked, lines=lines
        )

    def take(self, reader: BodyReader, data: bytes) -> tuple[int, bytes]:
        """How many leading bytes of `data` belong to the body, and what goes out for them."""
        if self._plain:
            content: list[bytes] = []
            return reader.feed(data, content), b"".join(content)
        taken = reader.feed(data)
        body = data[:taken]
        return taken, chunk(body) if self.chunks else body
