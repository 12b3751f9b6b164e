"""A plain HTTP/1.1 client on a socket: it decides when it reads."""

import socket

HEAD_END = b"\r\n\r\n"


class UnexpectedAnswerError(RuntimeError):
    """The answer was not a 200, or was cut short."""


class Client:
    """One connection to loopback. `receive_buffer`: of the kernel, in bytes; 0 leaves it alone."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))

    def ask(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench.example.com\r\n\r\n".encode())

    def head(self) -> tuple[int, int]:
        """Of a 200: the announced length of the body, and how much of it came with the head."""
        data = b""
        while HEAD_END not in data:
            received = self.socket.recv(65536)
            if not received:
                raise UnexpectedAnswerError(f"closed after {data[:80]!r}")
            data += received
        head, _, body = data.partition(HEAD_END)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise UnexpectedAnswerError(f"answered {head[:80]!r}")
        return _content_length(head), len(body)

    def get(self, path: str) -> None:
        """Ask, and read the whole answer."""
        self.ask(path)
        length, received = self.head()
        while received < length:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise UnexpectedAnswerError(f"cut short after {received} of {length} bytes")
            received += len(chunk)

    def close(self) -> None:
        self.socket.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise UnexpectedAnswerError("no Content-Length")
