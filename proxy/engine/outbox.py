"""What goes out together at the end of the event loop's turn: requests, then responses.

A turn reads what some dozens of sockets have. Written as they are read, one request in
four wakes up a process on the same machine that has fallen asleep since the last one;
together one in ten does. To wake up a process on another core takes longer than the
write itself. Backends are first, so that they work while the clients are written to.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.engine.downstream import ClientConnection

FEW = 16  # messages in a turn, for which a turn's end is not worth waiting for
LARGE = 16384  # bytes; what is longer is sent while it is in the processor's cache
PAUSE = 100  # responses after which it is looked again whether there are more

log = logging.getLogger("lbsite.edge")


class Outbox:
    """A worker's. Each client keeps what it is to be sent, as `late`."""

    __slots__ = ("_clients", "_loop", "_pause", "_requests")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._requests: list[tuple[asyncio.Transport, bytes]] = []
        self._clients: list[ClientConnection] = []
        self._pause = 0  # so many responses are sent at once: turns are short

    def add_request(self, backend: asyncio.Transport, data: bytes) -> None:
        """Send `data`, a whole request: nothing may follow it before its response."""
        if self._pause or len(data) > LARGE:
            backend.write(data)
            return
        if not self._requests and not self._clients:
            self._loop.call_soon(self.empty)
        self._requests.append((backend, data))

    def add(self, client: "ClientConnection", data: bytes | memoryview) -> None:
        """Send `data` at the end of this turn, or right before whatever `client` is sent next."""
        if self._pause:
            self._pause -= 1
            client.write(data)
            return
        if len(data) > LARGE:
            client.write(data)
            return
        if not self._requests and not self._clients:
            # After the turn's reads.
            self._loop.call_soon(self.empty)
        if not client.late:
            self._clients.append(client)
        client.late += data

    def empty(self) -> None:
        requests, self._requests = self._requests, []
        clients, self._clients = self._clients, []
        if len(requests) + len(clients) < FEW:
            self._pause = PAUSE
        for backend, data in requests:
            # One that was closed meanwhile tells its request that it was not sent.
            if not backend.is_closing():
                try:
                    backend.write(data)
                except Exception:  # the others must not be lost with it
                    log.exception("a request could not be sent")
                    backend.abort()
        for client in clients:
            try:
                client.send_late()
            except Exception:
                log.exception("a response could not be sent")
                client.transport.abort()
