"""A client that sees every byte: one connection, and the responses on it in order."""

import json
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any, Self

_BODILESS = (204, 304)


@dataclass
class Response:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    complete: bool  # whether the body came to the end that its framing announced

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"

    @property
    def backend(self) -> str:
        return self.headers.get("x-backend", "")

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    def __init__(
        self,
        port: int,
        *,
        timeout: float = 10.0,
        receive_buffer: int = 0,
        source: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`source`: the address to come from, any of 127.0.0.0/8."""
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.bind((source, 0))
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        if tls is not None:
            # RFC 8446 §6.1: an end without close_notify is a body cut short.
            self.sock = tls.wrap_socket(
                self.sock, server_hostname="shop.test", suppress_ragged_eofs=False
            )
        self.stream = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()
        self.sock.close()

    def reset(self) -> None:
        """Go away without a goodbye, as a client that was killed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(
        self, method: str, target: str = "/", body: bytes = b"", **fields: str
    ) -> "Response":
        """Send a request and read its response. `fields`: accept="x" is `accept: x`."""
        self.send(request_bytes(method, target, body, **fields))
        return self.response(method)

    def get(self, target: str = "/", **fields: str) -> "Response":
        return self.request("GET", target, **fields)

    def response(self, method: str = "GET") -> Response:
        """The next response. Raises `ConnectionError` if the connection ends before its head."""
        status, headers = self.head()
        body, complete = self._body(method, status, headers)
        return Response(status, headers, body, complete)

    def head(self) -> tuple[int, dict[str, str]]:
        line = self.stream.readline()
        if not line.startswith(b"HTTP/1.1 "):
            raise ConnectionError(f"no response: {line!r}")
        headers: dict[str, str] = {}
        while (field := self.stream.readline()) != b"\r\n":
            if not field:
                raise ConnectionError("the head was cut short")
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), headers

    def _body(self, method: str, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
        if method == "HEAD" or status in _BODILESS:
            return b"", True
        if "transfer-encoding" in headers:
            return self._chunks()
        try:
            if "content-length" in headers:
                size = int(headers["content-length"])
                body = self.stream.read(size)
                return body, len(body) == size
            return self.stream.read(), True
        except (ConnectionResetError, ssl.SSLEOFError):
            return b"", False

    def _chunks(self) -> tuple[bytes, bool]:
        parts = []
        try:
            while part := self.chunk():
                parts.append(part)
        except (ConnectionError, ssl.SSLEOFError):
            return b"".join(parts), False
        return b"".join(parts), True

    def chunk(self) -> bytes:
        """The content of the next chunk; nothing of the last one."""
        line = self.stream.readline()
        if not line:
            raise ConnectionError("there is no last chunk")
        size = int(line.partition(b";")[0], 16)
        content = self.stream.read(size)
        if len(content) < size or self.stream.readline() != b"\r\n":
            raise ConnectionError("a chunk was cut short")
        return content

    def ends(self) -> bool:
        """Whether the edge closes the connection without another byte."""
        try:
            return self.stream.read(1) == b""
        except (ConnectionResetError, ssl.SSLEOFError):
            return True


def request_bytes(method: str, target: str = "/", body: bytes = b"", **fields: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body
