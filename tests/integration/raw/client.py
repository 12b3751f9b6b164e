"""A client that sends exactly the bytes of a case and collects what comes back."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from tests.integration.raw.case import Step

PATIENCE = 20.0  # seconds until a wait counts as failed
BYTE_PAUSE = 0.00005  # enough for the edge to see most bytes one by one
LINGER_RESET = struct.pack("ii", 1, 0)


class RawClient:
    """One connection. A thread reads, so that a response may come while we send."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.received = b""
        self.seen = 0  # bytes that `receive` steps have passed
        self.ended = False
        self.was_reset = False
        self._reader.start()

    def play(self, steps: list[Step], *, bytewise: bool) -> None:
        """Send all of it, or as much as the edge takes."""
        with contextlib.suppress(OSError):  # it has closed: what it said so far counts
            for step in steps:
                self._play(step, bytewise=bytewise)

    def wait(self, ready: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Wait until `ready()`, asked again at each arrival; False if it never is."""
        with self._news:
            return self._news.wait_for(ready, patience)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(PATIENCE)
        self._socket.close()

    def _play(self, step: Step, *, bytewise: bool) -> None:
        if step.kind == "send" and bytewise:
            self._drip(step.data, BYTE_PAUSE)
        elif step.kind == "send":
            self._socket.sendall(step.data)
        elif step.kind == "drip":
            self._drip(step.data, step.seconds / len(step.data))
        elif step.kind == "pause":
            time.sleep(step.seconds)
        elif step.kind == "receive":
            self.wait(lambda: step.data in self.received[self.seen :] or self.ended)
            found = self.received.find(step.data, self.seen)
            self.seen = found + len(step.data) if found >= 0 else self.seen
        elif step.kind == "half-close":
            self._socket.shutdown(socket.SHUT_WR)
        elif step.kind == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            self._socket.shutdown(socket.SHUT_RD)  # wakes the reader, which holds the socket
            self._reader.join(PATIENCE)
            self._socket.close()
        elif step.kind == "close":
            self.close()

    def _drip(self, data: bytes, pause: float) -> None:
        for at in range(len(data)):
            if self.ended:
                return
            self._socket.sendall(data[at : at + 1])
            time.sleep(pause)

    def _read(self) -> None:
        data = b"-"
        while data:
            was_reset = False
            try:
                data = self._socket.recv(65536)
            except OSError as error:
                data, was_reset = b"", isinstance(error, ConnectionResetError)
            with self._news:
                self.received += data
                self.ended, self.was_reset = not data, was_reset
                self._news.notify_all()
