"""Back-pressure: reading from a connection is paused for reasons, and each has its own end."""

from asyncio import Transport

# Why a connection is not read from.
PEER_FULL = 1  # what is read could not be written on: the other side is slow
PIPELINE_FULL = 2  # the next requests wait for the answer to this one
CONNECTING = 4  # body bytes wait for a connection to a backend


class ReadGate:
    """A bit a reason: reading goes on when none is left.

    One flag would not do: the end of one reason would let in what another one
    still holds back.
    """

    __slots__ = ("_reasons", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._reasons = 0

    def close(self, reason: int) -> None:
        if not self._reasons and not self._transport.is_closing():
            self._transport.pause_reading()
        self._reasons |= reason

    def open(self, reason: int) -> None:
        """`reason`: one, or several of them or-ed."""
        if not self._reasons & reason:
            return
        self._reasons &= ~reason
        if not self._reasons and not self._transport.is_closing():
            self._transport.resume_reading()

    def open_all(self) -> None:
        if self._reasons:
            self.open(self._reasons)

    def closed_for(self, reason: int) -> bool:
        return bool(self._reasons & reason)
