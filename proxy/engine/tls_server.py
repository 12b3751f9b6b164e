"""Clients that come over TLS, from the moment at which their connection is there.

The loop's own server tells of them only when they have shaken hands. But whoever connects
and says nothing takes a descriptor and some 50 KB until the time for that is over: so they
are taken here, and counted like all others.
"""

import socket
from ssl import SSLContext
from typing import TYPE_CHECKING

from proxy.engine.descriptors import NONE_LEFT
from proxy.engine.downstream import ClientConnection

if TYPE_CHECKING:
    from proxy.engine.edge import Edge

_TOGETHER = 16  # connections that are taken in one go: each costs a tenth of a millisecond
RETRY = 1.0  # seconds until the next attempt where none can be taken: asyncio's


class TlsServer:
    def __init__(self, edge: "Edge", listener: socket.socket, context: SSLContext) -> None:
        """`listener` does not block."""
        self._edge = edge
        self._listener = listener
        self._context = context

    def start(self) -> None:
        if self._listener.fileno() >= 0:
            self._edge.loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Take no more; who has begun to shake hands goes on."""
        self._edge.loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_TOGETHER):
            try:
                sock = self._listener.accept()[0]
            except OSError as error:  # nobody waits, or who did has left
                if error.errno in NONE_LEFT:  # or else the loop would call at once, for ever
                    self._edge.loop.remove_reader(self._listener)
                    self._edge.loop.call_later(RETRY, self.start)
                return
            if self._edge.is_crowded:
                sock.close()
            else:
                self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        edge = self._edge
        client = ClientConnection(edge)
        task = edge.loop.create_task(self._shake_hands(sock, client))
        edge.shaking_hands[client] = task
        task.add_done_callback(lambda _: edge.shaking_hands.pop(client, None))

    async def _shake_hands(self, sock: socket.socket, client: ClientConnection) -> None:
        edge = self._edge
        try:
            await edge.loop.connect_accepted_socket(
                lambda: client,
                sock,
                ssl=self._context,
                # A client that trickles its handshake is no better than one that does its head.
                ssl_handshake_timeout=edge.settings.request_head_timeout,
            )
        except OSError:  # it was too late, has left, or speaks something else
            sock.close()
