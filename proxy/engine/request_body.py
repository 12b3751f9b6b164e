"""The body of a request on its way: what waits for a connection, and what may be sent again."""

from proxy.core.framing import BodyReader, ChunkedReader, CloseReader, LengthReader
from proxy.core.head.request import RequestHead
from proxy.core.retry import MAX_REPLAY_BODY
from proxy.errors import BadRequest, BodyTooLarge

MAX_HELD = 65536  # bytes that wait for a connection before the client is paused


def request_reader(head: RequestHead) -> BodyReader:
    """Finds the end of the body of the request that begins with `head`."""
    return ChunkedReader(BadRequest) if head.chunked else LengthReader(head.content_length)


class RequestBody:
    """`at_hand`: whether all of it that was sent can be sent once more.

    `received`: bytes that have come, with their framing.
    """

    __slots__ = ("_limit", "_pieces", "_reader", "_size", "at_hand", "received")

    def __init__(self, data: bytes, reader: BodyReader | None = None, limit: int = 0) -> None:
        """`data`: what has come with the head: all of it, unless `reader` is to find its end.

        `limit`: bytes of content that it may have; 0: any number.
        """
        self._reader = reader
        self._limit = limit
        self._pieces = [data]  # all that has come, while it is at hand or waits
        self.received = self._size = len(data)
        self.at_hand = True

    # --- from the client ---

    def feed(self, data: bytes) -> int:
        """How many leading bytes of `data` belong to it. Raises `BodyTooLarge`, and what is
        malformed.
        """
        reader = self._reader
        if reader is None:
            return 0
        taken = reader.feed(data)
        self.received += taken
        self.check_size()
        return taken

    def check_size(self) -> None:
        """Raises `BodyTooLarge`, as soon as more has been announced than may come."""
        limit = self._limit
        if limit and limit < (self._size if self._reader is None else self._reader.size):
            raise BodyTooLarge

    @property
    def complete(self) -> bool:
        return self._reader is None or self._reader.done

    # --- to the backend ---

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

    def open_end(self) -> None:
        """From now on all that comes belongs to it, and nothing of it is kept."""
        self._reader = CloseReader()
        self._limit = 0
        self.forget()

    def forget(self) -> None:
        """It will not be sent again."""
        self.at_hand = False
        self._pieces = []
