"""Responses that go out together at the end of the event loop's turn.

A turn reads what some dozens of sockets have. What is written to backends meanwhile goes
out right after it, and what is written to clients after that. Mixed up, as they were
read, a third to a half of the requests woke up a process on the same machine that had
fallen asleep since the last one; apart, a fifth do. To wake up a process on another core
takes longer than the write itself.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.engine.downstream import ClientConnection

FEW = 8  # responses in a turn, for which a turn's end is not worth waiting for
LARGE = 16384  # bytes; what is longer is sent while it is in the processor's cache
PAUSE = 100  # responses after which it is looked again whether there are more

log = logging.getLogger("lbsite.edge")


class Outbox:
    """A worker's. Each client keeps what it is to be sent, as `late`."""

    __slots__ = ("_clients", "_loop", "_pause")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._clients: list[ClientConnection] = []
        self._pause = 0  # so many responses are sent at once: turns are short

    def add(self, client: "ClientConnection", data: bytes | memoryview) -> None:
        """Send `data` at the end of this turn, or right before whatever `client` is sent next."""
        if self._pause:
            self._pause -= 1
            client.write(data)
            return
        if len(data) > LARGE:
            client.write(data)
            return
        if not self._clients:
            # After the turn's reads: uvloop has sent by then what was written during them.
            self._loop.call_soon(self.empty)
        if not client.late:
            self._clients.append(client)
        client.late += data

    def empty(self) -> None:
        clients, self._clients = self._clients, []
        if len(clients) < FEW:
            self._pause = PAUSE
        for client in clients:
            try:
                client.send_late()
            except Exception:  # the others' responses must not be lost with it
                log.exception("a response could not be sent")
                client.transport.abort()
