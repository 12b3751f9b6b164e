"""Back-pressure: reading from a connection is paused for reasons, and each has its own end."""

import struct
from asyncio import Transport
from contextlib import suppress
from fcntl import ioctl
from termios import FIONREAD, TIOCOUTQ

# Why a connection is not read from.
PEER_FULL = 1  # what is read could not be written on: the other side is slow
PIPELINE_FULL = 2  # the next requests wait for the answer to this one
CONNECTING = 4  # body bytes wait for a connection to a backend


class ReadGate:
    """A bit a reason: reading goes on when none is left.

    One flag would not do: the end of one reason would let in what another one
    still holds back. `reasons` is 0 while all is let in.
    """

    __slots__ = ("_transport", "reasons")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.reasons = 0

    def close(self, reason: int) -> None:
        if not self.reasons and not self._transport.is_closing():
            self._transport.pause_reading()
        self.reasons |= reason

    def open(self, reason: int) -> None:
        """`reason`: one, or several of them or-ed."""
        if not self.reasons & reason:
            return
        self.reasons &= ~reason
        if not self.reasons and not self._transport.is_closing():
            self._transport.resume_reading()

    def open_all(self) -> None:
        if self.reasons:
            self.open(self.reasons)

    def closed_for(self, reason: int) -> bool:
        return bool(self.reasons & reason)


def unread_bytes(transport: Transport) -> int:
    """Bytes written that the peer has not taken yet, as far as this system tells.

    Those in the kernel's buffer count: it holds megabytes, and lets more in only when a
    third of that is gone. A slow peer reads all the time and the transport sees nothing of it.
    """
    return transport.get_write_buffer_size() + _queued(transport, TIOCOUTQ)


def unheard_bytes(transport: Transport) -> int:
    """Bytes that have come and that the loop has not read yet: it may be late."""
    return _queued(transport, FIONREAD)


def _queued(transport: Transport, direction: int) -> int:
    with suppress(OSError, ValueError):  # it is closed already
        told = ioctl(transport.get_extra_info("socket").fileno(), direction, bytes(4))
        return int(struct.unpack("i", told)[0])
    return 0
