"""A backend that answers as fast as it can with what the path asks for.

`python backend.py NAME PORT`: /STATUS, /STATUS/SIZE or /STATUS/SIZE/DELAY, with the body's
size in bytes and the milliseconds until it is answered. In place of a status, `hang` is never
answered, and what is `cut` ends half-way.
"""

import asyncio
import sys
from functools import lru_cache
from typing import NamedTuple, cast

import uvloop

_LENGTH = b"content-length: "


class Answer(NamedTuple):
    data: bytes
    delay: float = 0.0  # seconds
    whole: bool = True


@lru_cache(maxsize=1000)
def answer(name: str, path: str) -> Answer | None:
    """None: none at all."""
    status, size, delay = ([*path.strip("/").split("/"), "", ""])[:3]
    if status == "hang":
        return None
    code = int(status) if status.isdigit() else 200  # a probe, or what is cut
    head = f"HTTP/1.1 {code} Whatever\r\nX-Backend: {name}\r\n"
    if code in (204, 304):
        return Answer(f"{head}\r\n".encode())
    body = b"x" * int(size or 0)
    data = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    if status == "cut":
        return Answer(data[: -len(body) // 2], whole=False)
    return Answer(data, int(delay or 0) / 1000)


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
        found = answer(self._name, head.split(b" ", 2)[1].decode())
        if found is None:
            return
        if found.delay:
            asyncio.get_running_loop().call_later(found.delay, self._answer, found)
        else:
            self._answer(found)

    def _answer(self, found: Answer) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(found.data)
        if not found.whole:
            self._transport.close()


async def _main(name: str, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Backend(name), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2])))
