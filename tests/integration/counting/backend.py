"""A backend that answers as fast as it can with the status that the path asks for.

`python backend.py NAME PORT`: /STATUS or /STATUS/SIZE, the size in bytes of the body.
"""

import asyncio
import sys
from functools import lru_cache
from typing import cast

import uvloop

_LENGTH = b"content-length: "


@lru_cache(maxsize=1000)
def answer(name: str, path: str) -> bytes:
    status, _, size = path.strip("/").partition("/")
    if not status.isdigit():  # a probe
        status = "200"
    head = f"HTTP/1.1 {status} Whatever\r\nX-Backend: {name}\r\n"
    if status in ("204", "304"):
        return f"{head}\r\n".encode()
    body = b"x" * int(size or 0)
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Backend(asyncio.Protocol):
    """Its clients wait for an answer before they send the next request."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        self._buffer = b""
        head, end, body = data.partition(b"\r\n\r\n")
        length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            self._buffer = data
            return
        self._transport.write(answer(self._name, head.split(b" ", 2)[1].decode()))


async def _main(name: str, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Backend(name), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2])))
