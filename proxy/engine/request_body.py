"""The body of a request on its way: what waits for a connection, and what may be sent again."""

from proxy.core.retry import MAX_REPLAY_BODY

MAX_HELD = 65536  # bytes that wait for a connection before the client is paused


class RequestBody:
    """`at_hand`: whether all of it that was sent can be sent once more."""

    __slots__ = ("_pieces", "_size", "at_hand")

    def __init__(self, data: bytes) -> None:
        """`data`: what has come with the head."""
        self._pieces = [data]  # all that has come, while it is at hand or waits
        self._size = len(data)
        self.at_hand = True

    def hold(self, data: bytes) -> bool:
        """Keep `data` for a connection; whether that is as much as may wait."""
        self._pieces.append(data)
        self._size += len(data)
        return self._size > MAX_HELD

    def behind(self, head: bytes) -> bytes:
        """What a new connection is sent: `head` and all of the body that has come."""
        pieces = self._pieces
        data = head + pieces[0] if len(pieces) == 1 else b"".join((head, *pieces))
        if self._size > MAX_REPLAY_BODY:
            self.forget()
        return data

    def sent(self, data: bytes) -> None:
        """`data` has been sent behind all before it."""
        if self.at_hand:
            self._pieces.append(data)
            self._size += len(data)
            if self._size > MAX_REPLAY_BODY:
                self.forget()

    def forget(self) -> None:
        """It will not be sent again."""
        self.at_hand = False
        self._pieces = []
