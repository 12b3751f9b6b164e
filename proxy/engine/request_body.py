"""The body of a request on its way: what waits for a connection, and what may be sent again."""

from proxy.core.retry import MAX_REPLAY_BODY

MAX_HELD = 65536  # bytes that wait for a connection before the client is paused


class RequestBody:
    __slots__ = ("_sent", "_sent_bytes", "_waiting", "_waiting_bytes")

    def __init__(self, data: bytes) -> None:
        """`data`: what has come with the head."""
        self._waiting = [data]
        self._waiting_bytes = len(data)
        self._sent: list[bytes] | None = []  # None: it cannot be sent again
        self._sent_bytes = 0

    @property
    def at_hand(self) -> bool:
        """Whether all that was sent can be sent once more."""
        return self._sent is not None

    def hold(self, data: bytes) -> bool:
        """Keep `data` for a connection; whether that is as much as may wait."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        return self._waiting_bytes > MAX_HELD

    def behind(self, head: bytes) -> bytes:
        """What a new connection is sent: `head` and all of the body that has come."""
        data = b"".join((head, *(self._sent or ()), *self._waiting))
        if self._sent is not None:
            self._sent += self._waiting
            self._count(self._waiting_bytes)
        self._waiting, self._waiting_bytes = [], 0
        return data

    def sent(self, data: bytes) -> None:
        """`data` has been sent behind all before it."""
        if self._sent is not None:
            self._sent.append(data)
            self._count(len(data))

    def forget(self) -> None:
        """It will not be sent again."""
        self._sent = None

    def _count(self, size: int) -> None:
        self._sent_bytes += size
        if self._sent_bytes > MAX_REPLAY_BODY:
            self._sent = None
