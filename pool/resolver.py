"""Name resolution that gives up in time: getaddrinfo() itself cannot be interrupted."""

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, TypeVar

# As getaddrinfo() returns them: family, type, protocol, canonical name, socket address (a unix
# socket's is its path).
Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...] | str]


T = TypeVar("T")

_THREADS = 128  # they are started as they are needed


class Lanes:
    """Threads for look-ups, in two lanes: a name that was found does not wait behind others.

    A name whose servers are silent keeps its thread for as long as the system's
    resolver insists, and is asked for again at once. Enough of them would keep all
    threads, and every other name would seem to be silent as well.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        """`threads` of each lane."""
        self._proven = ThreadPoolExecutor(threads, thread_name_prefix="resolve")
        self._unproven = ThreadPoolExecutor(threads, thread_name_prefix="resolve-unproven")
        self._found: set[str] = set()  # at their last look-up

    def submit(self, host: str, look_up: Callable[[], T]) -> Future[T]:
        """Run `look_up`, which is for `host` and raises OSError where that is not found."""
        lane = self._proven if host in self._found else self._unproven
        return lane.submit(self._note, host, look_up)

    def forget(self, host: str) -> None:
        """A name that nobody asks for any more."""
        self._found.discard(host)

    def _note(self, host: str, look_up: Callable[[], T]) -> T:
        try:
            found = look_up()
        except OSError:
            self._found.discard(host)
            raise
        self._found.add(host)
        return found

    def close(self) -> None:
        """Wait for nobody."""
        for lane in (self._proven, self._unproven):
            lane.shutdown(wait=False, cancel_futures=True)


class Resolver:
    """Looks names up in threads of its own, one look-up at a time for a name.

    A name whose servers are silent keeps one thread busy for as long as the
    system's resolver insists, however many probes wait for it meanwhile.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        self._lanes = Lanes(threads)
        self._lock = Lock()
        self._running: dict[tuple[str, int], Future[list[Address]]] = {}

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:
        """The addresses of `host`; TimeoutError if that takes longer, OSError if it fails."""
        try:
            return _look_up(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return self._join(host, port).result(timeout)

    def _join(self, host: str, port: int) -> Future[list[Address]]:
        key = (host, port)
        with self._lock:
            if key in self._running:
                return self._running[key]
            future = self._running[key] = self._lanes.submit(host, partial(_look_up, host, port))
        future.add_done_callback(lambda _: self._forget(key))
        return future

    def _forget(self, key: tuple[str, int]) -> None:
        with self._lock:
            self._running.pop(key, None)


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
